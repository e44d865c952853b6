#include "registry/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cidr cidr(const char *s)
{
	struct cidr c;

	assert_int_equal(cidr_parse(s, strlen(s), &c), 0);
	return c;
}

/* Random claims, releases and exclusions against arrays, next-fit included. */
static void run_model(const char *prefix, unsigned slot_len, unsigned seed)
{
	enum { MOST = 1024, STEPS = 20000 };
	bool taken[MOST] = { false }, excluded[MOST] = { false };
	struct cidr c = cidr(prefix);
	unsigned size = 1u << (slot_len - c.len), cursor = size - 1;
	struct pool p;

	srand(seed);
	assert_int_equal(pool_init(&p, &c, slot_len), 0);
	for (int i = 0; i < STEPS; i++) {
		unsigned at = (unsigned)rand() % size, want, tries, free = 0, used = 0;
		struct pool_span span[3];
		u128 slot;
		int rc;

		switch (rand() % 40) {
		case 0: /* new exclusions, overlapping and reaching outside as they may */
			memset(excluded, 0, sizeof excluded);
			for (unsigned k = 0; k < 3; k++) {
				span[k].first = (unsigned)rand() % size;
				span[k].last = span[k].first + (unsigned)rand() % 9;
				for (u128 x = span[k].first; x <= span[k].last && x < size; x++)
					excluded[x] = true;
			}
			assert_int_equal(pool_exclude(&p, span, 3), 0);
			break;
		case 1 ... 12:
			rc = pool_release(&p, at);
			assert_int_equal(rc, taken[at] ? 0 : -ENOENT);
			taken[at] = false;
			break;
		case 13 ... 18:
			rc = pool_claim(&p, at);
			assert_int_equal(rc, taken[at] ? -EADDRINUSE : excluded[at] ? -EADDRNOTAVAIL : 0);
			if (rc == 0)
				taken[at] = true;
			break;
		default:
			for (tries = 1; tries <= size; tries++) {
				want = (cursor + tries) % size;
				if (!taken[want] && !excluded[want])
					break;
			}
			rc = pool_claim_next(&p, &slot);
			assert_int_equal(rc, tries > size ? -ENOSPC : 0);
			if (rc == 0) {
				assert_true(slot == want);
				taken[want] = true;
				cursor = want;
			}
		}
		for (unsigned k = 0; k < size; k++) {
			free += !taken[k] && !excluded[k];
			used += taken[k];
		}
		assert_true(pool_free(&p) == free && p.used == used);
	}
	pool_close(&p);
}

static void test_model(void **state)
{
	(void)state;
	run_model("10.0.0.0/24", 32, 1);
	run_model("10.0.0.0/16", 24, 2);
	run_model("10.0.0.0/29", 32, 3);
	run_model("fd00::/118", 128, 4);
	run_model("fd00::/48", 56, 5);
}

/* Every length of both families can be made, and gives its first and last slot. */
static void test_lengths(void **state)
{
	(void)state;
	for (unsigned family = 0; family < CIDR_FAMILIES; family++)
		for (unsigned len = 0; len <= cidr_bits(family); len++)
			for (unsigned slot_len = len; slot_len <= cidr_bits(family); slot_len++) {
				struct cidr c = { cidr_mask(family, len), (uint8_t)family, (uint8_t)len }, got;
				struct pool p;
				u128 slot;

				assert_int_equal(pool_init(&p, &c, slot_len), 0);
				assert_int_equal(pool_claim_next(&p, &slot), 0);
				assert_true(slot == 0);
				got = pool_cidr(&p, 0);
				assert_true(got.base == c.base && got.len == slot_len);
				if (slot_len > len) {
					assert_int_equal(pool_claim(&p, pool_last(&p)), 0);
					got = pool_cidr(&p, pool_last(&p));
					assert_true(cidr_last(&got) == cidr_last(&c));
					assert_int_equal(pool_slot(&p, cidr_last(&c), &slot), 0);
					assert_true(slot == pool_last(&p));
				}
				assert_true(p.used == (slot_len > len ? 2u : 1u));
				assert_true(pool_capacity(&p) >= p.used);
				pool_close(&p);
				assert_int_equal(pool_init(&p, &c, cidr_bits(family) + 1), -EINVAL);
			}
}

static void test_last_of_many(void **state)
{
	struct cidr c = cidr("10.16.0.0/12");
	struct pool p;
	u128 slot;

	(void)state;
	assert_int_equal(pool_init(&p, &c, 32), 0);
	for (unsigned i = 0; i < 1u << 20; i++)
		assert_int_equal(pool_claim_next(&p, &slot), 0);
	assert_int_equal(pool_claim_next(&p, &slot), -ENOSPC);
	assert_int_equal(pool_release(&p, 12345), 0);
	assert_int_equal(pool_claim_next(&p, &slot), 0);
	assert_true(slot == 12345 && pool_free(&p) == 0);
	pool_close(&p);
}

/* A span that swallows what is taken: counted once, and not given again. */
static void test_exclude_taken(void **state)
{
	struct cidr c = cidr("fd00::/64");
	struct pool_span span = { 0, ((u128)1 << 63) - 1 };
	struct pool p;
	u128 slot;

	(void)state;
	assert_int_equal(pool_init(&p, &c, 128), 0);
	assert_int_equal(pool_claim(&p, 77), 0);
	assert_int_equal(pool_exclude(&p, &span, 1), 0);
	assert_true(pool_free(&p) == (u128)1 << 63 && pool_capacity(&p) == (u128)1 << 63);
	assert_int_equal(pool_claim_next(&p, &slot), 0);
	assert_true(slot == (u128)1 << 63);
	assert_int_equal(pool_release(&p, 77), 0);
	assert_int_equal(pool_claim(&p, 77), -EADDRNOTAVAIL);
	assert_int_equal(pool_restore(&p, 77), 0);
	assert_int_equal(pool_restore(&p, 77), -EADDRINUSE);
	pool_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_last_of_many),
		cmocka_unit_test(test_exclude_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
