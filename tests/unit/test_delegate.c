/* Who gets which block: CIDRs that select nodes, nodes by a line each, and labels that change. */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int delegate(struct ipam *ipam, uint64_t cluster, const char *text)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_delegate(ipam, cluster, text, strlen(text), &root, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static uint64_t node_of(struct ipam *ipam, uint64_t cluster, const char *name)
{
	struct ipam_object object;

	return ipam_lookup(ipam, IPAM_NODE, cluster, name, &object) == 0 ? object.id : 0;
}

static int add_block(void *arg, const struct ipam_block_view *v)
{
	char *out = arg;

	cidr_print(&v->cidr, out + strlen(out));
	strcat(out, " ");
	return 0;
}

static void assert_blocks(struct ipam *ipam, uint64_t cluster, const char *node, const char *wanted)
{
	char text[1024] = "";

	ipam_read_begin(ipam);
	ipam_each_block(ipam, IPAM_NODE, node_of(ipam, cluster, node), add_block, text);
	ipam_read_end(ipam);
	assert_string_equal(text, wanted);
}

static void assert_labels(struct ipam *ipam, uint64_t cluster, const char *node, const char *wanted)
{
	struct ipam_node_view v = { 0 };
	char text[IPAM_LABELS_MAX + 1] = "?";

	ipam_read_begin(ipam);
	if (ipam_view_node(ipam, node_of(ipam, cluster, node), &v) == 0)
		strcpy(text, v.labels);
	ipam_read_end(ipam);
	assert_string_equal(text, wanted);
}

static void assert_used(struct ipam *ipam, uint64_t cluster, uint64_t blocks)
{
	struct ipam_stats stats;

	assert_int_equal(ipam_stats(ipam, IPAM_CLUSTER, cluster, &stats), 0);
	assert_int_equal((uint64_t)stats.blocks_used, blocks);
}

/* The one that asks most, wherever it stands; then the order of the list; a full one is passed over. */
static void test_choice(void **state)
{
	struct fixture *f = *state;
	static const char *const lists[] = {
		"10.0.0.0/24 24\n10.1.0.0/23 24 selector=zone=a\n10.2.0.0/24 24 selector=zone=a,arch=arm\n"
		"10.3.0.0/24 24 selector=zone,!x\n10.4.0.0/24 24\n",
		"10.4.0.0/24 24\n10.3.0.0/24 24 selector=!x,zone\n10.0.0.0/24 24\n10.2.0.0/24 24 selector=arch==arm,zone=a\n"
		"10.1.0.0/23 24 selector=zone=a\n",
	};
	uint64_t cluster = make_cluster(f->ipam, lists[0]);

	for (int i = 0; i < 2; i++) {
		static const char *const node[] = { "n1", "n2", "n3", "n4", "n5", "n6" };

		assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, lists[i], false), 0);
		if (i == 1)
			reopen(f); /* the order holds as it was read, too */
		for (int k = 0; k < 6; k++) {
			char line[64];

			snprintf(line, sizeof line, "%s zone=a arch=arm\n", node[k]);
			assert_int_equal(delegate(f->ipam, cluster, line), 0);
		}
		assert_blocks(f->ipam, cluster, "n1", i == 0 ? "10.2.0.0/24 " : "10.3.0.0/24 ");
		assert_blocks(f->ipam, cluster, "n2", i == 0 ? "10.3.0.0/24 " : "10.2.0.0/24 ");
		assert_blocks(f->ipam, cluster, "n3", "10.1.0.0/24 ");
		assert_blocks(f->ipam, cluster, "n4", "10.1.1.0/24 ");
		assert_blocks(f->ipam, cluster, "n5", i == 0 ? "10.0.0.0/24 " : "10.4.0.0/24 ");
		assert_blocks(f->ipam, cluster, "n6", i == 0 ? "10.4.0.0/24 " : "10.0.0.0/24 ");
		assert_int_equal(delegate(f->ipam, cluster, "n7 zone=a\n"), -ENOSPC);
		assert_int_equal(node_of(f->ipam, cluster, "n7"), 0);
		for (int k = 0; k < 6; k++)
			assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, node[k]), 0);
		/* mkdir makes one without labels: those CIDRs alone that ask for nothing. */
		assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n1", NULL), 0);
		assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n2", NULL), 0);
		assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n3", NULL), -ENOSPC);
		assert_blocks(f->ipam, cluster, "n1", i == 0 ? "10.0.0.0/24 " : "10.4.0.0/24 ");
		assert_blocks(f->ipam, cluster, "n2", i == 0 ? "10.4.0.0/24 " : "10.0.0.0/24 ");
		assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "n1"), 0);
		assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "n2"), 0);
		assert_used(f->ipam, cluster, 0);
	}
}

/* A family that the cluster has, and this node can't have. */
static void test_families(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64 selector=six\n");

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", NULL), -ENOSPC);
	assert_used(f->ipam, cluster, 0);
	assert_int_equal(delegate(f->ipam, cluster, "n six=\n"), 0);
	assert_blocks(f->ipam, cluster, "n", "10.0.1.0/24 fd00::/64 "); /* the one after that which was looked at */
}

static void test_labels(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 29\n10.9.0.0/16 29 selector=zone=b\n"), n, lease;
	char name[16];

	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "max-blocks 2\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &n), 0);
	assert_labels(f->ipam, cluster, "n", "");
	assert_int_equal(put(f->ipam, IPAM_NODE_LABELS, n, "zone=a\narch=arm\n", false), 0);
	assert_labels(f->ipam, cluster, "n", "arch=arm\nzone=a\n");
	assert_int_equal(put(f->ipam, IPAM_NODE_LABELS, n, "zone=b\nx=\n", true), 0);
	assert_labels(f->ipam, cluster, "n", "arch=arm\nx=\nzone=b\n");
	assert_int_equal(put(f->ipam, IPAM_NODE_LABELS, n, "zone=-\n", true), -EINVAL);
	assert_int_equal(put(f->ipam, IPAM_NODE_LABELS, 999, "zone=a\n", true), -ENOENT);
	/* Nothing moves; what it grows by comes from elsewhere. */
	assert_blocks(f->ipam, cluster, "n", "10.0.0.0/29 ");
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "l%d", i);
		assert_int_equal(make(f->ipam, IPAM_LEASE, n, name, &lease), 0);
	}
	assert_text(f->ipam, lease, "10.9.0.2/29\n");
	reopen(f);
	assert_labels(f->ipam, cluster, "n", "arch=arm\nx=\nzone=b\n");
	assert_blocks(f->ipam, cluster, "n", "10.0.0.0/29 10.9.0.0/29 ");
	/* Another selector, and the blocks stay. */
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.9.0.0/16 29 selector=other\n10.0.0.0/16 29 selector=!x\n", false),
			 0);
	assert_blocks(f->ipam, cluster, "n", "10.0.0.0/29 10.9.0.0/29 ");
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.9.0.0/16 28 selector=other\n10.0.0.0/16 29\n", false), -EBUSY);
	assert_int_equal(delegate(f->ipam, cluster, "m other=1\n"), 0);
	assert_blocks(f->ipam, cluster, "m", "10.9.0.8/29 ");
	assert_int_equal(delegate(f->ipam, cluster, "o x=1\n"), -ENOSPC);
	/* None any more. */
	assert_int_equal(put(f->ipam, IPAM_NODE_LABELS, n, "", false), 0);
	reopen(f);
	assert_labels(f->ipam, cluster, "n", "");
	assert_int_equal(delegate(f->ipam, cluster, "o x=1\n"), -ENOSPC);
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "m"), 0);
}

static void test_exact(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n10.1.0.0/16 24 selector=a\nfd00::/48 64\n");

	/* Selectors don't matter, nor max-blocks, nor that a family is left out. */
	assert_int_equal(delegate(f->ipam, cluster, "n1 10.1.7.0/24 10.0.3.0/24 k=v\n"), 0);
	assert_blocks(f->ipam, cluster, "n1", "10.1.7.0/24 10.0.3.0/24 ");
	assert_labels(f->ipam, cluster, "n1", "k=v\n");
	assert_int_equal(delegate(f->ipam, cluster, "n1 10.0.4.0/24\n"), -EEXIST);
	assert_int_equal(delegate(f->ipam, cluster, "n2 10.0.3.0/24\n"), -EADDRINUSE);
	assert_int_equal(delegate(f->ipam, cluster, "n2 10.0.4.0/25\n"), -EADDRNOTAVAIL);
	assert_int_equal(delegate(f->ipam, cluster, "n2 10.5.4.0/24\n"), -EADDRNOTAVAIL);
	assert_int_equal(delegate(f->ipam, 999, "n2\n"), -ENOENT);
	/* All or none. */
	assert_int_equal(delegate(f->ipam, cluster, "n2\nn3 a=1\nn4 10.0.3.0/24\n"), -EADDRINUSE);
	assert_int_equal(delegate(f->ipam, cluster, "n2\nn3 10.0.9.0/24\nn4 10.0.9.0/24\n"), -EADDRINUSE);
	assert_int_equal(delegate(f->ipam, cluster, "n2\nn1\n"), -EEXIST);
	assert_int_equal(delegate(f->ipam, cluster, "n2\nn3 =\n"), -EINVAL);
	assert_int_equal(node_of(f->ipam, cluster, "n2"), 0);
	assert_used(f->ipam, cluster, 2);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.0.8.0/24\n", false), 0);
	assert_int_equal(delegate(f->ipam, cluster, "n2 10.0.8.0/24\n"), -EADDRNOTAVAIL);
	/* What a later line names isn't chosen for an earlier one. */
	assert_int_equal(delegate(f->ipam, cluster, "n2\nn3 a=1\nn4 10.0.0.0/24 fd00::/64\n"), 0);
	reopen(f);
	assert_blocks(f->ipam, cluster, "n1", "10.1.7.0/24 10.0.3.0/24 ");
	assert_blocks(f->ipam, cluster, "n4", "10.0.0.0/24 fd00::/64 ");
	assert_labels(f->ipam, cluster, "n3", "a=1\n");
	assert_used(f->ipam, cluster, 8);
}

/* ---- many at once --------------------------------------------------------------------------------------------- */

enum { RACERS = 4, NAMES = 60 };

struct racer {
	struct ipam *ipam;
	uint64_t cluster;
	unsigned made;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < NAMES; i++) {
		char line[64];
		int rc;

		snprintf(line, sizeof line, "n%d 10.0.%d.0/24\nm%d a=1\n", i, i, i);
		rc = delegate(r->ipam, r->cluster, line);
		r->made += rc == 0;
		if (rc != 0)
			assert_true(rc == -EEXIST || rc == -EADDRINUSE);
	}
	return NULL;
}

static void test_race(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n10.1.0.0/16 24 selector=a\n");
	struct racer racer[RACERS];
	pthread_t thread[RACERS];
	unsigned made = 0;

	for (int i = 0; i < RACERS; i++) {
		racer[i] = (struct racer){ f->ipam, cluster, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, race, &racer[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(thread[i], NULL);
		made += racer[i].made;
	}
	assert_int_equal(made, NAMES);
	assert_used(f->ipam, cluster, 2 * NAMES);
	reopen(f);
	assert_used(f->ipam, cluster, 2 * NAMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_choice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_families, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exact, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_race, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
