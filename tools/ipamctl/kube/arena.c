/* What an import keeps in memory: strings that stay until the end, lists that double. */
#include "ipamctl/kube/arena.h"

#include "cli/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

struct kube_chunk {
	struct kube_chunk *next;
	char text[];
};

static void *must(void *p)
{
	if (p == NULL)
		exit(cli_fail(CLI_REFUSED, "out of memory"));
	return p;
}

static char *room_for(struct kube *k, size_t size)
{
	struct kube_chunk *c = k->strings;

	if (c == NULL || k->string_room < size) {
		k->string_room = size > CHUNK ? size : CHUNK;
		c = must(malloc(sizeof *c + k->string_room));
		c->next = k->strings;
		k->strings = c;
	}
	/* From the end of the chunk to its beginning. */
	k->string_room -= size;
	return c->text + k->string_room;
}

const char *kube_keep(struct kube *k, const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(room_for(k, size), s, size);
}

const char *kube_format(struct kube *k, const char *format, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	s = room_for(k, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, format, again);
	va_end(again);
	va_end(ap);
	return s;
}

void *kube_more(void *list, size_t *n, size_t size)
{
	if ((*n & (*n - 1)) == 0)
		list = must(reallocarray(list, *n == 0 ? 1 : *n * 2, size));
	memset((char *)list + *n * size, 0, size);
	++*n;
	return list;
}

void kube_conflict(struct kube *k, const char *who, const char *pod, const char *address, const char *why)
{
	*KUBE_ADD(k->conflicts) = (struct kube_conflict){ kube_keep(k, who), kube_keep(k, address), kube_keep(k, why), pod };
}

void kube_free(struct kube *k)
{
	while (k->strings != NULL) {
		struct kube_chunk *next = k->strings->next;

		free(k->strings);
		k->strings = next;
	}
	free(k->nodes.list);
	free(k->pods.list);
	free(k->pools.list);
	free(k->reserved.list);
	free(k->blocks.list);
	free(k->addresses.list);
	free(k->conflicts.list);
	free(k->hint.list);
	free(k->cidrs_text);
}
