/* How leases begin and end other than by a file's creation and removal: ranges, keeping, dropping, boots, imports. */
#include "fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int make_flags(struct ipam *ipam, uint64_t node, const char *name, unsigned flags, uint64_t *id)
{
	struct ipam_wait *w = ipam_wait_new();
	struct ipam_object object = { 0 };
	int rc;

	ipam_make(ipam, IPAM_LEASE, node, name, flags, &root, ipam_by_self(), ipam_wait_done, w);
	rc = ipam_wait(w, &object);
	*id = object.id;
	return rc;
}

static int keep(struct ipam *ipam, uint64_t lease, const char *name, const char *value)
{
	struct ipam_attribute a = { name, value, strlen(value) };
	struct ipam_wait *w = ipam_wait_new();

	ipam_describe(ipam, lease, &a, 1, true, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static uint32_t leases(struct ipam *ipam, uint64_t node)
{
	struct ipam_object object;

	assert_int_equal(ipam_get(ipam, IPAM_NODE, node, &object), 0);
	return object.children;
}

/* As another program would have left it: the database is closed. */
static void edit(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node, id, other;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "a", &id), 0);
	/* What it has will do; else the next free one; the other family stays. */
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.2-10.0.0.4\n", false), 0);
	assert_text(f->ipam, id, "10.0.0.2/24\nfd00::2/64\n");
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.100-10.0.0.101\n", false), 0);
	assert_text(f->ipam, id, "10.0.0.100/24\nfd00::2/64\n");
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "b", &other), 0);
	assert_text(f->ipam, other, "10.0.0.101/24\nfd00::3/64\n");
	/* Both of the range are held. */
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "c", &id), 0);
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.100-10.0.0.101", false), -ENOSPC);
	assert_text(f->ipam, id, "10.0.0.102/24\nfd00::4/64\n");
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.100-10.0.0.101\n10.0.0.50-10.0.0.60\nfd00::99", false), 0);
	assert_text(f->ipam, id, "10.0.0.50/24\nfd00::99/64\n");
	/* Neither network, gateway nor broadcast address; nor outside the blocks. */
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.0-10.0.0.1", false), -ENOSPC);
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.255-10.0.1.9", false), -ENOSPC);
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.1.0-10.0.1.9", false), -EADDRNOTAVAIL);
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.9-10.0.0.8", false), -EINVAL);
	assert_int_equal(put(f->ipam, IPAM_LEASE_ADDRESSES, id, "10.0.0.9\n10.0.0.20-10.0.0.21", false), -EINVAL);
	assert_text(f->ipam, id, "10.0.0.50/24\nfd00::99/64\n");
}

static void test_ephemeral(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node, a, b, c, plain;
	char value[8];

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "plain", &plain), 0);
	assert_int_equal(make_flags(f->ipam, node, "a", IPAM_EPHEMERAL | IPAM_EXCLUSIVE, &a), 0);
	assert_int_equal(make_flags(f->ipam, node, "b", IPAM_EPHEMERAL, &b), 0);
	assert_int_equal(make_flags(f->ipam, node, "plain", IPAM_EPHEMERAL, &c), -EEXIST);
	assert_int_equal(make_flags(f->ipam, node, "10.0.0.77", IPAM_EPHEMERAL | IPAM_ALONE, &c), 0);
	assert_text(f->ipam, c, "10.0.0.77/24\n");
	assert_int_equal(make_flags(f->ipam, node, "d", IPAM_ALONE, &a), -EINVAL);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_LEASE, node, "a", &(struct ipam_object){ 0 }), 0);
	/* Kept, with its attribute; dropping means nothing then. */
	assert_int_equal(keep(f->ipam, c, "container-id", "x1"), 0);
	ipam_drop(f->ipam, c);
	ipam_drop(f->ipam, plain);
	ipam_drop(f->ipam, b);
	while (leases(f->ipam, node) > 3)
		usleep(1000);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_LEASE, node, "b", &(struct ipam_object){ 0 }), -ENOENT);
	reopen(f);
	assert_int_equal(leases(f->ipam, node), 2);
	assert_text(f->ipam, plain, "10.0.0.2/24\nfd00::2/64\n");
	assert_int_equal(ipam_xattr_get(f->ipam, c, "container-id", value, sizeof value), 2);
	assert_memory_equal(value, "x1", 2);
	assert_int_equal(keep(f->ipam, 999, "a", "b"), -ENOENT);
}

static void test_boot(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, with, without;
	struct ipam_options options = { .size = sizeof options, .sync = IPAM_SYNC_NORMAL, .keep_after_boot = true };
	struct ipam_engine engine;
	struct ipam_error error;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "with", &with), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "without", &without), 0);
	assert_int_equal(ipam_xattr_set(f->ipam, with, "netns", "/run/netns/x", 12, 0, ipam_by_self()), 0);
	reopen(f); /* the same boot: they stay */
	assert_int_equal(leases(f->ipam, node), 2);
	ipam_close(f->ipam);
	edit(f, "UPDATE boot SET boot_id = '00000000-0000-0000-0000-000000000000'");
	assert_int_equal(ipam_open(f->path, &options, &f->ipam, &error), 0);
	assert_int_equal(leases(f->ipam, node), 2);
	reopen(f);
	assert_int_equal(leases(f->ipam, node), 1);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_LEASE, node, "without", &(struct ipam_object){ 0 }), 0);
	ipam_engine(f->ipam, &engine);
	assert_int_equal(engine.after_boot, 1);
	/* Next-fit goes on behind what was released. */
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "new", &with), 0);
	assert_text(f->ipam, with, "10.0.0.4/24\n");
	reopen(f);
	ipam_engine(f->ipam, &engine);
	assert_int_equal(engine.after_boot, 0);
}

static int import(struct ipam *ipam, uint64_t cluster, struct ipam_import *list, size_t n)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_import(ipam, cluster, list, n, &root, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static void test_import(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), node, taken;
	struct ipam_attribute id = { "container-id", "abc", 3 };
	const u128 four = 0x0a000000, six = (u128)0xfd00 << 112;
	struct ipam_import list[] = {
		{ .node = "n", .name = "a", .has = { true, true }, .addr = { four + 9, six + 9 }, .attribute = &id, .attributes = 1 },
		{ .node = "n", .name = "b", .has = { true, false }, .addr = { four + 10, 0 }, .attribute = &id, .attributes = 1 },
		{ .node = "n", .name = "c", .has = { true, false }, .addr = { four + 2, 0 } },   /* held */
		{ .node = "n", .name = "d", .has = { true, true }, .addr = { four + 11, six } }, /* anycast */
		{ .node = "n", .name = "a", .has = { true, false }, .addr = { four + 12, 0 } },  /* the name is held by the first */
		{ .node = "m", .name = "e", .has = { true, false }, .addr = { four + 13, 0 } },  /* no such node */
		{ .node = "n", .name = "f", .has = { false, false }, .addr = { 0, 0 } },
	};
	struct ipam_object object;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "taken", &taken), 0);
	assert_int_equal(import(f->ipam, cluster, list, 7), -EADDRINUSE);
	assert_int_equal(list[0].error, 0);
	assert_int_equal(list[2].error, -EADDRINUSE);
	assert_true(list[3].error == -EADDRNOTAVAIL && list[3].family == CIDR_V6);
	assert_int_equal(list[4].error, -EEXIST);
	assert_int_equal(list[5].error, -ENOENT);
	assert_int_equal(list[6].error, -EINVAL);
	assert_int_equal(leases(f->ipam, node), 1);
	assert_int_equal(import(f->ipam, 999, list, 2), -ENOENT);
	assert_int_equal(import(f->ipam, cluster, list, 2), 0);
	reopen(f);
	assert_int_equal(leases(f->ipam, node), 3);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_LEASE, node, "a", &object), 0);
	assert_text(f->ipam, object.id, "10.0.0.9/24\nfd00::9/64\n");
	assert_int_equal(ipam_xattr_get(f->ipam, object.id, "container-id", NULL, 0), 3);
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "10.0.0.10", NULL), -EADDRINUSE);
}

/* Nodes with the blocks they have, and leases in them. */
static void test_import_nodes(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\nfd00::/48 64\n"), there;
	const u128 four = 0x0a000000, six = (u128)0xfd00 << 112;
	const struct cidr one[] = { { four + 0x500, CIDR_V4, 24 }, { six + ((u128)5 << 64), CIDR_V6, 64 } };
	const struct cidr wrong[] = { { four + 0x700, CIDR_V4, 24 }, { four + 0x800, CIDR_V4, 25 } };
	const struct cidr taken[] = { { four, CIDR_V4, 24 } };
	struct ipam_import list[] = {
		{ .node = "a", .cidr = one, .cidrs = 2 },
		{ .node = "a", .name = "x", .has = { true, true }, .addr = { four + 0x509, six + ((u128)5 << 64) + 9 } },
		{ .node = "a", .cidr = one, .cidrs = 2 }, /* as it is */
		{ .node = "b", .cidr = wrong, .cidrs = 2 },
		{ .node = "c", .cidr = taken, .cidrs = 1 },
		{ .node = "there", .cidr = one, .cidrs = 2 },
		{ .node = "d" },
		{ .node = "b", .name = "y", .has = { true, false }, .addr = { four + 0x709, 0 } },
	};
	struct ipam_object object;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "there", &there), 0);
	assert_int_equal(import(f->ipam, cluster, list, 8), -EADDRNOTAVAIL);
	assert_true(list[3].error == -EADDRNOTAVAIL && list[3].refused == 1);
	assert_true(list[4].error == -EADDRINUSE && list[4].refused == 0);
	assert_int_equal(list[5].error, -EEXIST);
	assert_int_equal(list[6].error, -EINVAL);
	assert_int_equal(list[7].error, -ENOENT);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_NODE, cluster, "a", &object), -ENOENT);
	/* All that was taken for it is free again. */
	assert_int_equal(import(f->ipam, cluster, list, 3), 0);
	assert_int_equal(import(f->ipam, cluster, list, 1), 0);
	reopen(f);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_NODE, cluster, "a", &object), 0);
	assert_int_equal(object.attr.mode, 0755);
	assert_int_equal(ipam_lookup(f->ipam, IPAM_LEASE, object.id, "x", &object), 0);
	assert_text(f->ipam, object.id, "10.0.5.9/24\nfd00:0:0:5::9/64\n");
}

static int network(struct ipam *ipam, uint64_t node, const char *name, bool remove)
{
	struct ipam_wait *w = ipam_wait_new();

	if (remove)
		ipam_network_remove(ipam, node, name, ipam_by_self(), ipam_wait_done, w);
	else
		ipam_network_make(ipam, node, name, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static void test_networks(void **state)
{
	struct fixture *f = *state;
	uint64_t cluster = make_cluster(f->ipam, "10.0.0.0/16 24\n"), node, other, lease, a, b;
	const u128 addr = 0x0a000007;
	struct ipam_wait *w = ipam_wait_new();
	uint8_t family;
	u128 last;

	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "n", &node), 0);
	assert_int_equal(make(f->ipam, IPAM_NODE, cluster, "m", &other), 0);
	assert_int_equal(network(f->ipam, node, "net", false), 0);
	assert_int_equal(network(f->ipam, node, "net", false), -EEXIST);
	assert_int_equal(network(f->ipam, node, "a/b", false), -EINVAL);
	assert_int_equal(network(f->ipam, 999, "net", false), -ENOENT);
	assert_int_equal(network(f->ipam, other, "net", false), 0);
	assert_int_equal(ipam_network_find(f->ipam, node, "net", &a), 0);
	assert_int_equal(ipam_network_find(f->ipam, other, "net", &b), 0);
	assert_true(a != b);
	assert_int_equal(ipam_network_last(f->ipam, a, 0, &family, &last), -ENOENT);
	ipam_network_set_last(f->ipam, a, 0, CIDR_V4, &addr, ipam_wait_done, w);
	assert_int_equal(ipam_wait(w, NULL), 0);
	reopen(f);
	assert_int_equal(ipam_network_last(f->ipam, a, 0, &family, &last), 0);
	assert_true(family == CIDR_V4 && last == addr);
	/* In use while a lease is of it. */
	assert_int_equal(make(f->ipam, IPAM_LEASE, node, "l", &lease), 0);
	assert_int_equal(ipam_xattr_set(f->ipam, lease, "network", "net", 3, 0, ipam_by_self()), 0);
	assert_int_equal(network(f->ipam, node, "net", true), -ENOTEMPTY);
	assert_int_equal(take_away(f->ipam, IPAM_LEASE, node, "l"), 0);
	assert_int_equal(network(f->ipam, node, "net", true), 0);
	assert_int_equal(network(f->ipam, node, "net", true), -ENOENT);
	/* It goes with its node. */
	assert_int_equal(take_away(f->ipam, IPAM_NODE, cluster, "m"), 0);
	assert_int_equal(ipam_network_last(f->ipam, b, 0, &family, &last), -ENOENT);
	reopen(f);
	assert_int_equal(ipam_network_find(f->ipam, node, "net", &a), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranges, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ephemeral, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_boot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_import, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_import_nodes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_networks, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
