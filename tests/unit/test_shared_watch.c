/* What machines hear of each other by an etcd that they share, and what they make of one that says strange things. */
#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sight {
	struct ipam *ipam;
	const char *node, *leases;
};

static bool is_seen(void *arg)
{
	const struct sight *s = arg;
	char text[1024];

	return strcmp(story_leases(s->ipam, s->node, text), s->leases) == 0;
}

static void until_seen(struct ipam *ipam, const char *node, const char *leases)
{
	story_until(is_seen, &(struct sight){ ipam, node, leases });
}

static bool is_published(void *arg)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(arg, &engine);
	return engine.unpublished_since == 0;
}

/* ---- publication -------------------------------------------------------------------------------------------------------- */

static void test_published(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	char text[64];

	fake_trace_too("/leases/");
	assert_string_equal(story_lease(w1, "w1", "pod", text), "10.0.0.2/24");
	until_seen(w2, "w1", "pod=10.0.0.2");
	fake_say("the answer to the next will be lost");
	fake_fault("w1", FAKE_NO_ANSWER);
	assert_int_equal(take_away(w1, IPAM_LEASE, story_node(w1, "w1"), "pod"), 0);
	until_seen(w2, "w1", "");
	story_until(is_published, w1);
	fake_say("the next one comes late");
	fake_fault("w1", FAKE_LATE);
	assert_string_equal(story_lease(w1, "w1", "pod2", text), "10.0.0.3/24");
	until_seen(w2, "w1", "pod2=10.0.0.3");
	fake_late();
	story_audit(w2);
	assert_story("w1: if node w1 is of r3, no published #2: put leases #2/0 {pod=10.0.0.2}, put published #2 {} -> r4\n"
		     "the answer to the next will be lost\n"
		     "w1: if node w1 is of r3, published #2 is of r4: delete leases #2/0, put published #2 {}"
		     " -> r5, the answer is lost\n"
		     "w1: if node w1 is of r3, published #2 is of r4: delete leases #2/0, put published #2 {} -> no\n"
		     "w1: if node w1 is of r3, published #2 is of r5: delete leases #2/0, put published #2 {} -> r6\n"
		     "the next one comes late\n"
		     "w1: if node w1 is of r3, published #2 is of r6: put leases #2/0 {pod2=10.0.0.3}, put published #2 {}"
		     " -> on its way\n"
		     "w1: if node w1 is of r3, published #2 is of r6: put leases #2/0 {pod2=10.0.0.3}, put published #2 {} -> r7\n"
		     "w1: if node w1 is of r3, published #2 is of r6: put leases #2/0 {pod2=10.0.0.3}, put published #2 {} -> no, late\n"
		     "audit: 1 clusters, 1 nodes, 1 blocks, 0 resting, 1 leases\n");
}

/* Who was down when it was published reads it all; who is told something that can't be read keeps what it knew. */
static void test_published_before(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	char text[64], key[64];

	story_down(s, "w2");
	story_lease(w1, "w1", "pod", text);
	assert_int_equal(ipam_xattr_set(w1, 0, "k", "v", 1, 0, ipam_by_self()), -ENOENT);
	story_until(is_published, w1);
	w2 = story_up(s, "w2");
	until_seen(w2, "w1", "pod=10.0.0.2");
	fake_hold("w1", true); /* it would put that right */
	snprintf(key, sizeof key, "leases/%s/%016x", fake_id("node w1"), 0);
	fake_put(key, "[{\"name\":");
	story_until_said(s, "w2", "isn't understood");
	until_seen(w2, "w1", "pod=10.0.0.2");
	fake_put(key, "[{\"id\":9,\"name\":\"x\",\"addresses\":[\"10.0.0.9\"],\"attributes\":{\"a\":\"b\"}}]");
	until_seen(w2, "w1", "x=10.0.0.9");
	fake_put(key, NULL);
	until_seen(w2, "w1", "");
}

/* ---- the watch --------------------------------------------------------------------------------------------------------------- */

static void test_compacted(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	struct ipam_engine before = { 0 }, after = { 0 };
	uint64_t c = story_cluster(w1);
	char text[256];

	ipam_engine(w2, &before);
	fake_hold("w2", true);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "w1"), 0);
	assert_int_equal(make(w1, IPAM_NODE, c, "w3", NULL), 0);
	assert_int_equal(put(w1, IPAM_CLUSTER_SETTINGS, c, "max-leases 7\n", false), 0);
	fake_say("w2 still sees");
	fake_say(story_blocks(w2, "w1", text));
	fake_compact();
	fake_hold("w2", false);
	story_mirrored(s);
	ipam_engine(w2, &after);
	assert_true(after.resyncs > before.resyncs);
	assert_int_equal(story_node(w2, "w1"), 0);
	fake_say("w2 sees");
	fake_say(story_blocks(w2, "w3", text));
	story_audit(w2);
	assert_story("w1: if node w1 is of r3: delete block 10.0.0.0/24, delete node w1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r4\n"
		     "w1: if cluster c is of r2, no node w3, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w3 {id #3, cidrs 10.0.0.0/24} -> r5\n"
		     "w1: if cluster c is of r2: put cluster c {id #1, cidrs 10.0.0.0/23 24, settings max-leases 7} -> r6\n"
		     "w2 still sees\n"
		     "10.0.0.0/24\n"
		     "w2 sees\n"
		     "10.0.0.0/24\n"
		     "audit: 1 clusters, 1 nodes, 1 blocks, 0 resting, 0 leases\n");
}

static bool is_up(void *arg)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(arg, &engine);
	return engine.up;
}

static bool is_down(void *arg)
{
	return !is_up(arg);
}

/* A stale watch: what it tells was long ago, and comes one by one. */
static void test_behind(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t c = story_cluster(w1);
	struct ipam_wait *wait;
	char text[256];

	fake_hold("w2", true);
	assert_int_equal(rename_to(w1, IPAM_NODE, c, "w1", "old"), 0);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "old"), 0);
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), 0);
	wait = begin_make(w2, IPAM_NODE, story_cluster(w2), "w1");
	assert_int_equal(ipam_wait(wait, NULL), -EEXIST);
	wait = begin_remove(w2, IPAM_NODE, story_cluster(w2), "w1");
	assert_int_equal(ipam_wait(wait, NULL), -EBUSY);
	fake_hold("w2", false);
	story_mirrored(s);
	fake_say(story_blocks(w2, "w1", text));
	fake_drop_watches();
	assert_int_equal(put(w1, IPAM_NODE_LABELS, story_node(w1, "w1"), "a=b\n", true), 0);
	story_mirrored(s);
	story_audit(w2);
	assert_story("w1: if node w1 is of r3, no node old: delete node w1, put node old {id #2, cidrs 10.0.0.0/24, machine w1} -> r4\n"
		     "w1: if node old is of r4: delete block 10.0.0.0/24, delete node old, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r5\n"
		     "w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #3}, "
		     "put node w1 {id #3, cidrs 10.0.0.0/24, machine w1} -> r6\n"
		     "10.0.0.0/24\n"
		     "w1: if node w1 is of r6: put node w1 {id #3, cidrs 10.0.0.0/24, machine w1, labels a=b} -> r7\n"
		     "audit: 1 clusters, 1 nodes, 1 blocks, 0 resting, 0 leases\n");
}

static bool is_on_a(void *arg)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(arg, &engine);
	return strcmp(engine.member, "http://w1-a:1") == 0;
}

/* Two members: one is away, one hangs. */
static void test_members(void **state)
{
	struct story *s = *state;
	struct ipam_engine engine = { 0 };
	struct ipam *w1;
	uint64_t c;

	strcpy(story_machine(s, "w1")->endpoints, "w1-a:1,w1-b:1");
	w1 = story_up(s, "w1");
	c = make_cluster(w1, "10.0.0.0/23 24\n");
	fake_cut("w1-a", true);
	assert_int_equal(make(w1, IPAM_NODE, c, "n1", NULL), 0);
	story_mirrored(s);
	ipam_engine(w1, &engine);
	fake_say(engine.member);
	fake_cut("w1-a", false);
	fake_hang("w1-b", true);
	story_until(is_on_a, w1);
	assert_int_equal(make(w1, IPAM_NODE, c, "n2", NULL), 0);
	fake_cut("w1-a", true);
	story_until(is_down, w1);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "n1"), -EHOSTUNREACH);
	fake_hang("w1-b", false);
	story_until(is_up, w1);
	assert_int_equal(take_away(w1, IPAM_NODE, c, "n1"), 0);
	assert_story("w1: if no cluster c: put cluster c {id #1} -> r1\n"
		     "w1: if cluster c is of r1: put cluster c {id #1, cidrs 10.0.0.0/23 24} -> r2\n"
		     "w1: if cluster c is of r2, no node n1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #2}, "
		     "put node n1 {id #2, cidrs 10.0.0.0/24} -> r3\n"
		     "http://w1-b:1\n"
		     "w1: if cluster c is of r2, no node n2, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #3}, "
		     "put node n2 {id #3, cidrs 10.0.1.0/24} -> r4\n"
		     "w1: if node n1 is of r3: delete block 10.0.0.0/24, delete node n1, delete leases/#2/.., "
		     "delete published #2, delete alive #2 -> r5\n");
}

/* ---- what can't be read ------------------------------------------------------------------------------------------------------ */

static bool complains(void *arg)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(arg, &engine);
	return engine.complaint[0] != 0;
}

static bool is_content(void *arg)
{
	return !complains(arg);
}

static void say_complaint(struct ipam *ipam)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(ipam, &engine);
	fake_say(engine.complaint);
}

static void test_records(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	char key[128];

	(void)w1;
	snprintf(key, sizeof key, "state/node/%s/w9", fake_id("cluster c"));
	fake_put(key, "{}");
	fake_put("state/what", "?");
	story_until(complains, w2);
	story_mirrored(s);
	say_complaint(w2);
	story_audit(w2);
	/* One whose block is another's here. */
	fake_put(key, "{\"id\":\"00000000000000aa\",\"cidrs\":[\"10.0.0.0/24\"],\"settings\":[],\"uid\":0,\"gid\":0,\"mode\":493,"
		      "\"made\":0,\"machine\":\"\"}");
	story_until_said(s, "w2", "can't be shown as the engine has it");
	story_mirrored(s);
	story_audit(w2);
	fake_put(key, NULL);
	fake_put("state/what", NULL);
	story_until(is_content, w2);
	story_audit(w2);
	assert_story("the record of 'w9' isn't understood\n"
		     "the record of 'w9' isn't understood\n"
		     "the key '/ipam/state/what' isn't understood\n"
		     "audit: 1 clusters, 1 nodes, 1 blocks, 0 resting, 0 leases\n"
		     "the key '/ipam/state/what' isn't understood\n"
		     "node 'c/w9' has block '10.0.0.0/24', whose key says something else, or isn't there\n"
		     "node 'c/w9' isn't here\n"
		     "audit: 1 clusters, 2 nodes, 1 blocks, 0 resting, 0 leases\n"
		     "audit: 1 clusters, 1 nodes, 1 blocks, 0 resting, 0 leases\n");
}

static void test_schema(void **state)
{
	struct story *s = *state;
	struct ipam *w1;

	fake_put("something", "else");
	clock_speed(20);
	w1 = story_up(s, "w1");
	story_until(complains, w1);
	say_complaint(w1);
	fake_put("something", NULL);
	fake_put("schema", "99");
	story_until_said(s, "w1", "newer version");
	say_complaint(w1);
	fake_put("schema", "1");
	story_until(is_content, w1);
	clock_speed(1);
	make_cluster(w1, "10.0.0.0/24 25 selector=a\n");
	assert_story("what the engine has can't be read: "
		     "under '/ipam' lie keys of something else; choose a prefix of its own for the addresses\n"
		     "what the engine has can't be read: under '/ipam' lies the state of a newer version; upgrade this ipamfs\n"
		     "w1: if no cluster c: put cluster c {id #1} -> r1\n"
		     "w1: if cluster c is of r1: put cluster c {id #1, cidrs 10.0.0.0/24 25 selector=a} -> r2\n");
}

/* ---- another etcd ------------------------------------------------------------------------------------------------------------ */

static bool is_strange(void *arg)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(arg, &engine);
	return strstr(engine.complaint, "isn't the etcd") != NULL || strstr(engine.complaint, "two clusters") != NULL;
}

static bool has_no_node(void *arg)
{
	return story_node(arg, "w2") == 0;
}

static void test_put_back(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	uint64_t c = story_cluster(w1);
	int64_t snapshot = fake_revision();
	char text[64];

	assert_int_equal(make(w2, IPAM_NODE, c, "w2", NULL), 0);
	for (int i = 0; i < 20; i++) /* so that what is written after it isn't as many revisions */
		assert_int_equal(put(w1, IPAM_CLUSTER_SETTINGS, c, i % 2 == 0 ? "max-leases 5\n" : "max-leases 6\n", false), 0);
	story_mirrored(s);
	free(fake_trace());
	fake_restore(snapshot);
	fake_say("etcd is put back to before w2 had its node");
	story_until(is_strange, w2);
	story_until(is_strange, w1);
	fake_say(story_lease(w2, "w2", "pod", text));
	assert_int_equal(make(w1, IPAM_NODE, c, "w3", NULL), -EHOSTUNREACH);
	story_down(s, "w2");
	w2 = story_up(s, "w2");
	fake_say(story_lease(w2, "w2", "pod", text));
	assert_int_equal(ipam_accept_engine(w2), 0);
	assert_int_equal(ipam_accept_engine(w1), 0);
	story_until(is_content, w1);
	story_until(is_content, w2);
	assert_int_equal(ipam_accept_engine(w2), -EINVAL);
	story_until(has_no_node, w2);
	story_mirrored(s);
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "w3", NULL), 0);
	assert_story("etcd is put back to before w2 had its node\n"
		     "EHOSTUNREACH\n"
		     "EHOSTUNREACH\n"
		     "w1: if cluster c is of r2, no node w3, no block 10.0.1.0/24: put block 10.0.1.0/24 {node #4}, "
		     "put node w3 {id #4, cidrs 10.0.1.0/24} -> r25\n");
}

static bool has_no_w1(void *arg)
{
	return story_node(arg, "w1") == 0;
}

/* With all that was there it is taken again by itself, emptied it isn't. */
static void test_exchanged(void **state)
{
	struct story *s = *state;
	struct ipam *w2, *w1 = story_two(s, &w2);
	char text[64];

	story_down(s, "w2");
	fake_exchange(false);
	story_until_said(s, "w1", "isn't the etcd that this machine knew");
	story_until(is_content, w1);
	fake_say(story_lease(w1, "w1", "pod", text));
	fake_exchange(true);
	fake_say("it is emptied");
	story_until(is_strange, w1);
	clock_speed(20);
	fake_say(story_lease(w1, "w1", "pod2", text));
	clock_speed(1);
	fake_slow(2000); /* the pulse beats meanwhile: it must not write before that is read */
	assert_int_equal(ipam_accept_engine(w1), 0);
	story_until_said(s, "w1", "was removed elsewhere, by force");
	assert_int_equal(take_away(w1, IPAM_LEASE, story_node(w1, "w1"), "pod"), 0);
	story_until(has_no_w1, w1);
	story_until(is_content, w1);
	assert_story("10.0.0.2/24\nit is emptied\nEHOSTUNREACH\n");
}

static void test_split(void **state)
{
	struct story *s = *state;
	struct ipam *w1;

	fake_split("w1-b");
	strcpy(story_machine(s, "w1")->endpoints, "w1-a:1,w1-b:1");
	clock_speed(20);
	w1 = story_up(s, "w1");
	story_until(is_strange, w1);
	assert_int_equal(make(w1, IPAM_CLUSTER, IPAM_ROOT_ID, "c", NULL), -EHOSTUNREACH);
	fake_split(NULL);
	story_until(is_content, w1);
	clock_speed(1);
	make_cluster(w1, "10.0.0.0/24 25\n");
	assert_story("w1: if no cluster c: put cluster c {id #1} -> r1\n"
		     "w1: if cluster c is of r1: put cluster c {id #1, cidrs 10.0.0.0/24 25} -> r2\n");
}

/* ---- who may ------------------------------------------------------------------------------------------------------------------ */

static bool is_refused(void *arg)
{
	struct ipam_engine engine = { 0 };

	ipam_engine(arg, &engine);
	return engine.refused[0] != 0;
}

static bool is_admitted(void *arg)
{
	return !is_refused(arg);
}

static void test_refused(void **state)
{
	struct story *s = *state;
	struct ipam *w1 = story_one(s);
	uint64_t c = story_cluster(w1);

	free(fake_trace());
	fake_refuse("w1", 403, "{\"error\":\"etcdserver: permission denied\",\"code\":7}");
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), -EACCES);
	story_until(is_refused, w1);
	fake_refuse("w1", 429, "{\"error\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}");
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), -ENOSPC);
	fake_refuse("w1", 400, "{\"error\":\"etcdserver: too many operations in txn request\",\"code\":3}");
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), -EINVAL);
	fake_refuse("w1", 0, NULL);
	story_until(is_admitted, w1);
	assert_int_equal(make(w1, IPAM_NODE, c, "w1", NULL), 0);
	assert_story("w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #2}, "
		     "put node w1 {id #2, cidrs 10.0.0.0/24, machine w1} -> r3\n");
}

static void test_password(void **state)
{
	struct story *s = *state;
	struct machine *m = story_machine(s, "w1");
	char path[128];
	struct ipam *w1;
	FILE *f;

	snprintf(path, sizeof path, "%s/password", m->dir);
	f = fopen(path, "w");
	fprintf(f, "secret\n");
	fclose(f);
	m->user = "ipam";
	m->password_file = path;
	fake_password("secret");
	w1 = story_up(s, "w1");
	make_cluster(w1, "10.0.0.0/23 24\n");
	fake_say("all tokens are void");
	fake_password("secret");
	fake_drop_watches();
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "w1", NULL), 0);
	story_mirrored(s);
	fake_say("the password is another");
	fake_password("other");
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "n", NULL), -EACCES);
	unlink(path);
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "n", NULL), -EACCES);
	fake_password("");
	assert_story("w1: if no cluster c: put cluster c {id #1} -> r1\n"
		     "w1: if cluster c is of r1: put cluster c {id #1, cidrs 10.0.0.0/23 24} -> r2\n"
		     "all tokens are void\n"
		     "w1: if cluster c is of r2, no node w1, no block 10.0.0.0/24: put block 10.0.0.0/24 {node #2}, "
		     "put node w1 {id #2, cidrs 10.0.0.0/24, machine w1} -> r3\n"
		     "the password is another\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_published, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_published_before, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_compacted, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_behind, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_members, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_records, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_schema, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_put_back, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_exchanged, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_split, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_refused, story_begin, story_end),
		cmocka_unit_test_setup_teardown(test_password, story_begin, story_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
