/* Which address or block is given: the order, alternatives, what rests, what is reserved. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void assert_next(struct ipam *ipam, uint64_t node, const char *name, const char *wanted)
{
	uint64_t lease = 0;

	assert_int_equal(make(ipam, IPAM_LEASE, node, name, &lease), 0);
	assert_text(ipam, lease, wanted);
}

static int release(struct ipam *ipam, uint64_t lease, bool unused)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_release(ipam, lease, 0, unused, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static uint64_t resting(struct ipam *ipam, enum ipam_kind kind, uint64_t id)
{
	struct ipam_stats stats;

	assert_int_equal(ipam_stats(ipam, kind, id, &stats), 0);
	return (uint64_t)stats.addresses_resting;
}

/* The next address is the one after that which was given last, whoever chose that one; after a restart, too. */
static void test_after_a_wish(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, a, b;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &a), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &b), 0);
	assert_int_equal(put(f->ipam, IPAM_LEASE_FIRST, b, "10.0.0.9\n", false), 0);
	assert_next(f->ipam, node, "c", "10.0.0.10/24\n");
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.0.0.20", NULL), 0);
	assert_next(f->ipam, node, "d", "10.0.0.21/24\n");
	/* To a lease that isn't the newest. */
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, a, "10.0.0.30\n", false), 0);
	reopen(f);
	assert_next(f->ipam, node, "e", "10.0.0.31/24\n");
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, a, "10.0.0.40-10.0.0.50\n", false), 0);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "a"), 0);
	reopen(f);
	assert_next(f->ipam, node, "g", "10.0.0.41/24\n");
}

/* Of several blocks, too, the one goes on that gave last. */
static void test_after_a_wish_elsewhere(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, a;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.0.0/24\n10.0.1.0/24\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &a), 0);
	assert_next(f->ipam, node, "b", "10.0.0.3/24\n");
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, a, "10.0.1.7\n", false), 0);
	assert_next(f->ipam, node, "c", "10.0.1.8/24\n");
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, a, "10.0.0.99\n", false), 0);
	reopen(f);
	assert_next(f->ipam, node, "d", "10.0.0.100/24\n");
}

static void test_alternatives(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, a;
	static const char ranges[] = "10.0.2.0-10.0.2.3\n10.0.1.0-10.0.1.255\n";

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.0.1.0/24\n10.0.2.0/24\n", false), 0);
	/* A new lease's own choice is none: the first alternative that has room is. */
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &a), 0);
	assert_text(f->ipam, a, "10.0.1.2/24\n");
	assert_int_equal(put(f->ipam, IPAM_LEASE_FIRST, a, ranges, false), 0);
	assert_text(f->ipam, a, "10.0.2.2/24\n");
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &a), 0);
	assert_int_equal(put(f->ipam, IPAM_LEASE_FIRST, a, ranges, false), 0);
	assert_text(f->ipam, a, "10.0.2.3/24\n");
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "c", &a), 0);
	assert_int_equal(put(f->ipam, IPAM_LEASE_FIRST, a, ranges, false), 0);
	assert_text(f->ipam, a, "10.0.1.3/24\n");
	/* One that somebody has stays, though an earlier one is free again. */
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "b"), 0);
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, a, ranges, false), 0);
	assert_text(f->ipam, a, "10.0.1.3/24\n");
}

/* What nobody was told of doesn't rest. */
static void test_unused(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/28 28\n"), node, a, b;

	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 3600\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &a), 0);
		assert_int_equal(release(f->ipam, a, true), 0);
	}
	assert_int_equal(resting(f->ipam, IPAM_NODE, node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &a), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &b), 0);
	assert_int_equal(release(f->ipam, a, false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, node), 1);
}

static void fill_and_release(struct ipam *ipam, uint64_t node)
{
	char name[16];
	int n = 0;

	for (;; n++) {
		snprintf(name, sizeof name, "l%d", n);
		if (make(ipam, IPAM_LEASE, node, name, NULL) < 0)
			break;
	}
	while (n-- > 0) {
		snprintf(name, sizeof name, "l%d", n);
		assert_int_equal(take_away(ipam, IPAM_LEASE, node, name), 0);
	}
}

/* A shorter reuse-delay counts for what rests already, where it is in force. */
static void test_shorter_delay(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/24 28\nfd00::/48 64\n"), n, m, own;

	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 3600\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &n), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "m", &m), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "own", &own), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_SETTINGS, own, "reuse-delay 7200\n", false), 0);
	fill_and_release(f->ipam, n);
	fill_and_release(f->ipam, m);
	fill_and_release(f->ipam, own);
	assert_int_equal(resting(f->ipam, IPAM_CLUSTER, cluster), 3 * 2 * 13);
	assert_int_equal(make(f->ipam, IPAM_LEASE, m, "a", NULL), -ENOSPC);
	assert_int_equal(put(f->ipam, IPAM_NODE_SETTINGS, m, "reuse-delay 0\n", false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, m), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, m, "a", NULL), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 26);
	/* Longer: they rest as long as they would. Shorter: both are stored. */
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 9000\n", false), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 1800\n", false), 0);
	reopen(f);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 26);
	assert_int_equal(resting(f->ipam, IPAM_NODE, m), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 0\n", false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, own), 26);
	fill_and_release(f->ipam, n);
	reopen(f);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, own), 26);
	assert_int_equal(put(f->ipam, IPAM_NODE_SETTINGS, own, "reuse-delay 0\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, own, "a", NULL), 0);
}

/* What rests is the cluster's, not the block's: delegated anew, a block has it resting still, and it ends once. */
static void test_rests_outlive_blocks(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/24 28\n"), n;

	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 3600\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &n), 0);
	fill_and_release(f->ipam, n);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, n, "10.0.0.16/28\n", false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, n, "10.0.0.0/28\n", false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 13);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 0\n", false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 0);
	assert_next(f->ipam, n, "a", "10.0.0.2/28\n");
	/* One that is nobody's meanwhile goes by the cluster's delay. */
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 3600\n", false), 0);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, n, "a"), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, n, "10.0.0.16/28\n", false), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "reuse-delay 0\n", false), 0);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, n, "10.0.0.0/28\n", false), 0);
	assert_int_equal(resting(f->ipam, IPAM_NODE, n), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, n, "10.0.0.2", NULL), 0);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, n, "10.0.0.2"), 0);
	assert_next(f->ipam, n, "a", "10.0.0.3/28\n");
	assert_int_equal(make(f->ipam, IPAM_LEASE, n, "10.0.0.3", NULL), -EADDRINUSE);
}

static int write_cidr(void *arg, const struct ipam_block_view *b)
{
	char *text = arg;

	text += strlen(text);
	cidr_print(&b->cidr, text);
	strcat(text, " ");
	return 0;
}

static void assert_blocks(struct ipam *ipam, uint64_t node, const char *wanted)
{
	char text[1024] = "";

	ipam_read_begin(ipam);
	assert_int_equal(ipam_each_block(ipam, IPAM_NODE, node, write_cidr, text), 0);
	ipam_read_end(ipam);
	assert_string_equal(text, wanted);
}

/* The family that the cluster's list has first comes first. */
static void test_families(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "fd00::/48 64\n10.0.0.0/16 24\nfd01::/48 64\n"), node;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_blocks(f->ipam, node, "fd00::/64 10.0.0.0/24 ");
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_CIDRS, cluster, "10.0.0.0/16 24\nfd00::/48 64\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "m", &node), 0);
	assert_blocks(f->ipam, node, "10.0.1.0/24 fd00:0:0:1::/64 ");
}

/* As kube-controller-manager: no block has an address of a service, though it have others. */
static void test_services(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.42.0.0/16 24\nfd00:42::/56 64\n"), node, blocks;
	struct ipam_stats stats;

	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.43.0.0/16 services\nfd00:42:0:1::/112 services\n", false), 0);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.42.9.0/24 service\n", true), -EINVAL);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "a", &node), 0);
	assert_blocks(f->ipam, node, "10.42.0.0/24 fd00:42::/64 ");
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "b", &node), 0);
	assert_blocks(f->ipam, node, "10.42.1.0/24 fd00:42:0:2::/64 ");
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.42.1.0/24\nfd00:42:0:1::/64\n", false), -EADDRNOTAVAIL);
	/* Not from under a node either; routers in its block it may have. */
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.42.1.128/25 services\n", true), -EBUSY);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.42.1.128/25\n", true), 0);
	assert_int_equal(ipam_stats(f->ipam, IPAM_CLUSTER, cluster, &stats), 0);
	blocks = (uint64_t)stats.family[CIDR_V6].blocks;
	assert_int_equal(blocks, 255);
	reopen(f);
	assert_int_equal(ipam_stats(f->ipam, IPAM_CLUSTER, cluster, &stats), 0);
	assert_int_equal(stats.family[CIDR_V6].blocks, 255);
	assert_int_equal(put(f->ipam, IPAM_NODE_CIDRS, node, "10.42.1.0/24\nfd00:42:0:1::/64\n", false), -EADDRNOTAVAIL);
	/* What lies across the edges of blocks meets both. */
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.42.2.255-10.42.4.0 services\n", true), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "c", &node), 0);
	assert_blocks(f->ipam, node, "10.42.5.0/24 fd00:42:0:3::/64 ");
}

/* Nor is one chosen whose gateway would be a reserved address, unless it has none. */
static void test_reserved_gateway(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/26 28\n"), node;

	assert_int_equal(put(f->ipam, IPAM_CLUSTER_RESERVED, cluster, "10.0.0.1\n10.0.0.30-10.0.0.40\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "a", &node), 0);
	assert_blocks(f->ipam, node, "10.0.0.16/28 ");
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "b", &node), 0);
	assert_blocks(f->ipam, node, "10.0.0.48/28 ");
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "c", NULL), -ENOSPC);
	assert_int_equal(put(f->ipam, IPAM_CLUSTER_SETTINGS, cluster, "gateway none\n", false), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "c", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "d", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "e", &node), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_after_a_wish, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_after_a_wish_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alternatives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shorter_delay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rests_outlive_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_families, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_services, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reserved_gateway, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
