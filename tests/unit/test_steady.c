/* What ends by the clock, and the clock jumps. */
#include "base/steady.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S(n) ((int64_t)(n)*1000000000)
#define YEARS(n) S((int64_t)(n)*365 * 86400)

static const int64_t wall = YEARS(56);

static void test_it_goes_with_the_wall_clock(void **state)
{
	struct steady s;

	(void)state;
	steady_begin(&s, S(3600), 0, wall, S(100));
	assert_int_equal(steady_now(&s, wall + S(5), S(105)), wall + S(5));
	/* set by a little, or slewed */
	assert_int_equal(steady_now(&s, wall + S(40), S(110)), wall + S(40));
	/* a machine that slept: the monotonic clock counts that */
	assert_int_equal(steady_now(&s, wall + S(90000), S(90070)), wall + S(90000));
	assert_false(s.ahead);
}

static void test_a_jump_that_is_taken_back_ends_nothing(void **state)
{
	struct steady s;

	(void)state;
	steady_begin(&s, S(3600), 0, wall, S(100));
	assert_int_equal(steady_now(&s, wall + YEARS(10), S(101)), wall + S(1));
	assert_true(s.ahead);
	assert_int_equal(steady_now(&s, wall + YEARS(10) + S(1), S(102)), wall + S(2));
	assert_int_equal(steady_now(&s, wall + S(3), S(103)), wall + S(3));
	assert_false(s.ahead);
	/* the hour begins again with the next */
	steady_now(&s, wall + YEARS(10), S(3702));
	assert_true(s.ahead);
}

static void test_a_jump_that_lasts_is_believed(void **state)
{
	struct steady s;

	(void)state;
	steady_begin(&s, S(3600), 0, wall, S(100));
	steady_now(&s, wall + YEARS(1), S(101));
	assert_int_equal(steady_now(&s, wall + YEARS(1) + S(3599), S(3700)), wall + S(3600));
	assert_int_equal(steady_now(&s, wall + YEARS(1) + S(3600), S(3701)), wall + YEARS(1) + S(3600));
	assert_false(s.ahead);
}

static void test_put_back_is_believed_at_once(void **state)
{
	struct steady s;

	(void)state;
	steady_begin(&s, S(3600), 0, wall, S(100));
	assert_int_equal(steady_now(&s, wall - YEARS(1), S(101)), wall - YEARS(1));
	assert_false(s.ahead);
}

static void test_a_start_with_a_wrong_clock(void **state)
{
	struct steady s;

	(void)state;
	steady_begin(&s, S(3600), wall, wall + YEARS(10), S(5));
	assert_int_equal(steady_now(&s, wall + YEARS(10), S(6)), wall + S(1));
	assert_true(s.ahead);
	assert_int_equal(steady_now(&s, wall + YEARS(10) + S(3600), S(3605)), wall + YEARS(10) + S(3600));
	/* One that was off for a while, and one whose last moment is ahead of the clock. */
	steady_begin(&s, S(3600), wall - S(3000), wall, S(5));
	assert_int_equal(steady_now(&s, wall, S(5)), wall);
	steady_begin(&s, S(3600), wall + YEARS(10), wall, S(5));
	assert_int_equal(steady_now(&s, wall, S(5)), wall);
	/* The ends of time. */
	steady_begin(&s, S(3600), INT64_MIN, INT64_MAX, S(5));
	assert_true(s.ahead);
	steady_begin(&s, S(3600), 0, INT64_MAX, S(5));
	assert_int_equal(steady_now(&s, INT64_MAX, S(6)), INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_goes_with_the_wall_clock),   cmocka_unit_test(test_a_jump_that_is_taken_back_ends_nothing),
		cmocka_unit_test(test_a_jump_that_lasts_is_believed), cmocka_unit_test(test_put_back_is_believed_at_once),
		cmocka_unit_test(test_a_start_with_a_wrong_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
