/* within — for assert_true(): a number between two others. cmocka's own assertion of that has another name in each of its versions. */
#ifndef TESTS_WITHIN_H
#define TESTS_WITHIN_H

#include <stdbool.h>
#include <stdint.h>

static inline bool within(int64_t n, int64_t least, int64_t most)
{
	return n >= least && n <= most;
}

#endif
