#include "fs/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool make_room(struct buffer *b, size_t n)
{
	size_t room = b->room == 0 ? 256 : b->room;
	char *bigger;

	if (b->failed)
		return false;
	while (room < b->size + n + 1)
		room *= 2;
	if (room == b->room)
		return true;
	bigger = realloc(b->data, room);
	if (bigger == NULL) {
		b->failed = true;
		return false;
	}
	b->data = bigger;
	b->room = room;
	return true;
}

void buffer_add(struct buffer *b, const char *s, size_t n)
{
	if (!make_room(b, n))
		return;
	memcpy(b->data + b->size, s, n);
	b->size += n;
	b->data[b->size] = 0;
}

void buffer_print(struct buffer *b, const char *format, ...)
{
	char small[512];
	va_list ap, again;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(small, sizeof small, format, ap);
	va_end(ap);
	if (n < (int)sizeof small) {
		buffer_add(b, small, (size_t)n);
	} else if (make_room(b, (size_t)n)) {
		vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
		b->size += (size_t)n;
	}
	va_end(again);
}

void buffer_u128(struct buffer *b, u128 value)
{
	char digits[40];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value > 0);
	buffer_add(b, digits + i, sizeof digits - i);
}

void buffer_time(struct buffer *b, int64_t nanoseconds)
{
	time_t seconds = nanoseconds / 1000000000;
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	buffer_add(b, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm));
}
