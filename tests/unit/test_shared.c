/* What machines that share an etcd ask of it, in orders that chance brings about once a year. Each test is a story, told by the trace of
 * all transactions about clusters, nodes and blocks; "->" is what came of one: its revision, or no. */
#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_made(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_one(s), *w2 = story_up(s, "w2");
	char text[256];

	story_mirrored(s);
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "w1", NULL), 0);
	story_mirrored(s);
	assert_int_equal(make(w2, IPAM_NODE, story_cluster(w2), "w2", NULL), 0);
	story_mirrored(s);
	assert_string_equal(story_blocks(w1, "w2", text), "10.0.1.0/24");
	assert_string_equal(story_blocks(w2, "w1", text), "10.0.0.0/24");
	assert_string_equal(story_lease(w1, "w1", "pod", text), "10.0.0.2/24");
	assert_string_equal(story_lease(w2, "w1", "pod2", text), "EROFS");
	assert_int_equal(make(w2, IPAM_NODE, story_cluster(w2), "w3", NULL), -ENOSPC);
	assert_int_equal(take_away(w1, IPAM_NODE, story_cluster(w1), "w2"), -EBUSY);
	assert_int_equal(take_away(w2, IPAM_NODE, story_cluster(w2), "w2"), 0);
	story_mirrored(s);
	assert_int_equal(story_node(w1, "w2"), 0);
	assert_story("w1: if no cluster c: put cluster c {id #1} -> r1\n"
		     "w1: if cluster c is of r1: put cluster c {id #1, cidrs 10.0.0.0/23 24} -> r2\n"
		     "w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #2}, "
		     "put node w1 {id #2, cidrs 10.0.0.0/24, machine w1} -> r3\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> r4\n"
		     "w2: if node w2 is of r4: delete block 10.0.1.0/24, delete node w2, delete leases/#3/.., "
		     "delete published #3, delete alive #3 -> r5\n");
}

static void test_both_want_it(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_one(s), *w2 = story_up(s, "w2");
	struct ipam_wait *wait;
	char text[256];

	story_mirrored(s);
	free(fake_trace());
	fake_hold("w2", true);
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "w1", NULL), 0);
	wait = begin_make(w2, IPAM_NODE, story_cluster(w2), "w2");
	story_until_lines(3);
	fake_say("w2 is told");
	fake_hold("w2", false);
	assert_int_equal(ipam_wait(wait, NULL), 0);
	story_mirrored(s);
	assert_string_equal(story_blocks(w1, "w2", text), "10.0.1.0/24");
	assert_story("w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #2}, "
		     "put node w1 {id #2, cidrs 10.0.0.0/24, machine w1} -> r3\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.0.0/24, machine w2} -> no\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #4}, "
		     "put node w2 {id #4, cidrs 10.0.1.0/24, machine w2} -> r4\n"
		     "w2 is told\n");
}

static void test_grow(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_up(s, "w1"), *w2 = story_up(s, "w2");
	uint64_t c = make_cluster(w1, "10.0.0.0/28 30\n");
	char text[256], name[16], lease[5][64];

	assert_int_equal(put(w1, IPAM_CLUSTER_SETTINGS, c, "max-blocks 2\ngateway none\n", false), 0);
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), 0);
	free(fake_trace());
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "p%d", i);
		story_lease(w1, "w1", name, lease[i]);
	}
	story_mirrored(s);
	for (int i = 0; i < 5; i++)
		fake_say(lease[i]);
	fake_say(story_blocks(w2, "w1", text));
	assert_int_equal(put(w1, IPAM_NODE_CIDRS, story_node(w1, "w1"), "10.0.0.0/30\n", false), -EBUSY);
	assert_story("w1: if no block 10.0.0.4/30, node w1 is of r4, cluster c is of r3: put block 10.0.0.4/30 {node #2}, "
		     "put node w1 {id #2, cidrs 10.0.0.0/30 10.0.0.4/30, machine w1} -> r5\n"
		     "10.0.0.1/30\n"
		     "10.0.0.2/30\n"
		     "10.0.0.5/30\n"
		     "10.0.0.6/30\n"
		     "ENOSPC\n"
		     "10.0.0.0/30 10.0.0.4/30\n");
}

struct asked {
	struct ipam *ipam;
	char lease[64];
};

/* A node whose blocks were to be exchanged leases nothing before its machine has heard what became of that. */
static bool has_answer(void *arg)
{
	struct asked *a = arg;

	return strcmp(story_lease(a->ipam, "w1", "pod", a->lease), "EHOSTUNREACH") != 0;
}

static void test_given_back(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t n = story_node(w1, "w1");
	struct asked asked = { .ipam = w1 };
	char text[256];

	assert_int_equal(put(w1, IPAM_NODE_CIDRS, n, "10.0.0.0/24\n10.0.1.0/24\n", false), 0);
	assert_int_equal(put(w1, IPAM_NODE_CIDRS, n, "10.0.1.0/24\n", false), 0);
	story_mirrored(s);
	assert_string_equal(story_blocks(w2, "w1", text), "10.0.1.0/24");
	assert_int_equal(make(w2, IPAM_NODE, story_cluster(w2), "w2", NULL), 0);
	assert_int_equal(put(w1, IPAM_NODE_CIDRS, n, "10.0.0.0/24\n", false), -EADDRINUSE);
	assert_int_equal(put(w1, IPAM_NODE_CIDRS, n, "10.9.0.0/24\n", false), -EADDRNOTAVAIL);
	story_until(has_answer, &asked);
	assert_string_equal(asked.lease, "10.0.1.2/24");
	assert_story("w1: if node w1 is of r3, cluster c is of r2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #2}, "
		     "put node w1 {id #2, cidrs 10.0.0.0/24 10.0.1.0/24, machine w1} -> r4\n"
		     "w1: if node w1 is of r4, cluster c is of r2: delete block 10.0.0.0/24, "
		     "put node w1 {id #2, cidrs 10.0.1.0/24, machine w1} -> r5\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.0.0/24, machine w2} -> r6\n");
}

/* ---- answers that are lost, requests that come twice or late ------------------------------------------------------------------- */

static void test_make_unanswered(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);

	fake_fault("w2", FAKE_NO_ANSWER);
	assert_int_equal(make(w2, IPAM_NODE, story_cluster(w2), "w2", NULL), 0);
	assert_int_equal(make(w2, IPAM_NODE, story_cluster(w2), "w2", NULL), -EEXIST);
	fake_fault("w2", FAKE_NO_ANSWER);
	assert_int_equal(put(w2, IPAM_NODE_LABELS, story_node(w2, "w2"), "zone=a\n", false), 0);
	(void)w1;
	assert_story("w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> r4, the answer is lost\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> no\n"
		     "w2: if node w2 is of r4: put node w2 {id #3, cidrs 10.0.1.0/24, machine w2, labels zone=a}"
		     " -> r5, the answer is lost\n"
		     "w2: if node w2 is of r4: put node w2 {id #3, cidrs 10.0.1.0/24, machine w2, labels zone=a} -> no\n");
}

static void test_remove_unanswered(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);

	fake_fault("w1", FAKE_NO_ANSWER);
	assert_int_equal(take_away(w1, IPAM_NODE, story_cluster(w1), "w1"), 0);
	story_mirrored(s);
	assert_int_equal(story_node(w2, "w1"), 0);
	assert_int_equal(make(w2, IPAM_NODE, story_cluster(w2), "w2", NULL), 0);
	assert_story("w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r4, the answer is lost\n"
		     "w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> no\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.0.0/24, machine w2} -> r5\n");
}

/* Something in between makes two of each. */
static void test_repeated(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t c = story_cluster(w1);

	fake_fault("w2", FAKE_TWICE);
	assert_int_equal(make(w2, IPAM_NODE, c, "w2", NULL), 0);
	fake_fault("w1", FAKE_TWICE);
	assert_int_equal(rename_to(w1, IPAM_NODE, c, "w1", "w1-b"), 0);
	fake_fault("w1", FAKE_TWICE);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "w1-b"), 0);
	assert_story("w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> r4\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> no\n"
		     "w1: if node w1 is of r3, no node w1-b: delete node w1, put node w1-b {id #2, cidrs 10.0.0.0/24, machine w1}"
		     " -> r5\n"
		     "w1: if node w1 is of r3, no node w1-b: delete node w1, put node w1-b {id #2, cidrs 10.0.0.0/24, machine w1}"
		     " -> no\n"
		     "w1: if node w1-b is of r5: delete block 10.0.0.0/24, delete node w1-b, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r6\n"
		     "w1: if node w1-b is of r5: delete block 10.0.0.0/24, delete node w1-b, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> no\n");
}

static void test_late(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t c = story_cluster(w1);

	fake_fault("w1", FAKE_LATE);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "w1"), 0);
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), 0);
	fake_late();
	story_mirrored(s);
	fake_fault("w2", FAKE_COPIED);
	assert_int_equal(make(w2, IPAM_NODE, c, "w2", NULL), 0);
	assert_int_equal(take_away(w2, IPAM_NODE, c, "w2"), 0);
	fake_late();
	story_mirrored(s);
	assert_story("w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> on its way\n"
		     "w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r4\n"
		     "w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w1 {id #3, cidrs 10.0.0.0/24, machine w1} -> r5\n"
		     "w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> no, late\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #4}, "
		     "put node w2 {id #4, cidrs 10.0.1.0/24, machine w2} -> r6\n"
		     "w2: if node w2 is of r6: delete block 10.0.1.0/24, delete node w2, delete leases/#4/.., "
		     "delete published #4, delete alive #4 -> r7\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #4}, "
		     "put node w2 {id #4, cidrs 10.0.1.0/24, machine w2} -> r8, late\n");
}

/* What gave blocks back isn't known to be done, nor not to be: nothing is leased from them until the record was written anew, at which a
 * copy that is under way still comes too late. */
static bool leases(void *arg)
{
	char text[64], name[16];
	static int n;

	snprintf(name, sizeof name, "try%d", n++);
	return strchr(story_lease(arg, "w1", name, text), '/') != NULL;
}

static void test_doubt(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	char text[64];

	fake_fault("w1", FAKE_LATE_CUT);
	clock_speed(20);
	assert_int_equal(take_away(w1, IPAM_NODE, story_cluster(w1), "w1"), -EHOSTUNREACH);
	fake_say(story_lease(w1, "w1", "pod", text));
	clock_speed(1);
	fake_say("w1 is back");
	fake_cut("w1", false);
	story_until(leases, w1);
	fake_late();
	story_mirrored(s);
	assert_int_not_equal(story_node(w2, "w1"), 0);
	assert_story("w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> on its way\n"
		     "EHOSTUNREACH\n"
		     "w1 is back\n"
		     "w1: if node w1 is of r3: put node w1 {id #2, cidrs 10.0.0.0/24, machine w1} -> r4\n"
		     "w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> no, late\n");
}

/* ---- a machine that is away --------------------------------------------------------------------------------------------------- */

static bool makes_w3(void *arg)
{
	return make(arg, IPAM_NODE, story_cluster(arg), "w3", NULL) == 0;
}

static void test_force(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t c = story_cluster(w2);
	char text[64];

	fake_say(story_lease(w1, "w1", "pod", text));
	story_mirrored(s);
	assert_int_equal(force(w2, c, "w1"), -EBUSY);
	fake_cut("w1", true);
	fake_say("w1 is cut off");
	fake_expire("w1");
	assert_int_equal(force(w2, c, "w1"), 0);
	assert_int_equal(force(w2, c, "w1"), -ENOENT);
	/* Its block rests. */
	assert_int_equal(make(w2, IPAM_NODE, c, "w2", NULL), 0);
	assert_int_equal(make(w2, IPAM_NODE, c, "w3", NULL), -ENOSPC);
	clock_pass(3601);
	fake_say("an hour later");
	story_until(makes_w3, w2);
	fake_say("w1 is back");
	fake_cut("w1", false);
	story_until_said(s, "w1", "was removed elsewhere, by force");
	fake_say(story_lease(w1, "w1", "pod2", text));
	story_mirrored(s);
	assert_int_equal(take_away(w1, IPAM_LEASE, story_node(w1, "w1"), "pod"), 0);
	assert_story("10.0.0.2/24\n"
		     "w2: if no alive #2, node w1 is of r3: put block 10.0.0.0/24 {rests}, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> no\n"
		     "w1 is cut off\n"
		     "w2: if no alive #2, node w1 is of r3: put block 10.0.0.0/24 {rests}, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r4\n"
		     "w2: if cluster c is of r2, no node w2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node w2 {id #3, cidrs 10.0.1.0/24, machine w2} -> r5\n"
		     "an hour later\n"
		     "w2: if cluster c is of r2, no node w3, block 10.0.0.0/24 is of r4: put block 10.0.0.0/24 {node #4}, "
		     "put node w3 {id #4, cidrs 10.0.0.0/24} -> r6\n"
		     "w1 is back\n"
		     "EROFS\n");
}

/* Half the quarantine or more: it leases nothing before its record was written anew. */
static void test_absence(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	char text[64];

	fake_say(story_lease(w1, "w1", "pod", text));
	story_down(s, "w1");
	fake_say("w1 is down for half an hour");
	clock_pass(1801);
	fake_cut("w1", true);
	clock_speed(20);
	w1 = story_up(s, "w1");
	fake_say(story_lease(w1, "w1", "pod2", text));
	clock_speed(1);
	fake_cut("w1", false);
	story_until(leases, w1);
	story_down(s, "w1");
	fake_say("w1 is down for a moment");
	fake_cut("w1", true);
	clock_speed(20);
	w1 = story_up(s, "w1");
	fake_say(story_lease(w1, "w1", "pod3", text));
	clock_speed(1);
	assert_story("10.0.0.2/24\n"
		     "w1 is down for half an hour\n"
		     "EHOSTUNREACH\n"
		     "w1: if node w1 is of r3: put node w1 {id #2, cidrs 10.0.0.0/24, machine w1} -> r4\n"
		     "w1 is down for a moment\n"
		     "10.0.0.4/24\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_both_want_it, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_grow, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_given_back, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_make_unanswered, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_remove_unanswered, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_repeated, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_late, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_doubt, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_force, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_absence, story_begin, story_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
