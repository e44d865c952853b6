/* xattr — attributes of a lease; names without "user." */
#ifndef IPAM_REGISTRY_XATTR_H
#define IPAM_REGISTRY_XATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lease;

struct xattr {
	struct xattr *next;
	uint32_t value_size;
	uint16_t name_size;
	char data[]; /* name, NUL, value */
};

struct xattr *lease_xattr(const struct lease *l, const char *name);
size_t lease_xattr_bytes(const struct lease *l);
int lease_xattr_put(struct lease *l, const char *name, const void *value, size_t size); /* -ENOMEM */
/* The two steps of it, of which the second can't fail: the lease owns it then. */
struct xattr *xattr_new(const char *name, const void *value, size_t size); /* NULL: no memory */
void lease_xattr_link(struct lease *l, struct xattr *x);
void xattr_free_all(struct xattr *x);
struct xattr *xattr_copy_all(const struct xattr *from); /* NULL: no memory, or there are none */
bool lease_xattr_drop(struct lease *l, const char *name);

static inline const char *xattr_value(const struct xattr *x)
{
	return x->data + x->name_size + 1;
}

#endif
