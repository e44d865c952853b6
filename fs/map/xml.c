#include "fs/map/xml.h"

#include <string.h>
#include <time.h>

/* How many bytes the character at s has, and which it is; 0: none. Shortest forms alone, no surrogates. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t size = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
	uint32_t c = size <= 1 ? s[0] : s[0] & (0x7fu >> size);

	if (size == 0 || size > n)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	*out = c;
	return c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : size;
}

/* XML's Char, less the control characters. */
static bool allowed(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0xfffe && c != 0xffff;
}

static const char *entity(uint32_t c)
{
	return c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : NULL;
}

void xml_text(struct buffer *b, const char *s, size_t n, size_t most)
{
	size_t size, count = 0;
	uint32_t c = 0;

	for (size_t i = 0; i < n; i += size, count++) {
		size = decode((const unsigned char *)s + i, n - i, &c);
		if (count + 1 >= most && i + (size == 0 ? 1 : size) < n) {
			buffer_add(b, "\u2026", strlen("\u2026"));
			return;
		}
		if (size == 0 || !allowed(c))
			buffer_add(b, "\ufffd", strlen("\ufffd"));
		else if (entity(c) != NULL)
			buffer_add(b, entity(c), strlen(entity(c)));
		else
			buffer_add(b, s + i, size);
		if (size == 0)
			size = 1;
	}
}

void xml_count(struct buffer *b, u128 value)
{
	static const char *const raised[] = { "\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
					      "\u2075", "\u2076", "\u2077", "\u2078", "\u2079" };
	unsigned power = 0;
	char digits[40];
	size_t i = sizeof digits, n = 0;

	for (u128 rest = value; rest >= 10; rest /= 10)
		power++;
	if (power >= 12) {
		while (value >= 100)
			value /= 10;
		buffer_print(b, "%u.%u\u00d710%s%s", (unsigned)value / 10, (unsigned)value % 10, power >= 10 ? raised[power / 10] : "",
			     raised[power % 10]);
		return;
	}
	do {
		if (n > 0 && n % 3 == 0)
			digits[--i] = ',';
		digits[--i] = (char)('0' + (int)(value % 10));
		value /= 10;
		n++;
	} while (value > 0);
	buffer_add(b, digits + i, sizeof digits - i);
}

void xml_short(struct buffer *b, uint64_t value)
{
	static const char unit[] = "\0kMGTPE";
	unsigned i = 0;

	for (; value > (i == 0 ? 9999 : 999); value /= 1000)
		i++;
	buffer_print(b, "%llu%.1s", (unsigned long long)value, unit + i);
}

void xml_percent(struct buffer *b, u128 part, u128 whole)
{
	unsigned percent;

	/* Of more than 2^100 the low bits don't matter. */
	while (part > U128_MAX >> 28) {
		part >>= 1;
		whole >>= 1;
	}
	percent = whole == 0 ? 0 : (unsigned)(part * 100 / whole);
	if (percent == 0 && part > 0)
		buffer_print(b, "&lt;1%%");
	else
		buffer_print(b, "%u%%", percent);
}

void xml_minute(struct buffer *b, int64_t nanoseconds)
{
	time_t seconds = nanoseconds / 1000000000;
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	buffer_add(b, text, strftime(text, sizeof text, "%Y-%m-%d %H:%MZ", &tm));
}

void xml_age(struct buffer *b, int64_t nanoseconds)
{
	long long s = nanoseconds < 0 ? 0 : nanoseconds / 1000000000;

	if (s >= 86400)
		buffer_print(b, "%lld d %lld h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		buffer_print(b, "%lld h %lld min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		buffer_print(b, "%lld min", s / 60);
	else
		buffer_print(b, "%lld s", s);
}
