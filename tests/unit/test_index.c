#include "base/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 3000, STEPS = 200000 };

/* Handle h has the key keys[h]; the hash is poor on purpose, so that probes run into each other. */
static uint64_t keys[MOST + 1];

static uint64_t hash(const void *arg, uint32_t h)
{
	(void)arg;
	return keys[h] % 97 * 7;
}

static bool match(const void *arg, uint32_t h, const void *key)
{
	(void)arg;
	return keys[h] == *(const uint64_t *)key;
}

static void test_model(void **state)
{
	static bool in[MOST + 1];
	struct index x;
	uint32_t count = 0;

	(void)state;
	srand(1);
	for (uint32_t h = 1; h <= MOST; h++)
		keys[h] = h * 2654435761u;
	index_init(&x, hash, NULL);
	for (int i = 0; i < STEPS / 20; i++) {
		uint32_t h = 1 + (uint32_t)rand() % MOST, other = 1 + (uint32_t)rand() % MOST;

		if (in[h]) {
			index_remove(&x, h);
			count--;
		} else {
			assert_int_equal(index_add(&x, h), 0);
			count++;
		}
		in[h] = !in[h];
		assert_int_equal(x.used, count);
		assert_int_equal(index_find(&x, hash(NULL, other), match, &keys[other]), in[other] ? other : 0);
	}
	for (uint32_t h = 1; h <= MOST; h++) {
		assert_int_equal(index_find(&x, hash(NULL, h), match, &keys[h]), in[h] ? h : 0);
		if (in[h])
			index_remove(&x, h);
	}
	assert_int_equal(x.used, 0);
	index_close(&x);
}

static void test_hashes(void **state)
{
	(void)state;
	assert_int_not_equal(index_hash_bytes(1, "abc", 3), index_hash_bytes(1, "abd", 3));
	assert_int_not_equal(index_hash_bytes(1, "abc", 3), index_hash_bytes(2, "abc", 3));
	assert_int_not_equal(index_hash_bytes(1, "abc\0", 4), index_hash_bytes(1, "abc", 3));
	assert_int_equal(index_hash_bytes(1, "0123456789", 10), index_hash_bytes(1, "0123456789", 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
