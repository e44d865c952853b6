/* The library through its public face: against a naive model, across restarts, and from many threads. */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- single behaviours ---------------------------------------------------------------------------------------- */

static void test_order(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node, a, b, c;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &a), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &b), 0);
	assert_text(f->ipam, a, "10.0.0.2/24\nfd00::2/64\n");
	assert_text(f->ipam, b, "10.0.0.3/24\nfd00::3/64\n");
	/* The last one given and released isn't given again at once, not after a restart either. */
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "b"), 0);
	reopen(f);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "c", &c), 0);
	assert_text(f->ipam, c, "10.0.0.4/24\nfd00::4/64\n");
	assert_true(c > b);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "c", NULL), -EEXIST);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.0.0.2", NULL), -EADDRINUSE);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.0.0.1", NULL), -EADDRNOTAVAIL);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.0.1.9", NULL), -EADDRNOTAVAIL);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a\n", NULL), -EINVAL);
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "n"), -ENOTEMPTY);
	assert_int_equal(take_away(f->ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "c"), -ENOTEMPTY);
}

static void test_all_or_none(void **state)
{
	struct fixture *f = *state;
	/* Two IPv4 addresses a node, of which the gateway takes one; plenty of IPv6. */
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/29 30\nfd00::/48 64\n"), node;
	struct ipam_stats stats;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", NULL), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", NULL), -ENOSPC);
	assert_int_equal(ipam_stats(f->ipam, IPAM_NODE, node, &stats), 0);
	assert_true(stats.addresses_used == 2 && stats.leases == 1 && stats.leases_free == 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "m", NULL), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "l", NULL), -ENOSPC);
	assert_int_equal(ipam_stats(f->ipam, IPAM_CLUSTER, cluster, &stats), 0);
	assert_true(stats.blocks_used == 4);
	/* A full node may grow. */
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "m"), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "max-blocks 2\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", NULL), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "c", NULL), -ENOSPC);
	reopen(f);
	assert_int_equal(ipam_stats(f->ipam, IPAM_NODE, node, &stats), 0);
	assert_true(stats.leases == 2 && stats.blocks_used == 3);
}

static void test_cidrs(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16\n"), node;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.1.0.0/16\n", false), -EBUSY);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.0.128.0/17\n", true), -EEXIST);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.1.0.0/16\n10.2.0.1/16\n", true), -EINVAL);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.1.0.0/16 25\n", true), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.0.0.0/24\n", false), -EBUSY);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.0.0.2-10.0.0.4\n10.0.1.0/24\n", false), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.1.0/24\n", false), -EADDRNOTAVAIL);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.2.0/25\n", false), -EADDRNOTAVAIL);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.2.0/24\n10.1.0.128/25\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.1.0.200", NULL), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.2.0/24\n", false), -EBUSY);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.1.0.200\n", true), -EBUSY);
	reopen(f);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.0.0/24\n10.1.0.128/25\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.0.0.3", NULL), -EADDRNOTAVAIL);
}

static void test_attributes(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16\n"), node, lease;
	char value[IPAM_XATTR_BUDGET + 1] = { 0 };
	struct ipam_wait *w;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &lease), 0);
	assert_int_equal(ipam_xattr_set(f->ipam, lease, "pod", "web", 3, 0, ipam_by_self()), 0);
	assert_int_equal(ipam_xattr_set(f->ipam, lease, "pod", "web", 3, 1, ipam_by_self()), -EEXIST);
	assert_int_equal(ipam_xattr_set(f->ipam, lease, "big", value, IPAM_XATTR_BUDGET - 6 - 3, 0, ipam_by_self()), 0);
	assert_int_equal(ipam_xattr_set(f->ipam, lease, "x", "", 0, 0, ipam_by_self()), -ENOSPC);
	assert_int_equal(ipam_xattr_remove(f->ipam, lease, "big", ipam_by_self()), 0);
	assert_int_equal(ipam_xattr_remove(f->ipam, lease, "big", ipam_by_self()), -ENODATA);
	w = ipam_wait_new();
	ipam_sync_object(f->ipam, IPAM_LEASE, lease, ipam_wait_done, w);
	assert_int_equal(ipam_wait(w, NULL), 0);
	reopen(f);
	assert_int_equal(ipam_xattr_get(f->ipam, lease, "pod", value, sizeof value), 3);
	assert_memory_equal(value, "web", 3);
}

static void test_refuses(void **state)
{
	struct fixture *f = *state;
	struct ipam_options options = { .size = sizeof options };
	struct ipam_error error;
	struct ipam *second;

	assert_int_equal(ipam_open(f->path, &options, &second, &error), -EBUSY);
	assert_int_equal(ipam_open("/dev/null", &options, &second, &error), -EINVAL);
	assert_int_equal(ipam_open("/nowhere/at/all", &options, &second, &error), -ENOENT);
}

/* A program that was compiled with an older or a newer header. */
static void test_versions(void **state)
{
	struct {
		struct ipam_options options;
		uint64_t newer;
	} given = { .options = { .size = sizeof given, .read_only = true } };
	struct fixture *f = *state;
	struct ipam_error error;
	struct ipam *ipam;
	char none[4096];

	assert_string_equal(ipam_version(), IPAM_VERSION);
	assert_int_equal(ipam_open("/nowhere/at/all", &given.options, &ipam, &error), -ENOENT);
	given.newer = 1; /* what it says isn't known here */
	assert_int_equal(ipam_open("/nowhere/at/all", &given.options, &ipam, &error), -EINVAL);
	assert_non_null(strstr(error.text, "doesn't know"));
	assert_int_equal(ipam_lock(f->path, &given.options, &error), -EINVAL);
	given.options.size = offsetof(struct ipam_options, create); /* what follows isn't of that version */
	given.options.read_only = false;
	given.options.create = true;
	snprintf(none, sizeof none, "%s.none", f->path);
	assert_int_equal(ipam_open(none, &given.options, &ipam, &error), -ENOENT);
	given.options.size = 0;
	assert_int_equal(ipam_open(f->path, &given.options, &ipam, &error), -EINVAL);
	assert_non_null(strstr(error.text, "sizeof(struct ipam_options)"));
}

/* ---- against a model ------------------------------------------------------------------------------------------ */

enum { NAMES = 60, STEPS = 4000 };

struct model {
	bool held[NAMES];
	uint64_t id[NAMES];
	char text[NAMES][IPAM_LEASE_TEXT];
};

static void compare(struct ipam *ipam, uint64_t node, const struct model *m)
{
	struct ipam_object object;
	uint32_t count = 0;

	for (int i = 0; i < NAMES; i++) {
		char name[16];
		int rc;

		snprintf(name, sizeof name, "l%d", i);
		rc = ipam_lookup(ipam, IPAM_LEASE, node, name, &object);
		assert_int_equal(rc, m->held[i] ? 0 : -ENOENT);
		if (!m->held[i])
			continue;
		count++;
		assert_int_equal(object.id, m->id[i]);
		assert_text(ipam, m->id[i], m->text[i]);
		for (int k = 0; k < i; k++)
			if (m->held[k])
				assert_string_not_equal(m->text[i], m->text[k]);
	}
	assert_int_equal(ipam_get(ipam, IPAM_NODE, node, &object), 0);
	assert_int_equal(object.children, count);
}

static int holder_of(const struct model *m, const char *addr)
{
	for (int i = 0; i < NAMES; i++)
		if (m->held[i] && strncmp(m->text[i], addr, strlen(addr)) == 0 && m->text[i][strlen(addr)] == '/')
			return i;
	return -1;
}

static void step(struct ipam *ipam, uint64_t node, struct model *m)
{
	int i = rand() % NAMES, k = rand() % NAMES, last = rand() % 64, rc;
	char name[16], other[16], addr[32];

	snprintf(name, sizeof name, "l%d", i);
	snprintf(other, sizeof other, "l%d", k);
	snprintf(addr, sizeof addr, "10.0.0.%d", last);
	switch (rand() % 4) {
	case 0:
		rc = make(ipam, IPAM_LEASE, node, name, &m->id[i]);
		if (m->held[i]) {
			assert_int_equal(rc, -EEXIST);
		} else if (rc == 0) {
			m->held[i] = true;
			assert_true(ipam_lease_text(ipam, m->id[i], m->text[i]) > 0);
		} else {
			assert_int_equal(rc, -ENOSPC); /* 64 addresses less network, broadcast, gateway */
		}
		break;
	case 1:
		rc = take_away(ipam, IPAM_LEASE, node, name);
		assert_int_equal(rc, m->held[i] ? 0 : -ENOENT);
		m->held[i] = false;
		break;
	case 2:
		rc = rename_to(ipam, IPAM_LEASE, node, name, other);
		assert_int_equal(rc, !m->held[i] ? -ENOENT : i == k ? 0 : m->held[k] ? -EEXIST : 0);
		if (rc == 0 && i != k) {
			m->held[k] = true;
			m->held[i] = false;
			m->id[k] = m->id[i];
			strcpy(m->text[k], m->text[i]);
		}
		break;
	default:
		if (!m->held[i])
			break;
		rc = put(ipam, IPAM_LEASE_ADDRESSES, m->id[i], addr, false);
		k = holder_of(m, addr);
		assert_int_equal(rc, last < 2 || last == 63 ? -EADDRNOTAVAIL : k >= 0 && k != i ? -EADDRINUSE : 0);
		if (rc == 0)
			assert_true(ipam_lease_text(ipam, m->id[i], m->text[i]) > 0);
		if (rc == 0)
			assert_int_equal(holder_of(m, addr), i);
	}
}

static void test_model(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/24 26\nfd00::/48 64\n"), node;
	struct model *m = calloc(1, sizeof *m);

	srand(1);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	for (int i = 0; i < STEPS; i++) {
		step(f->ipam, node, m);
		if (i % 500 == 499) {
			compare(f->ipam, node, m);
			reopen(f);
			compare(f->ipam, node, m);
		}
	}
	free(m);
}

/* ---- many threads ----------------------------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 150 };

struct racer {
	struct ipam *ipam;
	uint64_t cluster, node;
	int number, won;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct ipam_object object;
		char name[32];

		/* The same names for all: one wins each. */
		snprintf(name, sizeof name, "shared%d", i);
		r->won += make(r->ipam, IPAM_LEASE, r->node, name, NULL) == 0;
		/* And some coming and going of their own, with reports in between. */
		snprintf(name, sizeof name, "own%d", r->number);
		if (make(r->ipam, IPAM_LEASE, r->node, name, NULL) == 0) {
			rename_to(r->ipam, IPAM_LEASE, r->node, name, name);
			take_away(r->ipam, IPAM_LEASE, r->node, name);
		}
		if (i % 16 == r->number) {
			struct ipam_stats stats;

			snprintf(name, sizeof name, "n%d", r->number);
			make(r->ipam, IPAM_NODE, r->cluster, name, NULL);
			ipam_stats(r->ipam, IPAM_CLUSTER, r->cluster, &stats);
			put(r->ipam, IPAM_CLUSTER_SETTINGS, r->cluster, "max-leases 0", false);
			take_away(r->ipam, IPAM_NODE, r->cluster, name);
		}
		ipam_lookup(r->ipam, IPAM_LEASE, r->node, name, &object);
	}
	return NULL;
}

static void test_race(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 23\nfd00::/48 64\n"), node;
	struct racer racer[THREADS];
	pthread_t thread[THREADS];
	struct ipam_stats stats;
	int won = 0;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	for (int i = 0; i < THREADS; i++) {
		racer[i] = (struct racer){ f->ipam, cluster, node, i, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, race, &racer[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		won += racer[i].won;
	}
	assert_int_equal(won, ROUNDS);
	assert_int_equal(ipam_stats(f->ipam, IPAM_NODE, node, &stats), 0);
	assert_true(stats.leases == ROUNDS && stats.addresses_used == 2 * ROUNDS);
	reopen(f);
	assert_int_equal(ipam_stats(f->ipam, IPAM_NODE, node, &stats), 0);
	assert_true(stats.leases == ROUNDS && stats.addresses_used == 2 * ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_all_or_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cidrs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_attributes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_versions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_model, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_race, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
