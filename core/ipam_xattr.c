/* Attributes of a lease: visible at once, written behind. */
#include "ipam.h"

#include "engine/commit.h"
#include "engine/engine.h"
#include "engine/writeback.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "view/snapshot.h"

#include <errno.h>
#include <string.h>

static struct lease *visible(const struct ipam *ipam, uint64_t id)
{
	uint32_t h = registry_find_lease(&ipam->registry, id);

	return h == 0 || registry_lease(&ipam->registry, h)->pending ? NULL : registry_lease(&ipam->registry, h);
}

static int set_xattr(struct ipam *ipam, uint64_t lease, const char *name, const void *value, size_t size, int flags, struct ipam_by by)
{
	enum { CREATE = 1, REPLACE = 2 }; /* XATTR_*, which sys/xattr.h defines */
	struct lease *l = visible(ipam, lease);
	const struct xattr *old;
	size_t bytes;
	int rc;

	if (l == NULL)
		return -ENOENT;
	rc = node_writable(lease_node(&ipam->registry, l));
	if (rc < 0)
		return rc;
	old = lease_xattr(l, name);
	if (old != NULL && flags & CREATE)
		return -EEXIST;
	if (old == NULL && flags & REPLACE)
		return -ENODATA;
	bytes = lease_xattr_bytes(l) + strlen(name) + size;
	if (old != NULL)
		bytes -= (size_t)old->name_size + old->value_size;
	if (bytes > IPAM_XATTR_BUDGET)
		return -ENOSPC;
	rc = behind_room(ipam);
	if (rc == 0)
		snapshot_keep(ipam, registry_find_lease(&ipam->registry, lease));
	if (rc == 0)
		rc = lease_xattr_put(l, name, value, size);
	if (rc == 0) {
		l->generation++;
		l->ctime = engine_now();
		behind_mark(ipam, l, &by);
	}
	return rc;
}

int ipam_xattr_set(struct ipam *ipam, uint64_t lease, const char *name, const void *value, size_t size, int flags, struct ipam_by by)
{
	int rc;

	if (ipam->options.read_only)
		return -EROFS;
	if (name[0] == 0 || size > IPAM_XATTR_BUDGET)
		return name[0] == 0 ? -EINVAL : -ENOSPC;
	pthread_rwlock_wrlock(&ipam->lock);
	rc = set_xattr(ipam, lease, name, value, size, flags, by);
	pthread_rwlock_unlock(&ipam->lock);
	if (rc == 0)
		commit_behind(ipam);
	return rc;
}

int ipam_xattr_remove(struct ipam *ipam, uint64_t lease, const char *name, struct ipam_by by)
{
	struct lease *l;
	int rc;

	if (ipam->options.read_only)
		return -EROFS;
	pthread_rwlock_wrlock(&ipam->lock);
	l = visible(ipam, lease);
	rc = l == NULL ? -ENOENT : node_writable(lease_node(&ipam->registry, l));
	if (rc == 0)
		rc = behind_room(ipam);
	if (rc == 0)
		snapshot_keep(ipam, registry_find_lease(&ipam->registry, lease));
	if (rc == 0 && !lease_xattr_drop(l, name))
		rc = -ENODATA;
	if (rc == 0) {
		l->generation++;
		l->ctime = engine_now();
		behind_mark(ipam, l, &by);
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (rc == 0)
		commit_behind(ipam);
	return rc;
}

int ipam_xattr_get(struct ipam *ipam, uint64_t lease, const char *name, void *value, size_t size)
{
	const struct lease *l;
	const struct xattr *x;
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	l = visible(ipam, lease);
	x = l == NULL ? NULL : lease_xattr(l, name);
	if (l == NULL)
		rc = -ENOENT;
	else if (x == NULL)
		rc = -ENODATA;
	else if (size > 0 && size < x->value_size)
		rc = -ERANGE;
	else
		rc = (int)x->value_size;
	if (rc > 0 && size > 0)
		memcpy(value, xattr_value(x), x->value_size);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_xattr_list(struct ipam *ipam, uint64_t lease, char *list, size_t size)
{
	const struct lease *l;
	size_t n = 0;
	int rc = 0;

	pthread_rwlock_rdlock(&ipam->lock);
	l = visible(ipam, lease);
	if (l == NULL)
		rc = -ENOENT;
	for (const struct xattr *x = l == NULL ? NULL : l->xattr; x != NULL; x = x->next) {
		if (size > 0 && n + x->name_size + 1u <= size)
			memcpy(list + n, x->data, x->name_size + 1u);
		n += x->name_size + 1u;
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (rc == 0)
		rc = size > 0 && n > size ? -ERANGE : (int)n;
	return rc;
}
