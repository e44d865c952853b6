#include "base/bitset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { UNIVERSE = 64 * 64 * 3 + 17, STEPS = 60000 };

/* Against an array of bools, placed at several spots of the number line; the far ends are those that overflow. */
static void run_model(u128 base, unsigned seed, int bias)
{
	bool *model = calloc(UNIVERSE, sizeof *model);
	struct bitset b = { 0 };
	u128 out, count = 0;

	srand(seed);
	for (int i = 0; i < STEPS; i++) {
		int at = rand() % UNIVERSE, from = rand() % UNIVERSE, next;

		if (rand() % 10 < bias) {
			assert_int_equal(bitset_set(&b, base + (unsigned)at), model[at] ? -EEXIST : 0);
			count += !model[at];
			model[at] = true;
		} else {
			assert_int_equal(bitset_clear(&b, base + (unsigned)at), model[at] ? 0 : -ENOENT);
			count -= model[at];
			model[at] = false;
		}
		if (i % 16 != 0)
			continue;
		for (next = from; next < UNIVERSE && model[next]; next++)
			;
		assert_int_equal(bitset_next_clear(&b, base + (unsigned)from, base + UNIVERSE - 1, &out), next == UNIVERSE ? -ENOSPC : 0);
		if (next < UNIVERSE)
			assert_true(out == base + (unsigned)next);
	}
	for (int i = 0; i < UNIVERSE; i++)
		assert_int_equal(bitset_test(&b, base + (unsigned)i), model[i]);
	assert_true(bitset_count(&b, base, base + UNIVERSE - 1) == count);
	for (int i = 0; i < UNIVERSE; i++)
		if (model[i])
			assert_int_equal(bitset_clear(&b, base + (unsigned)i), 0);
	assert_int_equal(b.words, 0);
	bitset_close(&b);
	free(model);
}

static void test_model(void **state)
{
	(void)state;
	run_model(0, 1, 5);
	run_model(0, 2, 9);
	run_model((u128)1 << 64, 3, 9);
	run_model(((u128)1 << 100) - 1000, 4, 9);
	run_model(U128_MAX - UNIVERSE + 1, 5, 9);
}

/* Full subtrees are passed over by their summary: filled, holed and found at every level of 2^18 numbers. */
static void test_full(void **state)
{
	enum { SIZE = 1 << 18 };
	struct bitset b = { 0 };
	u128 out;

	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(bitset_set(&b, i), 0);
	assert_int_equal(bitset_next_clear(&b, 0, SIZE - 1, &out), -ENOSPC);
	assert_int_equal(bitset_next_clear(&b, 0, U128_MAX, &out), 0);
	assert_true(out == SIZE);
	for (unsigned hole = 1; hole < SIZE; hole = hole * 3 + 1) {
		assert_int_equal(bitset_clear(&b, hole), 0);
		assert_int_equal(bitset_next_clear(&b, 0, SIZE - 1, &out), 0);
		assert_true(out == hole);
		assert_int_equal(bitset_next_clear(&b, hole + 1, SIZE - 1, &out), -ENOSPC);
		assert_int_equal(bitset_set(&b, hole), 0);
	}
	bitset_close(&b);
}

/* Sparse members of a huge universe cost what they are. */
static void test_sparse(void **state)
{
	struct bitset b = { 0 };

	(void)state;
	for (unsigned i = 0; i < 127; i++)
		assert_int_equal(bitset_set(&b, (u128)1 << i), 0);
	assert_true(bitset_memory(&b) < 16384);
	for (unsigned i = 0; i < 127; i++)
		assert_true(bitset_test(&b, (u128)1 << i) && !bitset_test(&b, ((u128)1 << i) + 5));
	bitset_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_sparse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
