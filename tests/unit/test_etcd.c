/* What etcd's gateway says, as it was seen on the wire of 3.4: numbers as strings, what is 0 or false left out, base64; and what it
 * may never say. No network. */
#include "etcd/etcd_call.h"
#include "etcd/etcd_stream.h"
#include "within.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- base64 ---------------------------------------------------------------------------------------------------- */

static void check_base64(const char *data, size_t size, const char *text)
{
	json_t *o = json_object(), *s = etcd_base64(data, size);
	char *back;
	size_t n;

	assert_string_equal(json_string_value(s), text);
	json_object_set_new(o, "key", s);
	assert_int_equal(etcd_unbase64(o, "key", &back, &n), 0);
	assert_int_equal(n, size);
	assert_memory_equal(back, data, size);
	assert_int_equal(back[n], 0);
	free(back);
	json_decref(o);
}

static int unbase64(const char *text)
{
	json_t *o = json_pack("{s:s}", "key", text);
	char *back = NULL;
	size_t n;
	int rc = etcd_unbase64(o, "key", &back, &n);

	if (rc == 0)
		free(back);
	json_decref(o);
	return rc;
}

static void test_base64(void **state)
{
	char all[256];

	(void)state;
	check_base64("", 0, ""); /* RFC 4648, section 10 */
	check_base64("f", 1, "Zg==");
	check_base64("fo", 2, "Zm8=");
	check_base64("foo", 3, "Zm9v");
	check_base64("foob", 4, "Zm9vYg==");
	check_base64("fooba", 5, "Zm9vYmE=");
	check_base64("foobar", 6, "Zm9vYmFy");
	check_base64("\0\xff\xfe", 3, "AP/+");
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	for (size_t i = 0; i < sizeof all; i++) {
		json_t *o = json_pack("{s:o}", "key", etcd_base64(all, i));
		char *back;
		size_t n;

		assert_int_equal(etcd_unbase64(o, "key", &back, &n), 0);
		assert_int_equal(n, i);
		assert_memory_equal(back, all, i);
		free(back);
		json_decref(o);
	}
	assert_int_equal(unbase64("Zg="), -EPROTO);
	assert_int_equal(unbase64("Z"), -EPROTO);
	assert_int_equal(unbase64("Zm9*"), -EPROTO);
	assert_int_equal(unbase64("Z=9v"), -EPROTO);
	assert_int_equal(unbase64("Zm9-"), -EPROTO); /* of another alphabet */
}

/* ---- numbers, keys ----------------------------------------------------------------------------------------------- */

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void test_numbers(void **state)
{
	json_t *o = parse("{\"a\":\"9223372036854775807\",\"b\":7,\"c\":\"0\",\"d\":\"x\",\"e\":null,\"f\":\"-1\"}");

	(void)state;
	assert_true(etcd_int(o, "a") == INT64_MAX);
	assert_int_equal(etcd_int(o, "b"), 7);
	assert_int_equal(etcd_int(o, "c"), 0);
	assert_int_equal(etcd_int(o, "d"), 0);
	assert_int_equal(etcd_int(o, "e"), 0);
	assert_int_equal(etcd_int(o, "f"), -1);
	assert_int_equal(etcd_int(o, "none"), 0);
	assert_int_equal(etcd_int(NULL, "a"), 0);
	json_decref(o);
}

static int kv_of(const char *text, struct etcd_kv *kv)
{
	json_t *o = json_loads(text, 0, NULL);
	int rc = etcd_kv_parse(o, kv);

	json_decref(o);
	return rc;
}

static void test_keys(void **state)
{
	struct etcd_kv kv;

	(void)state;
	assert_int_equal(kv_of("{\"key\":\"L2s=\",\"create_revision\":\"2\",\"mod_revision\":\"9007199254740993\",\"version\":\"3\","
			       "\"value\":\"dg==\",\"lease\":\"7587858341371236103\"}",
			       &kv),
			 0);
	assert_int_equal(kv.key.size, 2);
	assert_memory_equal(kv.key.data, "/k", 2);
	assert_int_equal(kv.value.size, 1);
	assert_true(kv.mod_revision == 9007199254740993); /* no double has it */
	assert_true(kv.lease == 7587858341371236103);
	assert_int_equal(kv.version, 3);
	etcd_kv_free(&kv);
	/* An empty value is left out, and of a deleted key all but this. */
	assert_int_equal(kv_of("{\"key\":\"L2s=\",\"mod_revision\":\"5\"}", &kv), 0);
	assert_int_equal(kv.value.size, 0);
	assert_string_equal(kv.value.data, "");
	assert_int_equal(kv.version, 0);
	etcd_kv_free(&kv);
	assert_int_equal(kv_of("{\"key\":7}", &kv), -EPROTO);
	assert_int_equal(kv_of("{\"key\":\"L2s=\",\"value\":\"!\"}", &kv), -EPROTO);
	assert_int_equal(kv_of("{\"key\":\"L2s=\",\"value\":{}}", &kv), -EPROTO);
}

static void check_end(const char *prefix, size_t size, const char *want, size_t want_size)
{
	char end[16];
	size_t n = etcd_prefix_end((struct etcd_key){ prefix, size }, end);

	assert_int_equal(n, want_size);
	assert_memory_equal(end, want, n);
}

static void test_prefix_end(void **state)
{
	(void)state;
	check_end("/a/", 3, "/a0", 3);
	check_end("a\xff", 2, "b", 1);
	check_end("a\xfe\xff\xff", 4, "a\xff", 2);
	check_end("\xff\xff", 2, "\0", 1); /* etcd: all keys from here on */
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void check_refusal(long status, const char *body, int want, const char *text)
{
	struct ipam_error error = { "" };
	json_t *o = body == NULL ? NULL : json_loads(body, 0, NULL);

	assert_int_equal(etcd_refusal("http://h:1", status, o, &error), want);
	assert_non_null(strstr(error.text, text));
	assert_non_null(strstr(error.text, "http://h:1"));
	json_decref(o);
}

static void test_refusals(void **state)
{
	(void)state;
	check_refusal(401, "{\"error\":\"etcdserver: invalid auth token\",\"message\":\"etcdserver: invalid auth token\",\"code\":16}",
		      -EACCES, "invalid auth token");
	check_refusal(400, "{\"error\":\"etcdserver: user name is empty\",\"code\":3}", -EACCES, "user name is empty");
	check_refusal(403, "{\"error\":\"etcdserver: permission denied\",\"code\":7}", -EACCES, "permission denied");
	check_refusal(400, "{\"error\":\"etcdserver: authentication failed, invalid user ID or password\",\"code\":3}", -EACCES,
		      "password");
	check_refusal(503, "{\"error\":\"etcdserver: no leader\",\"code\":14}", -EHOSTUNREACH, "no leader");
	check_refusal(503, "{\"error\":\"etcdserver: request timed out\",\"code\":14}", -EHOSTUNREACH, "timed out");
	check_refusal(503, "{\"error\":\"etcdserver: leader changed\",\"code\":14}", -EHOSTUNREACH, "leader changed");
	check_refusal(429, "{\"error\":\"etcdserver: too many requests\",\"code\":8}", -EHOSTUNREACH, "too many");
	check_refusal(429, "{\"error\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}", -ENOSPC, "space exceeded");
	check_refusal(400, "{\"error\":\"etcdserver: key is not provided\",\"code\":3}", -EINVAL, "key is not provided");
	check_refusal(400, "{\"error\":\"etcdserver: mvcc: required revision has been compacted\",\"code\":11}", -EINVAL, "compacted");
	/* In a stream it is an object. */
	check_refusal(200, "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\",\"http_status\":\"x\"}}",
		      -EHOSTUNREACH, "no leader");
	/* etcd 3.5 of grpc-gateway 2, and 3.6: no "error", and in a stream another name for the code. */
	check_refusal(401, "{\"code\":16,\"message\":\"etcdserver: invalid auth token\"}", -EACCES, "invalid auth token");
	check_refusal(400, "{\"code\":3,\"message\":\"etcdserver: authentication failed, invalid user ID or password\"}", -EACCES,
		      "password");
	check_refusal(403, "{\"code\":7,\"message\":\"etcdserver: permission denied\"}", -EACCES, "permission denied");
	check_refusal(503, "{\"code\":14,\"message\":\"etcdserver: request timed out\"}", -EHOSTUNREACH, "timed out");
	check_refusal(504, "{\"code\":4,\"message\":\"context deadline exceeded\"}", -EHOSTUNREACH, "deadline");
	check_refusal(429, "{\"code\":8,\"message\":\"etcdserver: mvcc: database space exceeded\"}", -ENOSPC, "space exceeded");
	check_refusal(400, "{\"code\":3,\"message\":\"etcdserver: key is not provided\",\"details\":[]}", -EINVAL, "key is not provided");
	check_refusal(200, "{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\",\"details\":[]}}", -EHOSTUNREACH, "no leader");
	check_refusal(200, "{\"error\":{\"code\":7,\"message\":\"etcdserver: permission denied\"}}", -EACCES, "permission denied");
	/* Somebody else's JSON has no code of gRPC's. */
	check_refusal(403, "{\"message\":\"Forbidden\"}", -EPROTO, "403");
	check_refusal(503, "{\"message\":\"no healthy upstream\",\"code\":\"503\"}", -EPROTO, "503");
	check_refusal(404, NULL, -EPROTO, "404");
	check_refusal(200, "{}", -EPROTO, "no etcd");
	check_refusal(500, "{\"error\":5}", -EPROTO, "no etcd");
	check_refusal(502, "[1]", -EPROTO, "502");
}

/* ---- how often a machine asks ------------------------------------------------------------------------------------- */

static void test_turns(void **state)
{
	struct ipam_error error;
	struct etcd *e = NULL;
	int64_t now = 1000000, last = 0;

	(void)state;
	assert_int_equal(etcd_new(&(struct etcd_options){ .endpoints = "127.0.0.1:1" }, &e, &error), 0);
	/* What is saved up goes at once, the rest at its rate. */
	for (int i = 0; i < ETCD_BURST; i++)
		assert_int_equal(etcd_turn(e, now, now + 60000), now);
	for (int i = 0; i < 2 * ETCD_RATE; i++) {
		int64_t turn = etcd_turn(e, now, now + 60000);

		assert_true(turn >= last);
		last = turn;
	}
	assert_true(within(last, now + 1990, now + 2010));
	/* Who can't wait so long takes nobody's turn. */
	for (int i = 0; i < 1000; i++)
		assert_true(etcd_turn(e, now, now + 100) > now + 100);
	assert_true(within(etcd_turn(e, now, now + 60000), last, last + 10));
	/* After a while of silence as much is saved up again, and no more. */
	now += 600000;
	for (int i = 0; i < ETCD_BURST; i++)
		assert_int_equal(etcd_turn(e, now, now + 60000), now);
	assert_true(etcd_turn(e, now, now + 60000) > now);
	etcd_free(e);
}

/* ---- a watch ------------------------------------------------------------------------------------------------------- */

struct heard {
	unsigned calls, events, deleted;
	int64_t revision;
	int answer;
};

static int hear(void *arg, const struct etcd_kv *kv, size_t n, int64_t revision)
{
	struct heard *h = arg;

	h->calls++;
	h->events += (unsigned)n;
	h->revision = revision;
	for (size_t i = 0; i < n; i++)
		h->deleted += kv[i].version == 0;
	return h->answer;
}

static const char created[] = "{\"result\":{\"header\":{\"cluster_id\":\"1\",\"revision\":\"40\"},\"created\":true}}\n";
static const char two[] =
	"{\"result\":{\"header\":{\"revision\":\"50\"},\"events\":["
	"{\"kv\":{\"key\":\"L2s=\",\"create_revision\":\"41\",\"mod_revision\":\"41\",\"version\":\"1\",\"value\":\"dg==\"}},"
	"{\"type\":\"DELETE\",\"kv\":{\"key\":\"L2s=\",\"mod_revision\":\"42\"}}]}}\n";

/* The same, in pieces of every size; returns what ended it. */
static int feed(const char *text, size_t piece, struct heard *h, struct ipam_error *error, int64_t *compacted)
{
	struct etcd_stream s = { .endpoint = "http://h:1", .events = hear, .arg = h, .error = error };
	int rc = 0;

	for (size_t n = strlen(text), at = 0; at < n; at += piece)
		rc = etcd_stream_take(&s, text + at, n - at < piece ? n - at : piece);
	if (compacted != NULL)
		*compacted = s.compacted;
	etcd_stream_free(&s);
	return rc;
}

static void test_watch(void **state)
{
	char text[2048];

	(void)state;
	snprintf(text, sizeof text, "%s%s\n%s", created, two, "{\"result\":{\"header\":{\"revision\":\"60\"}}}\n");
	for (size_t piece = 1; piece <= strlen(text); piece += piece < 64 ? 1 : 97) {
		struct ipam_error error = { "" };
		struct heard h = { 0 };

		assert_int_equal(feed(text, piece, &h, &error, NULL), 0);
		assert_int_equal(h.calls, 2);
		assert_int_equal(h.events, 2);
		assert_int_equal(h.deleted, 1);
		assert_int_equal(h.revision, 60); /* who is told nothing has been told all */
	}
}

/* The header of events has the store's revision, and one that catches up hasn't been told all of it. */
static void test_watch_behind(void **state)
{
	struct ipam_error error = { "" };
	struct heard h = { 0 };

	(void)state;
	assert_int_equal(feed(two, 4096, &h, &error, NULL), 0);
	assert_int_equal(h.revision, 42);
}

static void check_end_of(const char *line, int want, const char *text)
{
	struct ipam_error error = { "" };
	struct heard h = { 0 };
	char both[2048];
	int64_t compacted;

	/* What comes after it isn't heard any more. */
	snprintf(both, sizeof both, "%s%s", line, two);
	assert_int_equal(feed(both, 7, &h, &error, &compacted), want);
	assert_int_equal(h.calls, 0);
	assert_non_null(strstr(error.text, text));
	assert_int_equal(compacted, want == -ESTALE ? 99 : 0);
}

static void test_watch_ends(void **state)
{
	(void)state;
	check_end_of("{\"result\":{\"header\":{},\"created\":true,\"canceled\":true,\"compact_revision\":\"99\"}}\n", -ESTALE, "99");
	check_end_of("{\"result\":{\"header\":{},\"canceled\":true,\"cancel_reason\":\"etcdserver: no leader\"}}\n", -EHOSTUNREACH,
		     "no leader");
	check_end_of("{\"result\":{\"header\":{},\"created\":true,\"canceled\":true,\"cancel_reason\":\"rpc error: code = PermissionDenied "
		     "desc = etcdserver: permission denied\"}}\n",
		     -EACCES, "permission denied");
	check_end_of("{\"result\":{\"canceled\":true}}\n", -EHOSTUNREACH, "ended");
	check_end_of("{\"error\":{\"grpc_code\":14,\"message\":\"transport is closing\"}}\n", -EHOSTUNREACH, "closing");
	check_end_of("{\"error\":\"etcdserver: invalid auth token\",\"code\":16}\n", -EACCES, "token");
	check_end_of("<html>\n", -EPROTO, "isn't etcd's");
	check_end_of("{}\n", -EPROTO, "isn't etcd's");
	check_end_of("{\"result\":{\"events\":[{\"kv\":{\"key\":\"?\"}}]}}\n", -EPROTO, "");
}

static void test_watch_refused(void **state)
{
	struct ipam_error error = { "" };
	struct heard h = { .answer = -EIO };

	(void)state;
	assert_int_equal(feed(two, 4096, &h, &error, NULL), -EIO);
	assert_int_equal(h.calls, 1);
}

/* ---- endpoints ------------------------------------------------------------------------------------------------------ */

static int endpoints(const char *list)
{
	struct etcd_options o = { .endpoints = list };
	struct ipam_error error;
	struct etcd *e = NULL;
	int rc = etcd_new(&o, &e, &error);

	if (rc == 0)
		etcd_free(e);
	else
		assert_true(error.text[0] != 0);
	return rc;
}

static void test_endpoints(void **state)
{
	(void)state;
	assert_int_equal(endpoints("10.0.0.1:2379"), 0);
	assert_int_equal(endpoints("a:1,[fd00::1]:2379,b.example:65535"), 0);
	assert_int_equal(endpoints(""), -EINVAL);
	assert_int_equal(endpoints("host"), -EINVAL);
	assert_int_equal(endpoints("host:"), -EINVAL);
	assert_int_equal(endpoints(":2379"), -EINVAL);
	assert_int_equal(endpoints("host:1x"), -EINVAL);
	assert_int_equal(endpoints("host:123456"), -EINVAL);
	assert_int_equal(endpoints("a:1,"), -EINVAL);
	assert_int_equal(endpoints("fd00::1:2379"), -EINVAL);
	assert_int_equal(endpoints("[fd00::1:2379"), -EINVAL);
	assert_int_equal(endpoints("user@host:1"), -EINVAL);
	assert_int_equal(endpoints("host/x:1"), -EINVAL);
	assert_int_equal(endpoints("a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1,k:1,l:1,m:1,n:1,o:1,p:1"), 0);
	assert_int_equal(endpoints("a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1,k:1,l:1,m:1,n:1,o:1,p:1,q:1"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_keys),
		cmocka_unit_test(test_prefix_end),    cmocka_unit_test(test_refusals),     cmocka_unit_test(test_turns),
		cmocka_unit_test(test_watch),         cmocka_unit_test(test_watch_behind), cmocka_unit_test(test_watch_ends),
		cmocka_unit_test(test_watch_refused), cmocka_unit_test(test_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
