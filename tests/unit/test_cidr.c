#include "base/cidr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static u128 random_addr(unsigned family)
{
	u128 a = 0;

	for (int i = 0; i < 8; i++)
		a = a << 16 | ((unsigned)rand() & 0xffff);
	return a & cidr_mask(family, cidr_bits(family));
}

static int parse(const char *s, struct cidr *c)
{
	return cidr_parse(s, strlen(s), c);
}

/* What is printed parses back to the same, for every prefix length of both families. */
static void test_round_trip(void **state)
{
	(void)state;
	srand(2);
	for (unsigned family = 0; family < CIDR_FAMILIES; family++)
		for (unsigned len = 0; len <= cidr_bits(family); len++)
			for (int i = 0; i < 50; i++) {
				struct cidr c = { random_addr(family) & cidr_mask(family, len), (uint8_t)family, (uint8_t)len }, back;
				struct cidr_range range = cidr_range_of(&c), range_back;
				char text[CIDR_RANGE_TEXT];

				cidr_print(&c, text);
				assert_int_equal(parse(text, &back), 0);
				assert_int_equal(cidr_compare(&c, &back), 0);
				cidr_print_range(&range, text);
				assert_int_equal(cidr_parse_range(text, strlen(text), &range_back), 0);
				assert_true(range.first == range_back.first && range.last == range_back.last);
			}
}

static void test_arithmetic(void **state)
{
	(void)state;
	srand(3);
	for (int i = 0; i < 20000; i++) {
		unsigned family = (unsigned)rand() % CIDR_FAMILIES, bits = cidr_bits(family);
		unsigned len = (unsigned)rand() % (bits + 1), other = (unsigned)rand() % (bits + 1);
		struct cidr a = { random_addr(family) & cidr_mask(family, len), (uint8_t)family, (uint8_t)len };
		/* Near to it half of the time, so that overlaps do happen. */
		u128 near = rand() % 2 ? a.base ^ (random_addr(family) & ~cidr_mask(family, other) & 0xffff) : random_addr(family);
		struct cidr b = { near & cidr_mask(family, bits) & cidr_mask(family, other), (uint8_t)family, (uint8_t)other };
		bool overlap = a.base <= cidr_last(&b) && b.base <= cidr_last(&a);

		assert_true((cidr_last(&a) & cidr_mask(family, len)) == a.base);
		assert_int_equal(cidr_overlap(&a, &b), overlap);
		assert_int_equal(cidr_has_cidr(&a, &b), a.base <= b.base && cidr_last(&b) <= cidr_last(&a));
		assert_true(cidr_has(&a, family, a.base) && cidr_has(&a, family, cidr_last(&a)));
		assert_false(cidr_has(&a, !family, a.base));
	}
}

static void test_refuses(void **state)
{
	static const char *const bad[] = { "",           "10.0.0.0",   "10.0.0.0/",   "10.0.0.0/33",  "10.0.0.1/24", "10.0.0.0/024",
					   "10.0.0/8",   "/8",         "10.0.0.0/8 ", " 10.0.0.0/8",  "010.0.0.0/8", "10.0.0.0/-1",
					   "fd00::/129", "fd00::1/64", "fd00:::/64",  "10.0.0.0/8/8", "10.0.0.0/+8", "x" };
	struct cidr c;
	struct cidr_range r;
	uint8_t family;
	u128 addr;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse(bad[i], &c), -EINVAL);
	assert_int_equal(cidr_parse("10.0.0.0/8\0x", 12, &c), -EINVAL);
	assert_int_equal(cidr_parse_range("10.0.0.9-10.0.0.1", 17, &r), -EINVAL);
	assert_int_equal(cidr_parse_range("10.0.0.9-fd00::1", 16, &r), -EINVAL);
	assert_int_equal(cidr_parse_addr("10.0.0.256", 10, &family, &addr), -EINVAL);
}

/* RFC 5952, and keys that sort as the addresses do. */
static void test_text(void **state)
{
	static const char *const text[][2] = {
		{ "FD00:0:0:0:0:0:0:1", "fd00::1" },
		{ "fd00:0:0:1:0:0:0:1", "fd00:0:0:1::1" },
		{ "0:0:0:0:0:0:0:0", "::" },
	};
	char out[CIDR_ADDR_TEXT], a[33], b[33];
	uint8_t family;
	u128 x, y;

	(void)state;
	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		assert_int_equal(cidr_parse_addr(text[i][0], strlen(text[i][0]), &family, &x), 0);
		cidr_print_addr(family, x, out);
		assert_string_equal(out, text[i][1]);
	}
	srand(4);
	for (int i = 0; i < 5000; i++) {
		x = random_addr(CIDR_V6);
		y = random_addr(CIDR_V6);
		cidr_print_key(CIDR_V6, x, a);
		cidr_print_key(CIDR_V6, y, b);
		assert_int_equal(x < y, strcmp(a, b) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
