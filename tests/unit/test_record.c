/* What machines share, as it lies in the engine: keys and values there and back, and what is none of ours. */
#include "shared/record.h"

#include "registry/registry.h"
#include "shared/record_key.h"
#include "text/settings.h"
#include "text/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int decode(enum ipam_kind kind, const char *name, const char *value, struct record *out)
{
	int rc = record_decode(kind, name, strlen(name), value, strlen(value), out);

	if (rc < 0)
		assert_null(out->cidrs); /* nothing is left to be freed */
	return rc;
}

static int refused(enum ipam_kind kind, const char *name, const char *value)
{
	struct record r;
	int rc = decode(kind, name, value, &r);

	record_free(&r);
	return rc;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

/* A program of before the word takes all that is reserved as it always did. */
static void test_services(void **state)
{
	struct record c = {
		.kind = IPAM_CLUSTER, .id = 10, .name = "c", .cidrs = "", .settings = "", .reserved = "10.1.0.0/16 services\n10.9.9.9\n"
	};
	char *value = record_encode(&c);

	(void)state;
	assert_non_null(strstr(value, "\"reserved\":[\"10.1.0.0/16\",\"10.9.9.9\"]"));
	assert_non_null(strstr(value, "\"services\":[\"10.1.0.0/16\"]"));
	free(value);
}

static void check_round(struct record *in)
{
	char *value = record_encode(in);
	struct record out;

	assert_non_null(value);
	assert_int_equal(decode(in->kind, in->name, value, &out), 0);
	assert_true(out.id == in->id);
	assert_string_equal(out.cidrs, in->cidrs);
	assert_string_equal(out.settings, in->settings);
	if (in->kind == IPAM_CLUSTER)
		assert_string_equal(out.reserved, in->reserved);
	else
		assert_string_equal(out.machine, in->machine);
	assert_int_equal(out.uid, in->uid);
	assert_int_equal(out.gid, in->gid);
	assert_int_equal(out.mode, in->mode);
	assert_true(out.made == in->made);
	record_free(&out);
	free(value);
}

static void test_values(void **state)
{
	struct record c = { .kind = IPAM_CLUSTER,
			    .id = INT64_MAX,
			    .name = "prod",
			    .uid = UINT32_MAX - 1,
			    .gid = 7,
			    .mode = 0755,
			    .made = INT64_MAX,
			    .cidrs = "10.0.0.0/16 24\nfd00::/48 64\n",
			    .reserved = "10.0.0.0/24\n",
			    .settings = "max-blocks 3\n" };
	struct record n = { .kind = IPAM_NODE,
			    .id = 1,
			    .cluster = 2,
			    .name = "w\xc3\xa4rter \"1\"",
			    .mode = 0,
			    .cidrs = "",
			    .settings = "",
			    .machine = "0123456789abcdef0123456789abcdef" };

	(void)state;
	check_round(&c);
	assert_int_equal(record_schema(&c), RECORD_SCHEMA_FIRST);
	c.reserved = "10.0.0.0/24\nfd00::-fd00::ff services\n10.0.9.0/24\n10.0.8.0/24 services\n";
	check_round(&c);
	assert_int_equal(record_schema(&c), RECORD_SCHEMA_SERVICES);
	check_round(&n);
	n.machine[0] = 0;
	n.cidrs = "10.0.0.0/24\nfd00::/64\n";
	check_round(&n);
}

#define CLUSTER "\"cidrs\":[],\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":0,\"mode\":493,\"made\":1"
#define ID "\"id\":\"000000000000000a\","
#define NODE "\"cidrs\":[],\"settings\":[],\"uid\":0,\"gid\":0,\"mode\":493,\"made\":1"

/* A newer version's may have more; an older one's, or somebody else's, may not have less. */
static void test_newer_and_older(void **state)
{
	struct record r;

	(void)state;
	assert_int_equal(decode(IPAM_CLUSTER, "c", "{" ID CLUSTER ",\"colour\":{\"of\":[\"the\",1]}}", &r), 0);
	assert_true(r.id == 10);
	record_free(&r);
	assert_int_equal(refused(IPAM_CLUSTER, "c", "{" CLUSTER "}"), -EPROTO);
	assert_int_equal(refused(IPAM_CLUSTER, "c", "{" ID "\"cidrs\":[]}"), -EPROTO);
	assert_int_equal(refused(IPAM_NODE, "n", "{" ID NODE "}"), -EPROTO); /* whose? */
	assert_int_equal(decode(IPAM_NODE, "n", "{" ID NODE ",\"machine\":\"\"}", &r), 0);
	record_free(&r);
}

static void test_malformed(void **state)
{
	static const char *const value[] = {
		"",
		"null",
		"[]",
		"7",
		"{",
		"{}",
		"\"\"",
		"\xff\xfe",
		"{\"id\":10," CLUSTER "}",
		"{\"id\":\"a\"," CLUSTER "}x",
		"{\"id\":\"0000000000000000\"," CLUSTER "}",
		"{\"id\":\"ffffffffffffffff\"," CLUSTER "}", /* SQLite's are signed */
		"{\"id\":\"000000000000000g\"," CLUSTER "}",
		"{\"id\":\"0000000000000000000000a\"," CLUSTER "}",
		"{" ID ID CLUSTER "}", /* which of both? */
		"{" ID "\"cidrs\":\"10.0.0.0/8\",\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":0,\"mode\":493,\"made\":1}",
		"{" ID "\"cidrs\":[7],\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":0,\"mode\":493,\"made\":1}",
		"{" ID
		"\"cidrs\":[\"10.0.0.0/8\\n10.1.0.0/16\"],\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":0,\"mode\":493,\"made\":1}",
		"{" ID "\"cidrs\":[],\"settings\":[],\"reserved\":[],\"uid\":-1,\"gid\":0,\"mode\":493,\"made\":1}",
		"{" ID "\"cidrs\":[],\"settings\":[],\"reserved\":[],\"uid\":4294967295,\"gid\":0,\"mode\":493,\"made\":1}",
		"{" ID "\"cidrs\":[],\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":\"0\",\"mode\":493,\"made\":1}",
		"{" ID "\"cidrs\":[],\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":0,\"mode\":4096,\"made\":1}",
		"{" ID "\"cidrs\":[],\"settings\":[],\"reserved\":[],\"uid\":0,\"gid\":0,\"mode\":493,\"made\":99999999999999999999}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof value / sizeof *value; i++)
		if (refused(IPAM_CLUSTER, "c", value[i]) != -EPROTO)
			fail_msg("taken: %s", value[i]);
	/* What a key can't have named. */
	assert_int_equal(refused(IPAM_CLUSTER, "", "{" ID CLUSTER "}"), -EPROTO);
	assert_int_equal(refused(IPAM_CLUSTER, "a/b", "{" ID CLUSTER "}"), -EPROTO);
	assert_int_equal(refused(IPAM_CLUSTER, "..", "{" ID CLUSTER "}"), -EPROTO);
	assert_int_equal(refused(IPAM_NODE, "n", "{" ID NODE ",\"machine\":\"0123456789abcdef0123456789abcdef0\"}"), -EPROTO);
}

static int block(const char *value, struct record_block *b)
{
	memset(b, 0x5a, sizeof *b); /* none of what was there before may stay */
	return record_decode_block(value, strlen(value), b);
}

static void test_block_values(void **state)
{
	struct record_block b = { .node = 77 }, got;
	char *value = record_encode_block(&b);

	(void)state;
	assert_int_equal(block(value, &got), 0);
	assert_true(got.node == 77 && got.until == 0);
	free(value);
	b = (struct record_block){ .until = 1795646245 };
	value = record_encode_block(&b);
	assert_int_equal(block(value, &got), 0);
	assert_true(got.node == 0 && got.until == 1795646245);
	free(value);
	assert_int_equal(block("{\"node\":\"000000000000000a\",\"more\":1}", &got), 0);
	assert_int_equal(block("", &got), -EPROTO);
	assert_int_equal(block("{}", &got), -EPROTO);
	assert_int_equal(block("[]", &got), -EPROTO);
	assert_int_equal(block("{\"node\":7}", &got), -EPROTO);
	assert_int_equal(block("{\"node\":null}", &got), -EPROTO);
	assert_int_equal(block("{\"until\":\"7\"}", &got), -EPROTO);
	assert_int_equal(block("{\"until\":-7}", &got), -EPROTO);
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static int parse(const char *key, struct record_name *out)
{
	return record_parse_key("/p", key, strlen(key), out);
}

static struct cidr cidr(const char *text)
{
	struct cidr c;

	assert_int_equal(cidr_parse(text, strlen(text), &c), 0);
	return c;
}

static void check_block_key(const char *text)
{
	struct cidr c = cidr(text);
	struct record_name name;
	char key[RECORD_KEY];
	size_t n;

	n = record_key_block("/p", 10, &c, key);
	assert_int_equal(n, strlen(key));
	assert_int_equal(parse(key, &name), 0);
	assert_int_equal(name.what, RECORD_BLOCK);
	assert_true(name.id == 10);
	assert_int_equal(cidr_compare(&name.cidr, &c), 0);
}

static void test_keys(void **state)
{
	char key[RECORD_KEY], first[RECORD_KEY], end[RECORD_KEY];
	struct record_name name;
	struct cidr c;
	size_t n;

	(void)state;
	n = record_key_cluster("/p", "prod", key);
	assert_int_equal(n, strlen(key));
	assert_int_equal(parse(key, &name), 0);
	assert_int_equal(name.what, RECORD_CLUSTER);
	assert_int_equal(name.name_size, 4);
	record_key_node("/p", 0xabcdef, "w/1", key); /* the last part is the name, whatever it has */
	assert_int_equal(parse(key, &name), 0);
	assert_int_equal(name.what, RECORD_NODE);
	assert_true(name.id == 0xabcdef);
	assert_memory_equal(name.name, "w/1", 3);
	record_key_of("/p", "alive", 5, key);
	assert_int_equal(parse(key, &name), 0);
	assert_int_equal(name.what, RECORD_ALIVE);
	record_key_of("/p", "published", 5, key);
	assert_int_equal(parse(key, &name), 0);
	assert_int_equal(name.what, RECORD_PUBLISHED);
	assert_int_equal(parse("/p/leases/0000000000000005/00000000000000ff", &name), 0);
	assert_int_equal(name.what, RECORD_LEASES);
	assert_true(name.bucket == 255);
	check_block_key("10.0.0.0/24");
	check_block_key("0.0.0.0/8");
	check_block_key("255.255.255.252/30");
	check_block_key("fd00:10:244::/64");
	check_block_key("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126");

	/* All blocks in a CIDR lie between, whatever their length, and none beside it does. */
	c = cidr("10.1.0.0/16");
	record_key_blocks("/p", 10, &c, first, end);
	c = cidr("10.1.0.0/16");
	record_key_block("/p", 10, &c, key);
	assert_true(strcmp(key, first) >= 0 && strcmp(key, end) < 0);
	c = cidr("10.1.255.252/30");
	record_key_block("/p", 10, &c, key);
	assert_true(strcmp(key, first) >= 0 && strcmp(key, end) < 0);
	c = cidr("10.1.255.255/32");
	record_key_block("/p", 10, &c, key);
	assert_true(strcmp(key, first) >= 0 && strcmp(key, end) < 0);
	c = cidr("10.2.0.0/24");
	record_key_block("/p", 10, &c, key);
	assert_true(strcmp(key, end) >= 0);
	c = cidr("10.0.255.0/24");
	record_key_block("/p", 10, &c, key);
	assert_true(strcmp(key, first) < 0);
}

static void test_foreign_keys(void **state)
{
	static const char *const key[] = {
		"",
		"/",
		"/p",
		"/p/",
		"/q/state/cluster/c",
		"/p/state",
		"/p/state/",
		"/p/other",
		"/p/state/node/0/x",
		"/p/state/node/000000000000000A/x",
		"/p/state/node/000000000000000a",
		"/p/state/block/000000000000000a/",
		"/p/state/block/000000000000000a/40a000000",
		"/p/state/block/000000000000000a/40a000000-33",
		"/p/state/block/000000000000000a/40a000001-24",
		"/p/state/block/000000000000000a/50a000000-24",
		"/p/state/block/000000000000000a/40a000000-",
		"/p/state/block/000000000000000a/40a000000-2x",
		"/p/alive/5",
		"/p/alive/00000000000000055",
		"/p/leases/0000000000000005",
		"/p/leases/0000000000000005/1",
		"/p/published/",
		"/px/state/cluster/c",
	};
	struct record_name name;

	(void)state;
	for (size_t i = 0; i < sizeof key / sizeof *key; i++)
		if (parse(key[i], &name) != -EPROTO)
			fail_msg("taken: %s", key[i]);
}

static void test_ids(void **state)
{
	uint64_t last = 0;
	char a[RECORD_MACHINE], b[RECORD_MACHINE];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t id;

		assert_int_equal(record_new_id(&id), 0);
		assert_true(id > 0 && id <= INT64_MAX && id != last);
		last = id;
	}
	assert_int_equal(record_new_machine(a), 0);
	assert_int_equal(record_new_machine(b), 0);
	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of neighbouring requests, of what one makes, and of two mounts: all different; and each always the same. */
static void test_ids_of_requests(void **state)
{
	enum { MOUNTS = 3, REQUESTS = 1000, MAKES = 25 };
	static uint64_t id[MOUNTS * REQUESTS * MAKES];
	const uint64_t mount[MOUNTS][2] = { { 0, 0 }, { 0, 1 }, { 0x0123456789abcdef, 0xfedcba9876543210 } };
	size_t n = 0;

	(void)state;
	for (unsigned m = 0; m < MOUNTS; m++)
		for (uint64_t r = 1; r <= REQUESTS; r++)
			for (uint64_t i = 0; i < MAKES; i++) {
				id[n] = record_id_of(mount[m], 2 * r, i);
				assert_true(id[n] > 0 && id[n] <= INT64_MAX);
				assert_int_equal(record_id_of(mount[m], 2 * r, i), id[n]);
				n++;
			}
	qsort(id, n, sizeof *id, by_value);
	for (size_t i = 1; i < n; i++)
		assert_true(id[i] != id[i - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),       cmocka_unit_test(test_services),     cmocka_unit_test(test_newer_and_older),
		cmocka_unit_test(test_malformed),    cmocka_unit_test(test_block_values), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_foreign_keys), cmocka_unit_test(test_ids),          cmocka_unit_test(test_ids_of_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
