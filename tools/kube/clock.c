#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t jitter(int64_t ms)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != sizeof r)
		r = UINT32_MAX / 2;
	return ms + ms * ((int64_t)(r % 2001) - 1000) / 10000;
}

int64_t backoff(unsigned n, int64_t least, int64_t most)
{
	int64_t ms = n > 24 ? most : least << (n == 0 ? 0 : n - 1);

	return jitter(ms < most ? ms : most);
}

int parse_duration(const char *s, int64_t *ms)
{
	static const struct {
		const char *name;
		double ms;
	} unit[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	double sum = 0;
	bool plain = true;

	if (*s == 0)
		return -EINVAL;
	while (*s != 0) {
		size_t i, n, digits = strspn(s, "0123456789.");
		double value;
		char *end;

		if (digits == 0 || digits > 15)
			return -EINVAL;
		value = strtod(s, &end);
		if (end != s + digits)
			return -EINVAL;
		s = end;
		if (*s == 0 && plain) {
			sum = value * 1000;
			break;
		}
		plain = false;
		n = strspn(s, "hms");
		for (i = 0; i < sizeof unit / sizeof *unit; i++)
			if (strlen(unit[i].name) == n && strncmp(s, unit[i].name, n) == 0)
				break;
		if (i == sizeof unit / sizeof *unit)
			return -EINVAL;
		sum += value * unit[i].ms;
		s += n;
	}
	if (!(sum >= 0 && sum < 1e15))
		return -EINVAL;
	*ms = (int64_t)(sum + 0.5);
	return 0;
}
