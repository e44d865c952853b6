/* A snapshot is what there was when it began, whatever changes while it is read. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 4, NAMES = 40, ROUNDS = 60 };

/* Lines, a lease each. */
struct lines {
	char *line[4 * NODES * NAMES];
	size_t n;
};

static int add_line(void *arg, const struct ipam_lease_view *v)
{
	struct lines *l = arg;
	struct ipam_attribute a;
	const void *at = NULL;
	char text[1024];
	int n = snprintf(text, sizeof text, "%llu %s/%s/%s %x %x gen %u mtime %lld mode %o", (unsigned long long)v->id, v->cluster_name,
			 v->node_name, v->name, (unsigned)v->addr[CIDR_V4], (unsigned)v->addr[CIDR_V6], v->generation,
			 (long long)v->attr.mtime, v->attr.mode);

	while ((at = ipam_next_xattr(v, at, &a)) != NULL)
		n += snprintf(text + n, sizeof text - (size_t)n, " %s=%.*s", a.name, (int)a.size, (const char *)a.value);
	assert_true(l->n < sizeof l->line / sizeof *l->line);
	l->line[l->n++] = strdup(text);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void clear(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	l->n = 0;
}

static void assert_same(struct lines *a, struct lines *b)
{
	qsort(a->line, a->n, sizeof *a->line, compare);
	qsort(b->line, b->n, sizeof *b->line, compare);
	for (size_t i = 0; i < a->n && i < b->n; i++)
		assert_string_equal(a->line[i], b->line[i]);
	assert_int_equal(a->n, b->n);
}

/* Any change there is of a lease or its node; most are refused at times. */
static void change(struct ipam *ipam, uint64_t cluster, const uint64_t node[NODES])
{
	uint64_t n = node[rand() % NODES];
	struct ipam_object object;
	struct ipam_attribute a = { "kept", "yes", 3 };
	struct ipam_attr attr = { .mode = (uint32_t)rand() & 0777, .mtime = rand() };
	struct ipam_wait *w;
	char name[32], other[IPAM_NAME_MAX + 1], text[64];

	snprintf(name, sizeof name, "l%d", rand() % NAMES);
	snprintf(other, sizeof other, "l%d", rand() % NAMES);
	if (rand() % 3 == 0) {
		make(ipam, IPAM_LEASE, n, name, NULL);
		return;
	}
	if (ipam_lookup(ipam, IPAM_LEASE, n, name, &object) < 0)
		return;
	switch (rand() % 9) {
	case 0:
	case 1:
		take_away(ipam, IPAM_LEASE, n, name);
		break;
	case 2:
		rename_to(ipam, IPAM_LEASE, n, name, other);
		break;
	case 3:
		snprintf(text, sizeof text, "10.0.%d.%d\n", rand() % NODES, rand() % 250 + 2);
		put(ipam, IPAM_LEASE_ADDRESSES, object.id, text, false);
		break;
	case 4:
		snprintf(text, sizeof text, "%d", rand());
		assert_int_equal(ipam_xattr_set(ipam, object.id, other, text, strlen(text), 0, ipam_by_self()), 0);
		break;
	case 5:
		ipam_xattr_remove(ipam, object.id, other, ipam_by_self());
		break;
	case 6:
		w = ipam_wait_new();
		ipam_set_attr(ipam, IPAM_LEASE, object.id, rand() % 2 ? IPAM_SET_MTIME : IPAM_SET_MODE, &attr, ipam_by_self(),
			      ipam_wait_done, w);
		assert_int_equal(ipam_wait(w, NULL), 0);
		break;
	case 7:
		w = ipam_wait_new();
		ipam_describe(ipam, object.id, &a, 1, false, ipam_by_self(), ipam_wait_done, w);
		assert_int_equal(ipam_wait(w, NULL), 0);
		break;
	default:
		snprintf(text, sizeof text, "n%d", rand() % (2 * NODES));
		if (ipam_name(ipam, IPAM_NODE, n, other) == 0)
			rename_to(ipam, IPAM_NODE, cluster, other, text);
	}
}

static void test_snapshot(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node[NODES];
	struct lines before = { .n = 0 }, seen = { .n = 0 }, alone = { .n = 0 };
	size_t changes = 0;

	for (int i = 0; i < NODES; i++) {
		char name[16];

		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(make(f->ipam, IPAM_NODE, cluster, name, &node[i]), 0);
	}
	srand(1);
	for (int i = 0; i < 200; i++)
		change(f->ipam, cluster, node);
	for (int round = 0; round < ROUNDS; round++) {
		struct ipam_snapshot *s, *of_node;
		int rc, rc_node = 1;

		ipam_read_begin(f->ipam);
		assert_int_equal(ipam_each_lease(f->ipam, IPAM_CLUSTER, cluster, add_line, &before), 0);
		ipam_read_end(f->ipam);
		assert_int_equal(ipam_snapshot_begin(f->ipam, IPAM_CLUSTER, cluster, NULL, NULL, &s), 0);
		assert_int_equal(ipam_snapshot_leases(s), before.n);
		/* Another one at the same time, which begins later. */
		for (int i = 0; i < 20; i++)
			change(f->ipam, cluster, node);
		assert_int_equal(ipam_snapshot_begin(f->ipam, IPAM_NODE, node[1], NULL, NULL, &of_node), 0);
		ipam_read_begin(f->ipam);
		assert_int_equal(ipam_each_lease(f->ipam, IPAM_NODE, node[1], add_line, &alone), 0);
		ipam_read_end(f->ipam);
		do {
			size_t most = (size_t)(rand() % 9 + 1);

			for (int i = rand() % 12; i > 0; i--, changes++)
				change(f->ipam, cluster, node);
			rc = ipam_snapshot_next(s, most, add_line, &seen);
		} while (rc == 1);
		assert_int_equal(rc, 0);
		assert_same(&before, &seen);
		clear(&seen);
		while (rc_node == 1) {
			change(f->ipam, cluster, node);
			rc_node = ipam_snapshot_next(of_node, 5, add_line, &seen);
		}
		assert_int_equal(rc_node, 0);
		assert_same(&alone, &seen);
		ipam_snapshot_end(s);
		ipam_snapshot_end(of_node);
		clear(&seen);
		clear(&before);
		clear(&alone);
	}
	assert_true(changes > 500);
}

static bool wanted(void *arg, const struct ipam_node_view *v)
{
	return strcmp(v->name, arg) != 0;
}

static void test_wanted(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node[2];
	struct lines seen = { .n = 0 };
	struct ipam_snapshot *s;
	char hidden[] = "hidden";

	assert_int_equal(ipam_snapshot_begin(f->ipam, IPAM_CLUSTER, cluster + 1000, NULL, NULL, &s), -ENOENT);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "hidden", &node[0]), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "seen", &node[1]), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node[0], "a", NULL), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node[1], "b", NULL), 0);
	assert_int_equal(ipam_snapshot_begin(f->ipam, IPAM_CLUSTER, cluster, wanted, hidden, &s), 0);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node[0], "a"), 0);
	/* Its node goes too, and all the same it is told. */
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node[1], "b"), 0);
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "seen"), 0);
	while (ipam_snapshot_next(s, 1, add_line, &seen) == 1)
		;
	assert_int_equal(seen.n, 1);
	assert_non_null(strstr(seen.line[0], "c/seen/b a000102"));
	ipam_snapshot_end(s);
	clear(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wanted, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
