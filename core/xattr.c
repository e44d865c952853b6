#include "registry.h"

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

int lease_xattr_put(struct lease *l, const char *name, const void *value, size_t size)
{
	struct xattr **at = find(l, name), *old = *at;
	size_t name_size = strlen(name);
	struct xattr *x = malloc(sizeof *x + name_size + 1 + size);

	if (x == NULL)
		return -ENOMEM;
	x->next = old != NULL ? old->next : NULL;
	x->name_size = (uint16_t)name_size;
	x->value_size = (uint32_t)size;
	memcpy(x->data, name, name_size + 1);
	if (size > 0)
		memcpy(x->data + name_size + 1, value, size);
	*at = x;
	free(old);
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
