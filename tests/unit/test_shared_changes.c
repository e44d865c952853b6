/* Each change of what machines share, as it is asked of etcd: alone, against what another has just done, and once more by a process that
 * follows one which died (ipam_by.again). */
#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As one whose process died asks, and then another for it. */
static struct ipam_by by_request(uint64_t request, bool again)
{
	struct ipam_by by = ipam_by_self();

	by.request = request;
	by.again = again;
	return by;
}

static int make_by(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_by by)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_make(ipam, kind, parent, name, IPAM_EXCLUSIVE, &root, by, ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int remove_by(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_by by)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_remove(ipam, kind, parent, name, by, ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int rename_by(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *from, const char *to, struct ipam_by by)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_rename(ipam, kind, parent, from, parent, to, by, ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int put_by(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text, struct ipam_by by)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_write(ipam, what, id, text, strlen(text), true, by, ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int delegate(struct ipam *ipam, uint64_t cluster, const char *text, struct ipam_by by)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_delegate(ipam, cluster, text, strlen(text), &root, by, ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static int chown_to(struct ipam *ipam, enum ipam_kind kind, uint64_t id, uint32_t uid)
{
	struct ipam_attr attr = { .uid = uid, .gid = 7, .mode = 0750 };
	struct ipam_wait *w = ipam_wait_new();

	ipam_set_attr(ipam, kind, id, IPAM_SET_UID | IPAM_SET_GID | IPAM_SET_MODE, &attr, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

static void test_clusters(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_one(s), *w2 = story_up(s, "w2");
	uint64_t c = story_cluster(w1);

	assert_int_equal(put(w1, IPAM_CLUSTER_CIDRS, c, "10.1.0.0/23 24 selector=a\n", true), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_RESERVED, c, "10.0.1.0/24 services\n10.1.0.0-10.1.0.9\n", false), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_SETTINGS, c, "max-leases 9\n", false), 0);
	assert_int_equal(chown_to(w1, IPAM_CLUSTER, c, 5), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_CIDRS, c, "10.0.0.0/23 24\n", true), -EEXIST);
	story_mirrored(s);
	assert_int_equal(make(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "c", NULL), -EEXIST);
	assert_int_equal(rename_to(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "c", "c"), 0);
	assert_int_equal(rename_to(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "d", "e"), -ENOENT);
	assert_int_equal(make(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "d", NULL), 0);
	assert_int_equal(rename_to(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "d", "c"), -EEXIST);
	story_mirrored(s);
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_CIDRS, c, "10.1.0.0/23 24 selector=a\n", false), -EBUSY);
	assert_int_equal(take_away(w1, IPAM_CLUSTER, IPAM_ROOT_ID, "c"), -ENOTEMPTY);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "w1"), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_CIDRS, c, "10.1.0.0/23 24\n", false), 0);
	assert_int_equal(rename_to(w1, IPAM_CLUSTER, IPAM_ROOT_ID, "c", "b"), 0);
	story_mirrored(s);
	assert_int_equal(take_away(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "b"), 0);
	assert_int_equal(take_away(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "b"), -ENOENT);
	story_mirrored(s);
	assert_story("w1: if no cluster c: put cluster c {id #1} -> r1\n"
		     "w1: if cluster c is of r1: put cluster c {id #1, cidrs 10.0.0.0/23 24} -> r2\n"
		     "w1: if cluster c is of r2: put cluster c {id #1, cidrs 10.0.0.0/23 24 10.1.0.0/23 24 selector=a} -> r3\n"
		     "w1: if cluster c is of r3, no state/block/#1/40a000100-24..: "
		     "put cluster c {id #1, cidrs 10.0.0.0/23 24 10.1.0.0/23 24 selector=a, reserved 10.0.1.0/24 10.1.0.0-10.1.0.9, s"
		     "ervices 10.0.1.0/24} -> r4\n"
		     "w1: if cluster c is of r4: "
		     "put cluster c {id #1, cidrs 10.0.0.0/23 24 10.1.0.0/23 24 selector=a, settings max-leases 9, reserved 1"
		     "0.0.1.0/24 10.1.0.0-10.1.0.9, services 10.0.1.0/24} -> r5\n"
		     "w1: if cluster c is of r5: "
		     "put cluster c {id #1, cidrs 10.0.0.0/23 24 10.1.0.0/23 24 selector=a, settings max-leases 9, reserved 1"
		     "0.0.1.0/24 10.1.0.0-10.1.0.9, services 10.0.1.0/24} -> r6\n"
		     "w2: if no cluster d: put cluster d {id #2} -> r7\n"
		     "w1: if cluster c is of r6, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w1 {id #3, cidrs 10.0.0.0/24, machine w1} -> r8\n"
		     "w1: if node w1 is of r8: delete block 10.0.0.0/24, delete node w1, delete leases/#3/.., "
		     "delete published #3, delete alive #3 -> r9\n"
		     "w1: if cluster c is of r6, no state/block/#1/40a000000-..: "
		     "put cluster c {id #1, cidrs 10.1.0.0/23 24, settings max-leases 9, reserved 10.0.1.0/24 10.1.0.0-10.1.0.9, s"
		     "ervices 10.0.1.0/24} -> r10\n"
		     "w1: if cluster c is of r10, no cluster b: delete cluster c, "
		     "put cluster b {id #1, cidrs 10.1.0.0/23 24, settings max-leases 9, reserved 10.0.1.0/24 10.1.0.0-10.1.0.9, s"
		     "ervices 10.0.1.0/24} -> r11\n"
		     "w2: if cluster b is of r11, no state/node/#1/..: delete cluster b, delete state/block/#1/.. -> r12\n");
}

static void test_nodes(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t c = story_cluster(w1), n = story_node(w1, "w1");

	assert_int_equal(put(w1, IPAM_NODE_SETTINGS, n, "max-leases 3\n", false), 0);
	assert_int_equal(put(w1, IPAM_NODE_LABELS, n, "b=2\na=1\n", false), 0);
	assert_int_equal(chown_to(w1, IPAM_NODE, n, 5), 0);
	story_mirrored(s);
	/* Another machine's is its own affair. */
	n = story_node(w2, "w1");
	assert_int_equal(put(w2, IPAM_NODE_LABELS, n, "c=3\n", true), -EROFS);
	assert_int_equal(put(w2, IPAM_NODE_SETTINGS, n, "max-leases 4\n", true), -EROFS);
	assert_int_equal(put(w2, IPAM_NODE_CIDRS, n, "10.0.1.0/24\n", true), -EROFS);
	assert_int_equal(chown_to(w2, IPAM_NODE, n, 6), -EROFS);
	assert_int_equal(rename_to(w2, IPAM_NODE, c, "w1", "x"), -EROFS);
	/* What is nobody's yet is anybody's, and its machine takes it. */
	assert_int_equal(make(w1, IPAM_NODE, c, "w2", NULL), 0);
	story_until_lines(5);
	story_mirrored(s);
	assert_int_equal(rename_to(w1, IPAM_NODE, c, "w1", "w2"), -EEXIST);
	assert_int_equal(rename_to(w1, IPAM_NODE, c, "w1", "w1"), 0);
	assert_int_equal(rename_to(w1, IPAM_NODE, c, "none", "x"), -ENOENT);
	assert_story("w1: if node w1 is of r3: put node w1 {id #2, cidrs 10.0.0.0/24, settings max-leases 3, machine w1} -> r4\n"
		     "w1: if node w1 is of r4: "
		     "put node w1 {id #2, cidrs 10.0.0.0/24, settings max-leases 3, machine w1, labels a=1 b=2} -> r5\n"
		     "w1: if node w1 is of r5: "
		     "put node w1 {id #2, cidrs 10.0.0.0/24, settings max-leases 3, machine w1, labels a=1 b=2} -> r6\n"
		     "w1: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24} -> r7\n"
		     "w2: if node w2 is of r7: put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> r8\n");
}

static void test_delegated(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_up(s, "w1");
	uint64_t c = make_cluster(w1, "10.0.0.0/20 24\n10.1.0.0/20 24 selector=zone=a\nfd00::/60 64\n");
	struct ipam_by by = ipam_by_self();

	free(fake_trace());
	assert_int_equal(delegate(w1, c, "n1 10.0.3.0/24\nn2 zone=a\n", by), 0);
	assert_int_equal(delegate(w1, c, "n3\nn1\n", by), -EEXIST);
	assert_int_equal(delegate(w1, c, "n3 10.0.3.0/24\n", by), -EADDRINUSE);
	assert_int_equal(delegate(w1, c, "n3 10.0.4.0/24\nn4 10.0.4.0/24\n", by), -EADDRINUSE);
	assert_int_equal(delegate(w1, c, "n3 10.0.4.0/25\n", by), -EADDRNOTAVAIL);
	assert_int_equal(delegate(w1, 99, "n3\n", by), -ENOENT);
	assert_int_equal(delegate(w1, c, "n3 =\n", by), -EINVAL);
	assert_int_equal(put(w1, IPAM_CLUSTER_RESERVED, c, "10.0.4.0/22\n", false), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_RESERVED, c, "10.0.3.0/24\n", true), -EBUSY);
	assert_story("w1: if cluster c is of r2, no node n1, no block 10.0.3.0/24, no node n2, no block 10.1.12.0/24, no block f"
		     "d00:0:0:c::/64: put block 10.0.3.0/24 {node #2}, put node n1 {id #2, cidrs 10.0.3.0/24}, "
		     "put block 10.1.12.0/24 {node #3}, put block fd00:0:0:c::/64 {node #3}, "
		     "put node n2 {id #3, cidrs 10.1.12.0/24 fd00:0:0:c::/64, labels zone=a} -> r3\n"
		     "w1: if cluster c is of r2, no state/block/#1/40a000400-24..: "
		     "put cluster c {id #1, cidrs 10.0.0.0/20 24 10.1.0.0/20 24 selector=zone=a fd00::/60 64, reserved 10.0.4.0/22}"
		     " -> r4\n");
}

/* A process died before it answered; etcd had done it. */
static void test_again(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_one(s);
	uint64_t c = story_cluster(w1);

	free(fake_trace());
	for (int again = 0; again < 2; again++)
		assert_int_equal(make_by(w1, IPAM_CLUSTER, IPAM_ROOT_ID, "d", by_request(11, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(make_by(w1, IPAM_NODE, c, "n", by_request(12, again)), 0);
	assert_int_equal(make_by(w1, IPAM_NODE, c, "n", by_request(13, false)), -EEXIST);
	for (int again = 0; again < 2; again++)
		assert_int_equal(rename_by(w1, IPAM_NODE, c, "n", "m", by_request(14, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(remove_by(w1, IPAM_NODE, c, "m", by_request(15, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(put_by(w1, IPAM_CLUSTER_CIDRS, c, "10.2.0.0/23 24\n", by_request(16, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(put_by(w1, IPAM_CLUSTER_RESERVED, c, "10.2.1.1\n", by_request(17, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(delegate(w1, c, "a\nb\n", by_request(18, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(rename_by(w1, IPAM_CLUSTER, IPAM_ROOT_ID, "d", "e", by_request(19, again)), 0);
	for (int again = 0; again < 2; again++)
		assert_int_equal(remove_by(w1, IPAM_CLUSTER, IPAM_ROOT_ID, "e", by_request(20, again)), 0);
	assert_story("w1: if no cluster d: put cluster d {id #2} -> r3\n"
		     "w1: if cluster c is of r2, no node n, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node n {id #3, cidrs 10.0.0.0/24} -> r4\n"
		     "w1: if node n is of r4, no node m: delete node n, put node m {id #3, cidrs 10.0.0.0/24} -> r5\n"
		     "w1: if node m is of r5: delete block 10.0.0.0/24, delete node m, delete leases/#3/.., "
		     "delete published #3, delete alive #3 -> r6\n"
		     "w1: if cluster c is of r2: put cluster c {id #1, cidrs 10.0.0.0/23 24 10.2.0.0/23 24} -> r7\n"
		     "w1: if cluster c is of r7: put cluster c {id #1, cidrs 10.0.0.0/23 24 10.2.0.0/23 24, reserved 10.2.1.1} -> r8\n"
		     "w1: if cluster c is of r8, no node a, no block 10.0.0.0/24, no node b, no block 10.0.1.0/24: "
		     "put block 10.0.0.0/24 {node #4}, put node a {id #4, cidrs 10.0.0.0/24}, put block 10.0.1.0/24 {node #5}, "
		     "put node b {id #5, cidrs 10.0.1.0/24} -> r9\n"
		     "w1: if cluster d is of r3, no cluster e: delete cluster d, put cluster e {id #2} -> r10\n"
		     "w1: if cluster e is of r10, no state/node/#2/..: delete cluster e, delete state/block/#2/.. -> r11\n");
}

/* What w2 knows is old: each compare keeps it from undoing what w1 has done. */
static void test_old_memory(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	struct ipam_wait *wait;
	uint64_t c;

	assert_int_equal(take_away(w1, IPAM_NODE, story_cluster(w1), "w1"), 0);
	story_mirrored(s);
	c = story_cluster(w2);
	fake_hold("w2", true);
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "w1", NULL), 0);
	wait = begin_remove(w2, IPAM_CLUSTER, IPAM_ROOT_ID, "c");
	story_until_lines(3);
	fake_hold("w2", false);
	assert_int_equal(ipam_wait(wait, NULL), -ENOTEMPTY);
	story_mirrored(s);
	fake_hold("w2", true);
	assert_int_equal(put(w1, IPAM_CLUSTER_SETTINGS, story_cluster(w1), "max-leases 5\n", false), 0);
	wait = begin_make(w2, IPAM_NODE, c, "w2");
	story_until_lines(5);
	fake_hold("w2", false);
	assert_int_equal(ipam_wait(wait, NULL), 0);
	assert_story("w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r4\n"
		     "w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w1 {id #3, cidrs 10.0.0.0/24, machine w1} -> r5\n"
		     "w2: if cluster c is of r2, no state/node/#1/..: delete cluster c, delete state/block/#1/.. -> no\n"
		     "w1: if cluster c is of r2: put cluster c {id #1, cidrs 10.0.0.0/23 24, settings max-leases 5} -> r6\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #4}, "
		     "put node w2 {id #4, cidrs 10.0.1.0/24, machine w2} -> no\n"
		     "w2: if cluster c is of r6, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #5}, "
		     "put node w2 {id #5, cidrs 10.0.1.0/24, machine w2} -> r7\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clusters, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_nodes, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_delegated, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_again, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_old_memory, story_begin, story_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
