/* buffer — text that grows. After a failed allocation it stays as it is and says so at the end. Not thread-safe. */
#ifndef IPAMFS_BUFFER_H
#define IPAMFS_BUFFER_H

#include "base/cidr.h"

struct buffer {
	char *data; /* NUL-terminated once anything was added; the owner's to free */
	size_t size, room;
	bool failed;
};

void buffer_add(struct buffer *b, const char *s, size_t n);
void buffer_print(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number of 128 bits, in decimal. */
void buffer_u128(struct buffer *b, u128 value);
/* RFC 3339, UTC, whole seconds. */
void buffer_time(struct buffer *b, int64_t nanoseconds);

#endif
