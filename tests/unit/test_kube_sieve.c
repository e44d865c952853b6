/* What ipamkube reads of the API's answers: what is wanted, whatever else is there. */
#include "kube/node.h"
#include "kube/sieve.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const wanted[] = { "kind", "metadata.version", "items.*.name", "items.*.labels.*", "items.*.cidrs.*", NULL };

static void add_item(void *arg, const json_t *item)
{
	char *out = arg, *text = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);

	sprintf(out + strlen(out), "%s;", text);
	free(text);
}

/* The same however it comes in pieces. */
static void sieves(const char *text, size_t n, int rc, const char *items, const char *rest)
{
	for (size_t step = 1; step <= n; step += step < 8 ? 1 : n) {
		char out[4096] = "";
		struct sieve s = { .wanted = wanted, .take = add_item, .arg = out, .kind = "List" };
		int got = 0;
		json_t *end;

		for (size_t at = 0; got == 0 && at < n; at += step)
			got = sieve_feed(&s, text + at, n - at < step ? n - at : step);
		assert_int_equal(got, rc);
		if (items != NULL)
			assert_string_equal(out, items);
		end = got == 0 ? sieve_end(&s) : NULL;
		if (rest == NULL) {
			assert_null(end);
		} else {
			char *dump = json_dumps(end, JSON_COMPACT | JSON_ENCODE_ANY);

			assert_string_equal(dump, rest);
			free(dump);
		}
		json_decref(end);
		sieve_free(&s);
	}
}

static void says(const char *text, const char *items, const char *rest)
{
	sieves(text, strlen(text), 0, items, rest);
}

static void test_wanted(void **state)
{
	(void)state;
	says("{\"kind\":\"List\",\"metadata\":{\"version\":\"7\",\"other\":[{\"a\":\"}]\"}]},\"items\":[{\"name\":\"a\",\"x\":1},"
	     " {\"y\":{\"name\":\"no\"},\"cidrs\":[\"c\",\"d\"],\"labels\":{\"k\":\"v\",\"l\":null}}\n]}",
	     "{\"name\":\"a\"};{\"cidrs\":[\"c\",\"d\"],\"labels\":{\"k\":\"v\",\"l\":null}};",
	     "{\"kind\":\"List\",\"metadata\":{\"version\":\"7\"},\"items\":[]}");
	says(" {\"kind\":\"List\",\"items\":null} ", "", "{\"kind\":\"List\",\"items\":null}");
	says("{\"kind\":\"List\",\"items\":[7,null,\"x\"]}", "7;null;\"x\";", "{\"kind\":\"List\",\"items\":[]}");
	says("{}", "", "{}");
	/* What should be nested and isn't, and the other way round. */
	says("{\"kind\":{\"a\":1},\"metadata\":3}", "", "{\"kind\":null,\"metadata\":3}");
	/* A key that is spelt with escapes is the same key. */
	says("{\"\\u006bind\":\"List\"}", "", "{\"kind\":\"List\"}");
}

/* Of strings that no parser takes, one that isn't wanted is no trouble, and of others only they are lost. */
static void test_unreadable(void **state)
{
	static const char raw[] = "{\"kind\":\"List\",\"items\":[{\"note\":\"\0\xff\",\"name\":\"a\"},{\"name\":\"b\"}]}";

	(void)state;
	says("{\"kind\":\"List\",\"items\":[{\"note\":\"\\u0000\\ud800\xff\xc3\",\"n\\u0000\":\"\\udc00\",\"name\":\"a\"},{\"name\":\"b\"}]}",
	     "{\"name\":\"a\"};{\"name\":\"b\"};", "{\"kind\":\"List\",\"items\":[]}");
	says("{\"kind\":\"List\",\"items\":[{\"name\":\"\\ud800\",\"cidrs\":[\"\xff\",\"c\",1e999]},{\"labels\":{\"\\ud800\":\"x\",\"k\":\"\\ud800\"}}]}",
	     "{\"name\":null,\"cidrs\":[null,\"c\",null]};{\"labels\":{\"k\":null}};", "{\"kind\":\"List\",\"items\":[]}");
	says("{\"kind\":\"List\",\"items\":[{\"name\":\"a\\u0000b\"}]}", "{\"name\":\"a\\u0000b\"};", "{\"kind\":\"List\",\"items\":[]}");
	sieves(raw, sizeof raw - 1, 0, "{\"name\":\"a\"};{\"name\":\"b\"};", "{\"kind\":\"List\",\"items\":[]}");
}

static void test_not_json(void **state)
{
	static const char *const bad[] = { "<html>",
					   "{\"a\" 1}",
					   "{\"kind\":\"List\"]",
					   "{\"kind\":\"List\",}",
					   "[1}",
					   "{} x",
					   "{,}",
					   "{\"kind\"}",
					   "{\"kind\":\"List\",\"items\":[,]}",
					   "\x01" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		sieves(bad[i], strlen(bad[i]), -EPROTO, NULL, NULL);
	says("{\"kind\":\"List\",\"items\":[{\"name\":\"a\"}", "{\"name\":\"a\"};", NULL); /* cut */
	/* Items of something else aren't told. */
	sieves("{\"kind\":\"Other\",\"items\":[{\"name\":\"a\"}]}", 40, -EPROTO, "", NULL);
	sieves("{\"items\":[{\"name\":\"a\"}],\"kind\":\"List\"}", 38, -EPROTO, "", NULL);
}

/* However long a list is, and an object in it. */
static void test_room(void **state)
{
	char out[64] = "", big[4096];
	struct sieve s = { .wanted = wanted, .take = add_item, .arg = out, .kind = "List" };
	json_t *end;

	(void)state;
	memset(big, 'x', sizeof big);
	assert_int_equal(sieve_feed(&s, "{\"kind\":\"List\",\"items\":[", 24), 0);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(sieve_feed(&s, i == 0 ? " {\"note\":\"" : ",{\"note\":\"", 10), 0);
		for (int k = 0; k < 100; k++)
			assert_int_equal(sieve_feed(&s, big, sizeof big), 0);
		assert_int_equal(sieve_feed(&s, "\",\"name\":\"n\"}", 13), 0);
		assert_string_equal(out, "{\"name\":\"n\"};");
		out[0] = 0;
	}
	assert_int_equal(sieve_feed(&s, "]}", 2), 0);
	assert_true(s.out.room + s.token.room < 4096);
	end = sieve_end(&s);
	assert_non_null(end);
	json_decref(end);
	sieve_free(&s);
}

/* ---- Nodes -------------------------------------------------------------------------------------------------------------- */

static int read_node(const char *text, struct seen *s)
{
	static char *keys[] = { "zone" };
	struct keys k = { keys, 1 };
	json_t *node = sieve_text(text, strlen(text), node_wanted);
	int rc;

	assert_non_null(node);
	rc = seen_read(node, &k, s);
	json_decref(node);
	return rc;
}

static void test_node(void **state)
{
	struct seen s;

	(void)state;
	assert_int_equal(
		read_node(
			"{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"12\",\"annotations\":{\"x\":\"\\u0000\\ud800\"},"
			"\"labels\":{\"zone\":\"b\\u0000c\"}},\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\"]}}",
			&s),
		0);
	assert_string_equal(s.name, "a");
	assert_string_equal(s.labels, ""); /* one that is cut at a NUL would be another */
	assert_true(s.version == 12 && s.cidrs.n == 1 && !s.cidrs.odd);
	seen_free(&s);
	/* One that can't be served has its podCIDRs all the same. */
	for (int i = 0; i < 4; i++) {
		static const char *const metadata[] = { "\"name\":\"a\\u0000b\",\"uid\":\"u\"", "\"name\":\"\\ud800\",\"uid\":\"u\"",
							"\"name\":\"a/b\",\"uid\":\"u\"", "\"uid\":\"u\"" };
		char text[256];

		snprintf(text, sizeof text, "{\"metadata\":{%s},\"spec\":{\"podCIDR\":\"10.0.0.0/24\"}}", metadata[i]);
		assert_int_equal(read_node(text, &s), 0);
		assert_true(node_name_is_made_up(s.name) && s.cidrs.n == 1 && s.cidrs.odd);
		assert_string_equal(s.name, "?u"); /* also when it is told to be gone */
		seen_free(&s);
	}
	assert_int_equal(read_node("{\"metadata\":{\"name\":\"a\\u0000b\"}}", &s), -EINVAL);
	seen_free(&s);
	assert_int_equal(read_node("{\"metadata\":{\"name\":\"a\",\"uid\":\"u\"},\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\\u0000\"]}}", &s),
			 0);
	assert_true(s.cidrs.n == 0 && s.cidrs.odd);
	seen_free(&s);
	assert_int_equal(version_number("18446744073709551616"), 0);
	assert_int_equal(version_number("x1"), 0);
	assert_int_equal(version_number(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted), cmocka_unit_test(test_unreadable), cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_room),   cmocka_unit_test(test_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
