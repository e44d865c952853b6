/* Points in time as people write them. */
#include "ipamctl/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void is(const char *s, int64_t wanted)
{
	int64_t t = -1;

	assert_true(when_parse(s, &t));
	assert_int_equal(t, wanted);
}

static void test_when(void **state)
{
	int64_t t, ago;

	(void)state;
	is("1970-01-01T00:00:00Z", 0);
	is("1970-01-01T00:00:01.5Z", 1500000000);
	is("1970-01-01T01:00:00+01:00", 0);
	is("2262-04-11T23:47:16.854775807Z", INT64_MAX);
	assert_true(when_parse("now", &t));
	assert_true(when_parse("1h", &ago));
	assert_true(t - ago >= INT64_C(3599000000000) && t - ago <= INT64_C(3601000000000));
	assert_false(when_parse("", &t));
	assert_false(when_parse("yesterday", &t));
	assert_false(when_parse("1h ", &t));
	is("2024-02-29T00:00:00Z", INT64_C(1709164800000000000));
	assert_false(when_parse("2026-02-31", &t));
	assert_false(when_parse("2026-02-29T00:00:00Z", &t));
	assert_false(when_parse("2026-04-31 10:00:00", &t));
	assert_false(when_parse("2026-13-01", &t));
	assert_false(when_parse("1970-01-01T00:00:00Zx", &t));
}

/* What 64 bits of nanoseconds don't hold is refused. */
static void test_too_far(void **state)
{
	int64_t t;

	(void)state;
	assert_false(when_parse("4052-11-23", &t));
	assert_false(when_parse("2262-04-11T23:47:16.854775808Z", &t));
	assert_false(when_parse("1500-01-01T00:00:00Z", &t));
	assert_false(when_parse("9999999d", &t));
	assert_false(when_parse("99999999999999999999s", &t));
	assert_true(when_parse("36500d", &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when),
		cmocka_unit_test(test_too_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
