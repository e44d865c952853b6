/* ipamkube's pure parts: limits, lines of a watch, what is to be done for a Node, the queue. */
#include "kube/cover.h"
#include "kube/clock.h"
#include "kube/lines.h"
#include "kube/queue.h"
#include "kube/rate.h"
#include "within.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- limits, times ----------------------------------------------------------------------------------------------------------- */

static void test_rate(void **state)
{
	struct rate r;

	(void)state;
	rate_init(&r, 10, 3, 1000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rate_take(&r, 1000), 0);
	assert_true(within(rate_take(&r, 1000), 100, 101)); /* each of those who wait a turn of its own */
	assert_true(within(rate_take(&r, 1000), 200, 201));
	assert_true(within(rate_take(&r, 1100), 200, 201));
	assert_int_equal(rate_take(&r, 1500), 0);
	/* A rest gives the burst, not more. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(rate_take(&r, 100000), 0);
	assert_true(within(rate_take(&r, 100000), 100, 101));
	/* A clock that goes back gives nothing. */
	assert_true(rate_take(&r, 50000) > 0);
	rate_init(&r, 0, 0, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(&r, 0), 0);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "15s", 15000 }, { "1m30s", 90000 }, { "500ms", 500 }, { "1.5s", 1500 },
		     { "2", 2000 },    { "0.25", 250 },    { "1h", 3600000 } };
	static const char *const bad[] = { "", "s", "-1s", "1x", "1s2", "1..s", "1ss", "1 s", "99999999999999999s" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(parse_duration(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse_duration(bad[i], &ms), -EINVAL);
	for (unsigned n = 1; n < 100; n++) {
		int64_t wait = backoff(n, 50, 30000);

		assert_true(within(wait, 45, 33000));
	}
}

/* ---- lines of a watch ------------------------------------------------------------------------------------------------------------ */

static int add_line(void *arg, const char *line, size_t n)
{
	char *out = arg;

	sprintf(out + strlen(out), "[%.*s]", (int)n, line);
	return n == 4 && memcmp(line, "stop", 4) == 0 ? -ESTALE : 0;
}

static void test_lines(void **state)
{
	static const char text[] = "{\"a\":1}\n\n  \n{\"b\":\"two words\"}\r\nlast\nrest";

	(void)state;
	for (size_t step = 1; step < sizeof text; step++) {
		struct lines l = { .max = 100 };
		char out[256] = "";

		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;

			assert_int_equal(lines_feed(&l, text + at, n, add_line, out), 0);
		}
		assert_string_equal(out, "[{\"a\":1}][{\"b\":\"two words\"}][last]");
		lines_free(&l);
	}
}

static void test_lines_limits(void **state)
{
	struct lines l = { .max = 8 };
	char out[256] = "";

	(void)state;
	assert_int_equal(lines_feed(&l, "12345678\n", 9, add_line, out), 0);
	assert_int_equal(lines_feed(&l, "123456789\n", 10, add_line, out), -EMSGSIZE);
	l.n = 0;
	assert_int_equal(lines_feed(&l, "1234", 4, add_line, out), 0);
	assert_int_equal(lines_feed(&l, "56789", 5, add_line, out), -EMSGSIZE);
	l.n = 0;
	assert_int_equal(lines_feed(&l, "a\nstop\nb\n", 9, add_line, out), -ESTALE);
	assert_string_equal(out, "[12345678][a][stop]");
	lines_free(&l);
}

/* ---- Nodes -------------------------------------------------------------------------------------------------------------------------- */

static struct pod_cidrs cidrs_of(const char *json)
{
	json_t *spec = json_loads(json, 0, NULL);
	struct pod_cidrs c;

	assert_non_null(spec);
	pod_cidrs_read(spec, &c);
	json_decref(spec);
	return c;
}

static void same_text(const char *json, const char *text, bool odd)
{
	struct pod_cidrs c = cidrs_of(json);
	char out[NODE_CIDRS_TEXT];

	assert_string_equal(pod_cidrs_text(&c, out), text);
	assert_int_equal(c.odd, odd);
}

static void test_pod_cidrs(void **state)
{
	struct pod_cidrs a, b;

	(void)state;
	same_text("{}", "none", false);
	same_text("{\"podCIDR\":\"\",\"podCIDRs\":[]}", "none", false);
	same_text("{\"podCIDR\":\"10.244.3.0/24\"}", "10.244.3.0/24", false);
	same_text("{\"podCIDR\":\"10.244.3.0/24\",\"podCIDRs\":[\"10.244.3.0/24\",\"fd00:0::/64\"]}", "10.244.3.0/24 fd00::/64", false);
	same_text("{\"podCIDRs\":[\"10.244.3.7/24\"]}", "10.244.3.0/24", false); /* as the API means it */
	same_text("{\"podCIDRs\":[\"10.244.3.0\"]}", "none", true);
	same_text("{\"podCIDRs\":[7]}", "none", true);
	same_text("{\"podCIDRs\":[\"10.0.0.0/24\",\"10.0.1.0/24\",\"10.0.2.0/24\"]}", "10.0.0.0/24 10.0.1.0/24", true);
	a = cidrs_of("{\"podCIDRs\":[\"10.244.0.0/23\"]}");
	b = cidrs_of("{\"podCIDRs\":[\"fd00::/64\",\"10.244.1.0/24\"]}");
	assert_true(pod_cidrs_overlap(&a, &b));
	assert_true(pod_cidrs_overlap(&b, &a));
	b = cidrs_of("{\"podCIDRs\":[\"10.244.2.0/24\"]}");
	assert_false(pod_cidrs_overlap(&a, &b));
	assert_false(pod_cidrs_same(&a, &b));
}

/* What 'delegate' says of the nodes that were made, also where it was cut. */
static void test_site_made(void **state)
{
	static const char said[] = "w1 10.32.1.0/24 fd32:0:0:1::/64\nw10 128.0.0.0/16\n";
	const char *at = said;
	struct blocks b;

	(void)state;
	assert_int_equal(site_made(&at, "w", &b), -ENOENT);
	assert_int_equal(site_made(&at, "w10", &b), -ENOENT);
	assert_ptr_equal(at, said);
	assert_int_equal(site_made(&at, "w1", &b), 0);
	assert_int_equal(b.n, 2);
	blocks_free(&b);
	assert_int_equal(site_made(&at, "w1", &b), -ENOENT);
	assert_int_equal(site_made(&at, "w10", &b), 0);
	assert_int_equal(b.n, 1);
	blocks_free(&b);
	assert_int_equal(site_made(&at, "w10", &b), -ENOENT);
	/* Cut anywhere, also between its blocks and within a prefix length, it says nothing. */
	for (size_t n = 0; n < strcspn(said, "\n"); n++) {
		char *cut = strndup(said, n);

		at = cut;
		assert_true(site_made(&at, "w1", &b) < 0);
		assert_int_equal(b.n, 0);
		free(cut);
	}
	at = "w10 128.0.0.0/1";
	assert_int_equal(site_made(&at, "w10", &b), -EPROTO);
	at = NULL;
	assert_int_equal(site_made(&at, "w1", &b), -ENOENT);
}

static void test_plan(void **state)
{
	struct pod_cidrs none = { 0 }, odd = { .odd = true }, three = cidrs_of("{\"podCIDR\":\"10.0.3.0/24\"}");
	struct pod_cidrs both = cidrs_of("{\"podCIDRs\":[\"10.0.3.0/24\",\"fd00:3::/64\"]}");
	struct cidr held[] = { both.cidr[0], both.cidr[1], cidrs_of("{\"podCIDR\":\"10.0.9.0/24\"}").cidr[0] };
	struct blocks nothing = { 0 }, one = { held, 1 }, two = { held, 2 }, grown = { held, 3 }, other = { held + 2, 1 };
	struct pod_cidrs got;

	(void)state;
	assert_int_equal(plan_for(true, false, &none, false, &nothing), PLAN_DELEGATE);
	assert_int_equal(plan_for(true, true, &none, false, &nothing), PLAN_WAIT);
	assert_int_equal(plan_for(true, false, &none, true, &one), PLAN_PATCH); /* a crash came between */
	assert_int_equal(plan_for(true, true, &none, true, &one), PLAN_WAIT);
	assert_int_equal(plan_for(true, false, &none, true, &nothing), PLAN_DELEGATE);
	assert_int_equal(plan_for(true, false, &three, false, &nothing), PLAN_ADOPT);
	assert_int_equal(plan_for(true, true, &three, false, &nothing), PLAN_ADOPT); /* until it is gone it has it */
	assert_int_equal(plan_for(true, false, &three, true, &one), PLAN_NOTHING);
	assert_int_equal(plan_for(true, false, &three, true, &grown), PLAN_NOTHING);
	assert_int_equal(plan_for(true, false, &both, true, &two), PLAN_NOTHING);
	assert_int_equal(plan_for(true, false, &both, true, &one), PLAN_EXCHANGE);
	assert_int_equal(plan_for(true, false, &three, true, &other), PLAN_EXCHANGE);
	assert_int_equal(plan_for(true, false, &odd, false, &nothing), PLAN_REFUSE);
	assert_int_equal(plan_for(false, false, &none, true, &one), PLAN_REMOVE);
	assert_int_equal(plan_for(false, false, &none, false, &nothing), PLAN_NOTHING);
	pod_cidrs_of_blocks(&grown, &got);
	assert_true(pod_cidrs_same(&got, &both));
}

static void test_seen(void **state)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"n-1\",\"uid\":\"u\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{\"zone\":"
		"\"a\",\"other\":\"x\",\"example.org/rack\":\"\",\"bad\":\"a b\"}},\"spec\":{\"podCIDR\":\"10.0.0.0/24\"}}";
	static const char *const bad[] = { "{}",
					   "{\"metadata\":{\"name\":\"a/b\",\"uid\":\"u\"}}",
					   "{\"metadata\":{\"name\":\".a\",\"uid\":\"u\"}}",
					   "{\"metadata\":{\"name\":\"a\"}}",
					   "{\"metadata\":{\"name\":\"a b\",\"uid\":\"u\"}}",
					   "{\"metadata\":{\"name\":\"a=b\",\"uid\":\"u\"}}" };
	struct keys keys = { 0 };
	struct seen s;
	json_t *node = json_loads(text, 0, NULL);

	(void)state;
	assert_int_equal(keys_read("10.0.0.0/16 24 selector=zone=a,bad!=x,!gone\n10.1.0.0/16 24\n10.2.0.0/16 24 selector=example.org/rack\n"
				   "10.3.0.0/16 24 selector=zone==b\n",
				   &keys),
			 0);
	assert_int_equal(keys.n, 4);
	assert_string_equal(keys.key[0], "bad");
	assert_string_equal(keys.key[1], "example.org/rack");
	assert_string_equal(keys.key[2], "gone");
	assert_string_equal(keys.key[3], "zone");
	assert_int_equal(seen_read(node, &keys, &s), 0);
	assert_string_equal(s.labels, "example.org/rack= zone=a");
	assert_true(s.deleting && s.cidrs.n == 1);
	seen_free(&s);
	json_decref(node);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		node = json_loads(bad[i], 0, NULL);
		assert_int_equal(seen_read(node, &keys, &s), -EINVAL);
		seen_free(&s);
		json_decref(node);
	}
	keys_free(&keys);
}

static void test_covers(void **state)
{
	struct covers c;

	(void)state;
	assert_int_equal(covers_parse("10.244.0.0/16/24,fd00::/48", &c), 0);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.cover[0].mask, 24);
	assert_int_equal(c.cover[1].mask, 0);
	assert_int_equal(covers_parse("10.244.0.0/16/8", &c), -EINVAL);
	assert_int_equal(covers_parse("10.244.0.0/16/31", &c), -EINVAL);
	assert_int_equal(covers_parse("10.244.0.0/16/", &c), -EINVAL);
	assert_int_equal(covers_parse("10.244.0.1/16", &c), -EINVAL);
	assert_int_equal(covers_parse("10.244.0.0/16,", &c), -EINVAL);
	assert_int_equal(covers_parse("", &c), -EINVAL);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------------
 */

static void see(struct table *t, const char *name, const char *uid, const char *cidr, const char *labels)
{
	struct seen s = { .name = (char *)name, .uid = (char *)uid, .labels = (char *)labels };

	if (cidr != NULL) {
		assert_int_equal(cidr_parse(cidr, strlen(cidr), &s.cidrs.cidr[0]), 0);
		s.cidrs.n = 1;
	}
	assert_int_equal(table_see(t, &s), 0);
}

static void gone(struct table *t, const char *name, const char *uid)
{
	table_gone(t, &(struct seen){ .name = (char *)name, .uid = (char *)uid });
}

static void takes(struct table *t, const char *name, struct task *out)
{
	assert_true(table_take(t, out));
	assert_string_equal(out->name, name);
}

static void test_table_phases(void **state)
{
	struct table *t = table_new();
	struct halt halt;
	struct task task;

	(void)state;
	assert_int_equal(halt_init(&halt, NULL), 0);
	table_list(t);
	see(t, "new", "1", NULL, "");
	see(t, "old", "2", "10.0.0.0/24", "");
	table_sweep(t);
	assert_int_equal(table_mounted(t, "stray"), 0);
	assert_int_equal(table_mounted(t, "old"), 0);
	assert_false(table_drain(t, &halt)); /* nothing is due before it is started */
	table_start(t, PHASE_ADOPT);
	takes(t, "old", &task);
	assert_true(task.present && task.cidrs.n == 1);
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	assert_false(table_drain(t, &halt));
	table_start(t, PHASE_REMOVE);
	takes(t, "stray", &task);
	assert_false(task.present);
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	table_start(t, PHASE_REST);
	takes(t, "new", &task);
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	/* From now on what changes is queued at once, and what doesn't isn't. */
	see(t, "old", "2", "10.0.0.0/24", "");
	assert_false(table_drain(t, &halt));
	see(t, "old", "2", "10.0.0.0/24", "zone=b");
	takes(t, "old", &task);
	assert_string_equal(task.labels, "zone=b");
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	/* A list that doesn't name it. */
	table_list(t);
	see(t, "new", "1", NULL, "");
	table_sweep(t);
	table_start(t, PHASE_REMOVE);
	takes(t, "old", &task);
	assert_false(task.present);
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	table_close(t);
	assert_false(table_take(t, &task));
	table_free(t);
	halt_close(&halt);
}

static void test_table_changes(void **state)
{
	struct table *t = table_new();
	struct pod_cidrs c = cidrs_of("{\"podCIDR\":\"10.0.0.0/24\"}"), part = cidrs_of("{\"podCIDR\":\"10.0.0.128/25\"}");
	struct task task;
	char who[256];

	(void)state;
	table_list(t);
	table_start(t, PHASE_REST);
	see(t, "a", "1", NULL, "");
	takes(t, "a", &task);
	/* It changes while it is looked at: it comes again, whatever came of that. */
	see(t, "a", "1", "10.0.0.0/24", "");
	assert_true(table_overlaps(t, "b", &part, who));
	assert_string_equal(who, "a");
	assert_false(table_overlaps(t, "a", &part, who));
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	assert_true(table_overlaps(t, "b", &part, who));
	takes(t, "a", &task);
	assert_int_equal(task.cidrs.n, 1);
	/* What was said before doesn't undo it. */
	see(t, "a", "1", NULL, "");
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	assert_true(table_overlaps(t, "b", &part, who)); /* also when the mount has it: somebody may take it from there */
	assert_true(table_has_cidrs(t, "a", &c));
	takes(t, "a", &task);
	assert_true(pod_cidrs_same(&task.cidrs, &c));
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	see(t, "b", "b", "10.0.0.128/25", ""); /* they overlap: each is told of the other */
	takes(t, "b", &task);
	assert_true(table_overlaps(t, "b", &part, who));
	assert_true(table_overlaps(t, "a", &c, who));
	assert_string_equal(who, "b");
	table_done(t, &task, OUTCOME_REFUSED, REFUSED_OVERLAP);
	takes(t, "a", &task); /* it was in the way: has the mount it still? */
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	gone(t, "b", "b");
	takes(t, "b", &task);
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	assert_false(table_overlaps(t, "a", &c, who));
	/* Another one of the name; the end of the first is of no account. */
	see(t, "a", "2", NULL, "zone=b");
	gone(t, "a", "1");
	takes(t, "a", &task);
	assert_true(task.present && task.cidrs.n == 0 && task.fresh);
	assert_string_equal(task.uid, "2");
	/* Patched: what the watch says then is no news. */
	table_sent(t, &task, true);
	table_patched(t, &task, &c);
	see(t, "a", "2", "10.0.0.0/24", "zone=b");
	assert_true(table_may_say(t, &task, "x"));
	assert_false(table_may_say(t, &task, "x"));
	assert_true(table_may_say(t, &task, "y"));
	table_done(t, &task, OUTCOME_REFUSED, REFUSED_OVERLAP);
	gone(t, "a", "2");
	takes(t, "a", &task);
	assert_false(task.present);
	table_done(t, &task, OUTCOME_RETRY, REFUSED_NOT);
	takes(t, "a", &task); /* waits for its time */
	assert_int_equal(task.tries, 1);
	table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	table_free(t);
}

static void test_table_order(void **state)
{
	struct table *t = table_new();
	struct task task;
	char name[16];
	unsigned seen = 0;

	(void)state;
	table_list(t);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "n-%d", i);
		see(t, name, name, NULL, "");
	}
	table_start(t, PHASE_REST);
	for (int i = 0; i < 500; i += 3) { /* some go before they are taken */
		snprintf(name, sizeof name, "n-%d", i);
		gone(t, name, name);
	}
	for (int i = 0; i < 500; i++) {
		assert_true(table_take(t, &task));
		seen += task.present;
		table_done(t, &task, OUTCOME_SETTLED, REFUSED_NOT);
	}
	assert_int_equal(seen, 500 - 167);
	table_free(t);
}

static struct seen version_of(const char *name, const char *uid, uint64_t version, const char *cidr)
{
	struct seen s = { .name = (char *)name, .uid = (char *)uid, .labels = "", .version = version };

	assert_int_equal(cidr_parse(cidr, strlen(cidr), &s.cidrs.cidr[0]), 0);
	s.cidrs.n = 1;
	return s;
}

/* What is told late doesn't undo what is known: neither an older uid, nor an end of it, nor podCIDRs. A list is always taken. */
static void test_table_older(void **state)
{
	struct table *t = table_new();
	struct seen old = version_of("a", "1", 10, "10.0.0.0/24"), new = version_of("a", "2", 20, "10.0.1.0/24");
	struct pod_cidrs c;

	(void)state;
	table_list(t);
	assert_int_equal(table_see(t, &new), 0);
	table_start(t, PHASE_REST);
	assert_int_equal(table_see(t, &old), 1);
	assert_true(table_has_cidrs(t, "a", &c) && pod_cidrs_same(&c, &new.cidrs));
	old.uid = "2";
	table_gone(t, &old);
	assert_true(table_has_cidrs(t, "a", &c));
	new.version = 0; /* of what can't be compared, the last counts */
	new.cidrs = old.cidrs;
	assert_int_equal(table_see(t, &new), 0);
	assert_true(table_has_cidrs(t, "a", &c) && pod_cidrs_same(&c, &old.cidrs));
	new.version = 30;
	assert_int_equal(table_see(t, &new), 0);
	table_list(t);
	assert_int_equal(table_see(t, &old), 0);
	table_free(t);
}

/* Which blocks can go to nobody but who has them for podCIDRs. */
static void test_table_claimed(void **state)
{
	struct table *t = table_new();
	struct pod_cidrs mine = cidrs_of("{\"podCIDR\":\"10.0.0.0/24\"}"), none = { 0 };
	struct cidr cidr[] = { mine.cidr[0], cidrs_of("{\"podCIDR\":\"10.0.1.0/24\"}").cidr[0] };
	struct blocks one = { cidr, 1 }, both = { cidr, 2 };

	(void)state;
	table_list(t);
	see(t, "b", "b", "10.0.1.0/24", "");
	assert_false(table_claimed(t, "a", &both, &none));
	assert_true(table_claimed(t, "a", &both, &mine));
	assert_false(table_claimed(t, "b", &both, &mine));
	see(t, "c", "c", "10.0.0.0/23", ""); /* that it lies within another's doesn't keep its rest */
	assert_false(table_claimed(t, "a", &one, &none));
	table_free(t);
}

static void nodes(struct table *t, const char *what, int n)
{
	char name[16];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s-%d", what, i);
		see(t, name, name, NULL, "");
		assert_int_equal(table_mounted(t, name), 0);
	}
}

static void test_table_many_gone(void **state)
{
	struct table *t = table_new();
	int64_t then;

	(void)state;
	table_list(t);
	nodes(t, "n", 9);
	table_start(t, PHASE_REST);
	assert_false(table_many_gone(t, now_ms()));
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof name, "n-%d", i);
		gone(t, name, name);
		assert_false(table_many_gone(t, now_ms()));
	}
	gone(t, "n-3", "n-3");
	assert_true(table_many_gone(t, now_ms()));
	/* An empty list; and one of another cluster's server, whose Nodes nobody knew. */
	table_list(t);
	table_sweep(t);
	then = now_ms();
	assert_true(table_many_gone(t, then));
	while (now_ms() == then)
		;
	table_start(t, PHASE_REST);
	nodes(t, "other", 100);
	assert_true(table_many_gone(t, then));
	assert_false(table_many_gone(t, now_ms()));
	table_beware(t, now_ms() + 60000);
	assert_true(table_many_gone(t, now_ms()));
	table_free(t);
	/* The only one. */
	t = table_new();
	table_list(t);
	table_start(t, PHASE_REST);
	nodes(t, "n", 1);
	gone(t, "n-0", "n-0");
	assert_true(table_many_gone(t, now_ms()));
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),         cmocka_unit_test(test_durations),     cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_limits), cmocka_unit_test(test_pod_cidrs),     cmocka_unit_test(test_site_made),
		cmocka_unit_test(test_plan),         cmocka_unit_test(test_seen),          cmocka_unit_test(test_covers),
		cmocka_unit_test(test_table_phases), cmocka_unit_test(test_table_changes), cmocka_unit_test(test_table_order),
		cmocka_unit_test(test_table_older),  cmocka_unit_test(test_table_claimed), cmocka_unit_test(test_table_many_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
