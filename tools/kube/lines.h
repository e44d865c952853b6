/* lines — a stream cut into its lines, however it comes in pieces. */
#ifndef IPAMKUBE_LINES_H
#define IPAMKUBE_LINES_H

#include <stddef.h>

struct lines {
	char *part; /* of a line whose end hasn't come */
	size_t n, room;
	size_t max; /* no longer line is taken */
};

/* A line without its end, not empty; what isn't 0 ends it all. */
typedef int lines_take(void *arg, const char *line, size_t n);

/* 0, what take said, -EMSGSIZE for a line that is too long, -ENOMEM. */
int lines_feed(struct lines *l, const char *data, size_t n, lines_take *take, void *arg);
void lines_free(struct lines *l);

#endif
