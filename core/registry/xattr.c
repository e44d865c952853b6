#include "registry/xattr.h"

#include "registry/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct xattr **find(const struct lease *l, const char *name)
{
	struct xattr **at = (struct xattr **)&l->xattr;

	while (*at != NULL && strcmp((*at)->data, name) != 0)
		at = &(*at)->next;
	return at;
}

struct xattr *lease_xattr(const struct lease *l, const char *name)
{
	return *find(l, name);
}

size_t lease_xattr_bytes(const struct lease *l)
{
	size_t sum = 0;

	for (const struct xattr *x = l->xattr; x != NULL; x = x->next)
		sum += (size_t)x->name_size + x->value_size;
	return sum;
}

struct xattr *xattr_new(const char *name, const void *value, size_t size)
{
	size_t name_size = strlen(name);
	struct xattr *x = malloc(sizeof *x + name_size + 1 + size);

	if (x == NULL)
		return NULL;
	x->next = NULL;
	x->name_size = (uint16_t)name_size;
	x->value_size = (uint32_t)size;
	memcpy(x->data, name, name_size + 1);
	if (size > 0)
		memcpy(x->data + name_size + 1, value, size);
	return x;
}

void lease_xattr_link(struct lease *l, struct xattr *x)
{
	struct xattr **at = find(l, x->data), *old = *at;

	x->next = old != NULL ? old->next : NULL;
	*at = x;
	free(old);
}

void xattr_free_all(struct xattr *x)
{
	while (x != NULL) {
		struct xattr *next = x->next;

		free(x);
		x = next;
	}
}

struct xattr *xattr_copy_all(const struct xattr *from)
{
	struct xattr *first = NULL, **at = &first;

	for (; from != NULL; from = from->next) {
		size_t size = sizeof *from + from->name_size + 1u + from->value_size;

		*at = malloc(size);
		if (*at == NULL) {
			xattr_free_all(first);
			return NULL;
		}
		memcpy(*at, from, size);
		(*at)->next = NULL;
		at = &(*at)->next;
	}
	return first;
}

int lease_xattr_put(struct lease *l, const char *name, const void *value, size_t size)
{
	struct xattr *x = xattr_new(name, value, size);

	if (x == NULL)
		return -ENOMEM;
	lease_xattr_link(l, x);
	return 0;
}

bool lease_xattr_drop(struct lease *l, const char *name)
{
	struct xattr **at = find(l, name), *old = *at;

	if (old == NULL)
		return false;
	*at = old->next;
	free(old);
	return true;
}
