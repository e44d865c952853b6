#include "when.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NANOSECONDS = 1000000000 };

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * NANOSECONDS + t.tv_nsec;
}

static bool parse_ago(const char *s, int64_t *out)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	char *end;
	unsigned long n = strtoul(s, &end, 10);
	const char *unit = *end != 0 ? strchr(units, *end) : NULL;

	if (!isdigit((unsigned char)*s) || unit == NULL || end[1] != 0 || n > INT64_MAX / 86400)
		return false;
	return !__builtin_mul_overflow((int64_t)n * seconds[unit - units], NANOSECONDS, out) && !__builtin_sub_overflow(now(), *out, out);
}

/* ".123" behind the seconds. */
static const char *parse_fraction(const char *s, int64_t *out)
{
	int64_t unit = NANOSECONDS / 10;

	*out = 0;
	if (*s != '.')
		return s;
	for (s++; isdigit((unsigned char)*s); s++, unit /= 10)
		*out += (*s - '0') * unit;
	return s;
}

/* A day that the month has: mktime and timegm would take it for one of the next. */
static bool is_a_day(const struct tm *tm)
{
	struct tm same = *tm;

	same.tm_hour = same.tm_min = same.tm_sec = 0; /* a leap second belongs to the next day, and is one all the same */
	timegm(&same);
	return same.tm_mday == tm->tm_mday && same.tm_mon == tm->tm_mon;
}

/* "Z", "+01:00", or nothing, which is local time. */
static bool parse_zone(const char *s, struct tm *tm, int64_t *out)
{
	int sign = *s == '-' ? -1 : 1;
	struct tm offset = { 0 };
	const char *end;

	if (*s == 0) {
		tm->tm_isdst = -1;
		*out = mktime(tm);
		return true;
	}
	if (*s == 'Z' || *s == 'z') {
		*out = timegm(tm);
		return s[1] == 0;
	}
	if (*s != '+' && *s != '-')
		return false;
	end = strptime(s + 1, "%H:%M", &offset);
	*out = timegm(tm) - sign * (offset.tm_hour * 3600 + offset.tm_min * 60);
	return end != NULL && *end == 0;
}

bool when_parse(const char *s, int64_t *out)
{
	static const char *const format[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	if (strcmp(s, "now") == 0) {
		*out = now();
		return true;
	}
	if (parse_ago(s, out))
		return true;
	for (size_t i = 0; i < sizeof format / sizeof *format; i++) {
		struct tm tm = { 0 };
		const char *rest = strptime(s, format[i], &tm);
		int64_t seconds, fraction;

		if (rest == NULL)
			continue;
		rest = parse_fraction(rest, &fraction);
		if (!is_a_day(&tm) || !parse_zone(rest, &tm, &seconds))
			continue;
		/* From 1677 to 2262: what fits. */
		return !__builtin_mul_overflow(seconds, NANOSECONDS, out) && !__builtin_add_overflow(*out, fraction, out);
	}
	return false;
}
