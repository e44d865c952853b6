#include "text/text.h"

#include "text/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int cidrs(const char *s, size_t *n)
{
	struct text_cidr *list = NULL;
	int rc = text_cidrs(s, strlen(s), &list, n);

	if (rc == 0)
		text_cidrs_free(list, *n);
	return rc;
}

static void test_cidrs(void **state)
{
	static const char good[] = "# pods\n 10.0.0.0/16\t\nfd00::/48 # v6\n\n10.1.0.0/16 25";
	struct text_cidr *list;
	size_t n;

	(void)state;
	assert_int_equal(text_cidrs(good, strlen(good), &list, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].node_mask, 24);
	assert_int_equal(list[1].node_mask, 64);
	assert_int_equal(list[2].node_mask, 25);
	text_cidrs_free(list, n);
	assert_int_equal(cidrs("", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(cidrs("10.0.0.0/16\n10.0.128.0/17\n", &n), -EEXIST);
	assert_int_equal(cidrs("10.0.0.0/16 24 25\n", &n), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 8\n", &n), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/16 31\n", &n), -EINVAL);
	assert_int_equal(cidrs("10.0.0.0/26\n", &n), -EINVAL);
	assert_int_equal(cidrs("fd00::/64 127\n", &n), -EINVAL);
	assert_int_equal(cidrs("fd00::/64 126\n", &n), 0);
}

static void test_lease(void **state)
{
	struct text_lease l;

	(void)state;
	assert_int_equal(text_lease("10.0.0.5/24\nfd00::5\n", 20, &l), 0);
	assert_true(l.has[CIDR_V4] && l.len[CIDR_V4] == 24 && l.has[CIDR_V6] && l.len[CIDR_V6] == 128);
	assert_int_equal(text_lease("10.0.0.5\n10.0.0.6\n", 18, &l), -EINVAL);
	assert_int_equal(text_lease("\n", 1, &l), -EINVAL);
	assert_int_equal(text_lease("10.0.0.5 x", 10, &l), -EINVAL);
}

static void test_settings(void **state)
{
	static const char good[] = "ttl 60\n# max-blocks 9\ngateway none\n";
	struct settings s;

	(void)state;
	assert_int_equal(text_settings(good, strlen(good), &s), 0);
	assert_int_equal(settings_value(&s, NULL, IPAM_TTL), 60);
	assert_int_equal(settings_value(&s, NULL, IPAM_GATEWAY), SETTINGS_GATEWAY_NONE);
	assert_int_equal(settings_value(&s, NULL, IPAM_MAX_BLOCKS), 1);
	assert_int_equal(text_settings("ttl -1\n", 7, &s), -EINVAL);
	assert_int_equal(text_settings("ttl\n", 4, &s), -EINVAL);
	assert_int_equal(text_settings("max-blocks 0\n", 13, &s), -EINVAL);
	assert_int_equal(text_settings("gateway last\n", 13, &s), -EINVAL);
	assert_int_equal(text_settings("nothing 1\n", 10, &s), -EINVAL);
}

/* Any bytes at all are answered, and what is refused allocates nothing (the sanitizers see to that). */
static void test_noise(void **state)
{
	static const char alphabet[] = "0123456789abcdef.:/- \n\t#ttlgatewayx";

	(void)state;
	srand(7);
	for (int i = 0; i < 50000; i++) {
		struct ipam_reserved *ranges = NULL;
		struct cidr *blocks = NULL;
		struct settings settings;
		struct text_lease lease;
		char noise[64];
		size_t size = (size_t)(rand() % (int)sizeof noise), n;

		for (size_t k = 0; k < size; k++)
			noise[k] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
		if (text_ranges(noise, size, &ranges, &n) == 0)
			free(ranges);
		if (text_blocks(noise, size, &blocks, &n) == 0)
			free(blocks);
		text_settings(noise, size, &settings);
		if (text_lease(noise, size, &lease) == 0)
			free(lease.range);
	}
}

static void test_names(void **state)
{
	char name[258] = { 0 };

	(void)state;
	memset(name, 'x', 255);
	assert_int_equal(ipam_check_name(IPAM_LEASE, name), 0);
	assert_int_equal(ipam_check_name(IPAM_NODE, name), -ENAMETOOLONG);
	name[255] = 'x';
	assert_int_equal(ipam_check_name(IPAM_LEASE, name), -ENAMETOOLONG);
	assert_int_equal(ipam_check_name(IPAM_LEASE, ""), -EINVAL);
	assert_int_equal(ipam_check_name(IPAM_LEASE, ".x"), -EINVAL);
	assert_int_equal(ipam_check_name(IPAM_LEASE, "a\tb"), -EINVAL);
	assert_int_equal(ipam_check_name(IPAM_LEASE, "gr\xc3\xbc\xc3\x9f"
						     "e an alle"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cidrs), cmocka_unit_test(test_lease), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_noise), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
