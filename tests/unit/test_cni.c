/* The CNI plugin's parsers, and the shapes of what it prints. */
#include "cni/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(struct cni_conf *c, const char *text, struct cni_error *e)
{
	static const struct cni_env env = { .command = CNI_ADD, .container = "c", .ifname = "eth0", .netns = "/x" };

	*e = (struct cni_error){ 0 };
	return cni_conf_parse(c, text, strlen(text), &env, false, e);
}

#define IPAM(members) "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"ipam\":{\"type\":\"ipamfs\"" members "}}"

static void refuses(const char *text, int code)
{
	struct cni_error e;
	struct cni_conf c;

	assert_int_equal(parse(&c, text, &e), CNI_FAILED);
	assert_int_equal(e.code, code);
	assert_true(e.msg[0] != 0);
	cni_conf_free(&c);
}

static void test_defaults(void **state)
{
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	assert_int_equal(parse(&c, IPAM(""), &e), 0);
	assert_string_equal(c.mount, "/run/ipamfs");
	assert_null(c.cluster);
	assert_true(c.node[0] != 0 && c.create_node && c.sets.sets == 0 && c.requests == 0);
	assert_int_equal(c.version, CNI_1_1_0);
	cni_conf_free(&c);
	refuses("", CNI_UNDECODABLE);
	refuses("{\"cniVersion\":\"2.0.0\"}", CNI_VERSION_UNKNOWN);
	refuses("{\"cniVersion\":\"newest\"}", CNI_UNDECODABLE);
	refuses("{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}", CNI_BAD_CONFIG);
	refuses(IPAM(",\"mount\":\"relative\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"mount\":7"), CNI_BAD_CONFIG);
	refuses(IPAM(",\"cluster\":\"..\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"createNode\":\"no\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"routes\":[{\"dst\":\"10.0.0.1\"}]"), CNI_BAD_CONFIG);
}

static void test_ranges(void **state)
{
	const u128 net = 0x0a000000;
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	/* host-local's defaults: from the first host address to the one before broadcast, the first one the gateway's. */
	assert_int_equal(parse(&c, IPAM(",\"subnet\":\"10.0.0.0/24\""), &e), 0);
	assert_int_equal(c.sets.sets, 1);
	assert_true(c.sets.set[0].range[0].first == net + 1 && c.sets.set[0].range[0].last == net + 254);
	assert_true(c.sets.set[0].range[0].gateway == net + 1);
	assert_false(cni_set_has(&c.sets.set[0], CIDR_V4, net + 1));
	assert_true(cni_set_has(&c.sets.set[0], CIDR_V4, net + 2) && cni_set_has(&c.sets.set[0], CIDR_V4, net + 254));
	assert_false(cni_set_has(&c.sets.set[0], CIDR_V4, net + 255) || cni_set_has(&c.sets.set[0], CIDR_V6, net + 2));
	cni_conf_free(&c);
	/* The runtime's sets come first, then the single one, then the list; the nth of a family is in the nth lease. */
	assert_int_equal(parse(&c,
			       "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":\"10.3.0.0/24\"}]]},"
			       "\"ipam\":{\"type\":\"x\",\"subnet\":\"10.1.0.0/24\",\"ranges\":[[{\"subnet\":\"fd00::/64\"}],"
			       "[{\"subnet\":\"10.2.0.0/24\"},{\"subnet\":\"10.4.0.0/24\"}]]}}",
			       &e),
			 0);
	assert_int_equal(c.sets.sets, 4);
	assert_true(c.sets.set[0].range[0].subnet.base == 0x0a030000 && c.sets.set[1].range[0].subnet.base == 0x0a010000);
	assert_true(c.sets.set[2].family == CIDR_V6 && c.sets.set[2].lease == 0);
	assert_true(c.sets.set[3].ranges == 2 && c.sets.set[3].lease == 2);
	cni_conf_free(&c);
	refuses(IPAM(",\"subnet\":\"10.0.0.1/24\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"subnet\":\"10.0.0.0/31\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.1.1\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"fd00::1\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"subnet\":\"10.0.0.0/24\",\"gateway\":\"fd00::1\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.9\",\"rangeEnd\":\"10.0.0.8\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"ranges\":[{\"subnet\":\"10.0.0.0/24\"}]"), CNI_BAD_CONFIG);
	refuses(IPAM(",\"ranges\":[[]]"), CNI_BAD_CONFIG);
	refuses(IPAM(",\"ranges\":[[{}]]"), CNI_BAD_CONFIG);
	refuses(IPAM(",\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"},{\"subnet\":\"fd00::/64\"}]]"), CNI_BAD_CONFIG);
	refuses(IPAM(",\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"}],[{\"subnet\":\"10.0.0.0/25\"}]]"), CNI_BAD_CONFIG);
}

static void test_args(void **state)
{
	struct cni_env env = { 0 };
	struct cni_error e = { 0 };

	(void)state;
	assert_int_equal(cni_args_parse("IgnoreUnknown=1;K8S_POD_NAME=web-0;;IP=10.0.0.9,fd00::9;K8S_POD_NAMESPACE=shop;A=b=c", &env, &e),
			 0);
	assert_string_equal(env.pod, "shop/web-0");
	assert_string_equal(env.ips, "10.0.0.9,fd00::9");
	env = (struct cni_env){ 0 };
	assert_int_equal(cni_args_parse("", &env, &e), 0);
	assert_string_equal(env.pod, "");
	assert_int_equal(cni_args_parse("K8S_POD_NAME", &env, &e), CNI_FAILED);
	assert_int_equal(e.code, CNI_BAD_ENVIRONMENT);
}

static void test_requests(void **state)
{
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	assert_int_equal(parse(&c,
			       "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"args\":{\"cni\":{\"ips\":[\"10.0.0.7/24\"]}},"
			       "\"runtimeConfig\":{\"ips\":[\"fd00::7\"]},\"ipam\":{}}",
			       &e),
			 0);
	assert_int_equal(c.requests, 2);
	assert_true(c.requested[0].addr == 0x0a000007 && c.requested[1].family == CIDR_V6);
	cni_conf_free(&c);
	refuses("{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"runtimeConfig\":{\"ips\":[7]},\"ipam\":{}}", CNI_BAD_CONFIG);
	refuses("{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"runtimeConfig\":{\"ips\":[\"x\"]},\"ipam\":{}}", CNI_BAD_CONFIG);
}

/* The specification's rule for names of networks, and the length of a file's name. */
static void test_network_names(void **state)
{
	static const char *const bad[] = { "../x", "a/b", "a b", "-x", ".x", "_x", "a\303\251", "a\\tb", "" };
	char text[512], name[300];
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "{\"cniVersion\":\"1.1.0\",\"name\":\"%s\",\"ipam\":{}}", bad[i]);
		refuses(text, CNI_BAD_CONFIG);
	}
	for (int length = 255; length <= 256; length++) {
		memset(name, 'x', sizeof name);
		name[length] = 0;
		snprintf(text, sizeof text, "{\"cniVersion\":\"1.1.0\",\"name\":\"%s\",\"ipam\":{}}", name);
		if (length <= 255) {
			assert_int_equal(parse(&c, text, &e), 0);
			cni_conf_free(&c);
		} else {
			refuses(text, CNI_BAD_CONFIG);
		}
	}
	assert_int_equal(parse(&c, "{\"cniVersion\":\"1.1.0\",\"name\":\"0aZ_.-\",\"ipam\":{}}", &e), 0);
	cni_conf_free(&c);
}

static void test_route_numbers(void **state)
{
	static const char *const keys[] = { "mtu", "advmss", "priority", "table", "scope" };
	static const struct {
		const char *value;
		bool good;
	} values[] = {
		{ "0", true },     { "255", true },         { "null", true },    { "-1", false },  { "1.5", false }, { "\"255\"", false },
		{ "true", false }, { "4294967296", false }, { "1400.0", false }, { "[1]", false }, { "{}", false },
	};
	char text[256];
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
			snprintf(text, sizeof text, IPAM(",\"routes\":[{\"dst\":\"10.0.0.0/8\",\"%s\":%s}]"), keys[i], values[k].value);
			assert_int_equal(parse(&c, text, &e), values[k].good ? 0 : CNI_FAILED);
			assert_int_equal(e.code, values[k].good ? 0 : CNI_BAD_CONFIG);
			cni_conf_free(&c);
		}
	refuses(IPAM(",\"routes\":[{\"dst\":\"10.0.0.0/8\",\"scope\":256}]"), CNI_BAD_CONFIG);
	assert_int_equal(parse(&c, IPAM(",\"routes\":[{\"dst\":\"10.0.0.0/8\",\"table\":4294967295}]"), &e), 0);
	cni_conf_free(&c);
}

/* The nth remark; NULL: there are fewer. */
static const char *remark(const struct cni_conf *c, size_t n)
{
	return json_string_value(json_array_get(c->remarks, n));
}

/* As Go's decoder takes them: in any case; but what means nothing is remarked upon. */
static void test_keys(void **state)
{
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	assert_int_equal(parse(&c,
			       "{\"CNIVersion\":\"1.0.0\",\"Name\":\"n\",\"Bridge\":\"b\",\"RuntimeConfig\":{\"IPs\":[\"10.0.0.7\"]},"
			       "\"IPAM\":{\"Type\":\"x\",\"Subnet\":\"10.0.0.0/24\",\"RangeStart\":\"10.0.0.5\",\"ranges\":[[{\"SUBNET\":"
			       "\"fd00::/64\"}]],\"Routes\":[{\"DST\":\"10.0.0.0/8\",\"Mtu\":1400}],\"NODE\":\"n1\"}}",
			       &e),
			 0);
	assert_int_equal(c.version, CNI_1_0_0);
	assert_string_equal(c.node, "n1");
	assert_true(c.sets.sets == 2 && c.requests == 1 && c.sets.set[0].range[0].first == 0x0a000005);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(c.routes, 0), "mtu")), 1400);
	assert_null(remark(&c, 0));
	cni_conf_free(&c);
	/* Of two the exact one. */
	assert_int_equal(parse(&c, IPAM(",\"Node\":\"a\",\"node\":\"b\",\"NODE\":\"c\""), &e), 0);
	assert_string_equal(c.node, "b");
	assert_non_null(strstr(remark(&c, 0), "'Node'"));
	assert_non_null(strstr(remark(&c, 1), "'NODE'"));
	assert_null(remark(&c, 2));
	cni_conf_free(&c);
	assert_int_equal(parse(&c,
			       IPAM(",\"rangestrat\":\"10.0.0.5\",\"dataDir\":\"/x\",\"routes\":[{\"dst\":\"10.0.0.0/8\",\"metric\":1}],"
				    "\"gateway\":\"10.0.0.1\",\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"excludes\":[]}]]"),
			       &e),
			 0);
	assert_non_null(strstr(remark(&c, 0), "'rangestrat' of ipam"));
	assert_non_null(strstr(remark(&c, 1), "'dataDir' of ipam"));
	assert_non_null(strstr(remark(&c, 2), "'metric' of a route"));
	assert_non_null(strstr(remark(&c, 3), "'excludes' of ranges"));
	assert_non_null(strstr(remark(&c, 4), "'gateway' of ipam has no 'subnet'"));
	assert_null(remark(&c, 5));
	cni_conf_free(&c);
	refuses(IPAM(",\"gateway\":\"10.0.0.1\""), CNI_BAD_CONFIG);
	refuses(IPAM(",\"rangeStart\":\"10.0.0.9\""), CNI_BAD_CONFIG);
}

/* A range of a file, where the configuration has none of its own. */
static void test_range_file(void **state)
{
	static const struct {
		const char *content;
		int code;
	} files[] = {
		{ "{\"subnet\":\"10.0.0.0/24\",\"RangeStart\":\"10.0.0.9\",\"dataDir\":\"/x\"}", 0 },
		{ "{}", CNI_BAD_CONFIG },
		{ "[]", CNI_BAD_CONFIG },
		{ "10.0.0.0/24", CNI_BAD_CONFIG },
		{ "", CNI_BAD_CONFIG },
	};
	char path[] = "/tmp/ipamfs-range-XXXXXX", text[256];
	int fd = mkstemp(path);
	struct cni_error e;
	struct cni_conf c;

	(void)state;
	assert_true(fd >= 0);
	snprintf(text, sizeof text, IPAM(",\"rangeFromFile\":\"%s\""), path);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, files[i].content, strlen(files[i].content), 0), strlen(files[i].content));
		if (files[i].code != 0) {
			refuses(text, files[i].code);
			continue;
		}
		assert_int_equal(parse(&c, text, &e), 0);
		assert_int_equal(c.sets.sets, 1);
		assert_true(c.sets.set[0].range[0].first == 0x0a000009);
		assert_non_null(strstr(remark(&c, 0), "'dataDir' of rangeFromFile"));
		cni_conf_free(&c);
	}
	close(fd);
	unlink(path);
	refuses(text, CNI_IO);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(text, CNI_BAD_CONFIG);
	unlink(path);
	/* Whoever has ranges doesn't look there. */
	assert_int_equal(parse(&c, IPAM(",\"subnet\":\"10.0.0.0/24\",\"rangeFromFile\":\"/nonexistent\""), &e), 0);
	assert_int_equal(c.sets.sets, 1);
	cni_conf_free(&c);
	/* Nor GC, which releases the dead whatever has become of it. */
	snprintf(text, sizeof text, IPAM(",\"rangeFromFile\":\"/nonexistent\""));
	assert_int_equal(cni_conf_parse(&c, text, strlen(text), &(struct cni_env){ .command = CNI_GC }, false, &e), 0);
	cni_conf_free(&c);
}

static void test_environment(void **state)
{
	static const struct {
		const char *command, *container, *ifname, *netns, *message;
	} bad[] = {
		{ NULL, NULL, NULL, NULL, "required env variables [CNI_COMMAND] missing" },
		{ "ADD", NULL, NULL, "", "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing" },
		{ "DEL", "c", NULL, NULL, "required env variables [CNI_IFNAME] missing" },
		{ "NOPE", "c", "eth0", "/x", "unknown CNI_COMMAND: NOPE" },
		{ "ADD", "c%", "eth0", "/x", "invalid characters in containerID" },
		{ "ADD", "c", "1234567890123456", "/x", "interface name is too long" },
		{ "ADD", "c", "..", "/x", "interface name is . or .." },
		{ "CHECK", "c", "a b", "/x", "interface name contains / or : or whitespace characters" },
		{ "ADD", "c", "a\303\251", "/x", "interface name contains bytes that can't be printed" },
	};
	struct cni_env env;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *const variables[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS" };
		const char *const values[] = { bad[i].command, bad[i].container, bad[i].ifname, bad[i].netns };
		struct cni_error e = { 0 };

		for (size_t k = 0; k < 4; k++)
			assert_int_equal(values[k] == NULL ? unsetenv(variables[k]) : setenv(variables[k], values[k], 1), 0);
		assert_int_equal(cni_env_read(&env, &e), CNI_FAILED);
		assert_int_equal(e.code, CNI_BAD_ENVIRONMENT);
		assert_string_equal(e.msg, bad[i].message);
	}
}

/* Whatever comes in: an answer, and nothing read past the end (the sanitizers watch). */
static void test_noise(void **state)
{
	static const char seed[] = "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\"}]]}}";

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		char text[sizeof seed];
		struct cni_error e;
		struct cni_conf c;

		memcpy(text, seed, sizeof seed);
		for (int k = rand() % 4; k >= 0; k--)
			text[(size_t)rand() % (sizeof seed - 1)] = (char)(rand() % 96 + 32);
		if (parse(&c, text, &e) < 0)
			assert_true(e.code != 0);
		cni_conf_free(&c);
	}
}

static void test_names(void **state)
{
	struct cni_env env = { .container = "abc", .ifname = "eth0" };
	char name[NAME_MAX + 1], value[16];
	struct cni_error e = { 0 };

	(void)state;
	assert_int_equal(cni_lease_name(&env, 0, name, &e), 0);
	assert_string_equal(name, "abc.eth0");
	assert_int_equal(cni_lease_name(&env, 2, name, &e), 0);
	assert_string_equal(name, "abc.eth0+2");
	assert_true(cni_value("a 1\n# max-blocks 3 (inherited)\nmax 2\n", "max-blocks", value, sizeof value));
	assert_string_equal(value, "3");
	assert_true(cni_value("a 1\nmax 2\n", "max", value, sizeof value));
	assert_string_equal(value, "2");
	assert_false(cni_value("a 1\n", "b", value, sizeof value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_ranges),        cmocka_unit_test(test_args),
		cmocka_unit_test(test_requests), cmocka_unit_test(test_network_names), cmocka_unit_test(test_route_numbers),
		cmocka_unit_test(test_keys),     cmocka_unit_test(test_range_file),    cmocka_unit_test(test_environment),
		cmocka_unit_test(test_noise),    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
