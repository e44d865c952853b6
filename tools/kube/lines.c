#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int keep(struct lines *l, const char *data, size_t n)
{
	if (n > l->max || l->n > l->max - n)
		return -EMSGSIZE;
	if (l->n + n > l->room) {
		size_t room = (l->n + n) * 2;
		char *bigger = realloc(l->part, room);

		if (bigger == NULL)
			return -ENOMEM;
		l->part = bigger;
		l->room = room;
	}
	memcpy(l->part + l->n, data, n);
	l->n += n;
	return 0;
}

static int give(const char *line, size_t n, lines_take *take, void *arg)
{
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
		n--;
	return n == 0 ? 0 : take(arg, line, n);
}

int lines_feed(struct lines *l, const char *data, size_t n, lines_take *take, void *arg)
{
	int rc = 0;

	while (rc == 0 && n > 0) {
		const char *end = memchr(data, '\n', n);
		size_t here = end == NULL ? n : (size_t)(end - data);

		if (end == NULL || l->n > 0)
			rc = keep(l, data, here);
		else if (here > l->max)
			rc = -EMSGSIZE;
		if (rc == 0 && end != NULL) {
			rc = l->n > 0 ? give(l->part, l->n, take, arg) : give(data, here, take, arg);
			l->n = 0;
			here++;
		}
		data += here;
		n -= here;
	}
	return rc;
}

void lines_free(struct lines *l)
{
	free(l->part);
	l->part = NULL;
	l->n = l->room = 0;
}
