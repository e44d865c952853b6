#include "base/steady.h"

static const int64_t second = 1000000000;
enum { SLACK = 60, START_SLACK = 3600 }; /* seconds: of a clock that is set by a little, and of a machine that was off for a little */

static bool is_ahead(int64_t wall, int64_t of, int64_t seconds)
{
	int64_t by;

	return __builtin_sub_overflow(wall, of, &by) ? wall > of : by > seconds * second;
}

void steady_begin(struct steady *s, int64_t confirm, int64_t known, int64_t wall, int64_t passed)
{
	*s = (struct steady){ .confirm = confirm, .now = wall, .passed = passed };
	if (known == 0 || !is_ahead(wall, known, START_SLACK))
		return;
	s->now = known;
	s->ahead = true;
	s->since = passed;
}

int64_t steady_now(struct steady *s, int64_t wall, int64_t passed)
{
	bool was_ahead = s->ahead;

	if (__builtin_add_overflow(s->now, passed - s->passed, &s->now))
		s->now = INT64_MAX;
	s->passed = passed;
	s->ahead = is_ahead(wall, s->now, SLACK);
	if (s->ahead && !was_ahead)
		s->since = passed;
	if (s->ahead && passed - s->since >= s->confirm)
		s->ahead = false;
	if (!s->ahead)
		s->now = wall;
	return s->now;
}
