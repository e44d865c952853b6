/* Reading single objects. */
#include "view/view.h"

#include "engine/change.h"
#include "engine/engine.h"
#include "registry/block.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "text/settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is visible ---------------------------------------------------------------------------------------- */

struct cluster *view_visible_cluster(const struct ipam *ipam, uint64_t id)
{
	struct cluster *c = registry_cluster(&ipam->registry, id);

	return c == NULL || c->pending ? NULL : c;
}

struct node *view_visible_node(const struct ipam *ipam, uint64_t id)
{
	struct node *n = registry_node(&ipam->registry, id);

	return n == NULL || n->pending ? NULL : n;
}

static struct lease *view_visible_lease(const struct ipam *ipam, uint64_t id)
{
	uint32_t h = registry_find_lease(&ipam->registry, id);
	struct lease *l = h == 0 ? NULL : registry_lease(&ipam->registry, h);

	return l == NULL || l->pending ? NULL : l;
}

/* ---- objects ---------------------------------------------------------------------------------------------- */

static void object_of_root(const struct ipam *ipam, struct ipam_object *out)
{
	*out = (struct ipam_object){
		.kind = IPAM_ROOT,
		.id = IPAM_ROOT_ID,
		.parent = IPAM_ROOT_ID,
		.attr = { .uid = geteuid(), .gid = getegid(), .mode = 0755 }, /* whoever mounts it */
		.children = ipam->registry.clusters,
	};
	for (const struct cluster *c = ipam->registry.first; c != NULL; c = c->next)
		if (c->attr.btime > out->attr.mtime)
			out->attr.atime = out->attr.mtime = out->attr.ctime = c->attr.btime;
	if (ipam->clusters_changed > out->attr.mtime)
		out->attr.mtime = out->attr.ctime = ipam->clusters_changed;
}

static int get(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_object *out)
{
	const struct cluster *c;
	const struct node *n;
	const struct lease *l;

	switch (kind) {
	case IPAM_ROOT:
		object_of_root(ipam, out);
		return 0;
	case IPAM_CLUSTER:
		c = view_visible_cluster(ipam, id);
		if (c != NULL)
			object_of_cluster(c, out);
		return c != NULL ? 0 : -ENOENT;
	case IPAM_NODE:
		n = view_visible_node(ipam, id);
		if (n != NULL)
			object_of_node(n, out);
		return n != NULL ? 0 : -ENOENT;
	default:
		l = view_visible_lease(ipam, id);
		if (l != NULL)
			object_of_lease(&ipam->registry, l, out);
		return l != NULL ? 0 : -ENOENT;
	}
}

int ipam_get(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_object *out)
{
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	rc = get(ipam, kind, id, out);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

static int changed(const struct ipam *ipam, enum ipam_kind kind, uint64_t id, int64_t *out)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;

	*out = ipam->opened;
	if (kind == IPAM_ROOT)
		*out = ipam->changed;
	else if (c != NULL && c->changed > *out)
		*out = c->changed;
	if (n != NULL && n->changed > *out)
		*out = n->changed;
	if (n != NULL && n->cluster->widely > *out)
		*out = n->cluster->widely;
	return kind == IPAM_ROOT || c != NULL || n != NULL ? 0 : -ENOENT;
}

int ipam_changed(struct ipam *ipam, enum ipam_kind kind, uint64_t id, int64_t *out)
{
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	rc = changed(ipam, kind, id, out);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_lookup(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_object *out)
{
	const struct registry *r = &ipam->registry;
	int rc = -ENOENT;

	pthread_rwlock_rdlock(&ipam->lock);
	if (kind == IPAM_CLUSTER) {
		const struct cluster *c = registry_cluster_named(r, name);

		if (c != NULL)
			rc = get(ipam, kind, c->id, out);
	} else if (kind == IPAM_NODE) {
		const struct cluster *c = view_visible_cluster(ipam, parent);
		const struct node *n = c == NULL ? NULL : registry_node_named(r, c, name);

		if (n != NULL)
			rc = get(ipam, kind, n->id, out);
	} else if (kind == IPAM_LEASE) {
		const struct node *n = view_visible_node(ipam, parent);
		uint32_t h = n == NULL ? 0 : registry_lease_named(r, n, name);

		/* One that has ended is open to nobody, though its release is still to be stored. */
		if (h != 0 && !registry_lease(r, h)->dropped)
			rc = get(ipam, kind, registry_lease(r, h)->id, out);
	}
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_name(struct ipam *ipam, enum ipam_kind kind, uint64_t id, char out[IPAM_NAME_MAX + 1])
{
	const char *name = NULL;

	pthread_rwlock_rdlock(&ipam->lock);
	if (kind == IPAM_CLUSTER && view_visible_cluster(ipam, id) != NULL)
		name = view_visible_cluster(ipam, id)->name;
	else if (kind == IPAM_NODE && view_visible_node(ipam, id) != NULL)
		name = view_visible_node(ipam, id)->name;
	else if (kind == IPAM_LEASE && view_visible_lease(ipam, id) != NULL)
		name = view_visible_lease(ipam, id)->name;
	if (name != NULL)
		strcpy(out, name); /* its length was checked when it was made */
	pthread_rwlock_unlock(&ipam->lock);
	return name != NULL ? 0 : -ENOENT;
}

/* ---- what is in them ----------------------------------------------------------------------------------------- */

static int children(struct ipam *ipam, enum ipam_kind kind, uint64_t id, uint64_t **ids, size_t *n)
{
	const struct registry *r = &ipam->registry;
	const struct cluster *c = kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	const struct node *node = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;
	size_t most = kind == IPAM_ROOT ? r->clusters : c != NULL ? c->nodes : node != NULL ? node->leases : 0;

	if (kind == IPAM_LEASE || (kind != IPAM_ROOT && c == NULL && node == NULL))
		return -ENOENT;
	*n = 0;
	*ids = calloc(most + 1, sizeof **ids);
	if (*ids == NULL)
		return -ENOMEM;
	if (kind == IPAM_ROOT) {
		for (c = r->first; c != NULL; c = c->next)
			if (!c->pending)
				(*ids)[(*n)++] = c->id;
	} else if (c != NULL) {
		for (node = c->first; node != NULL; node = node->next)
			if (!node->pending)
				(*ids)[(*n)++] = node->id;
	} else {
		for (uint32_t h = node->first; h != 0; h = registry_lease(r, h)->next)
			if (!registry_lease(r, h)->pending)
				(*ids)[(*n)++] = registry_lease(r, h)->id;
	}
	return 0;
}

int ipam_children(struct ipam *ipam, enum ipam_kind kind, uint64_t id, uint64_t **ids, size_t *n)
{
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	rc = children(ipam, kind, id, ids, n);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

/* ---- leases ----------------------------------------------------------------------------------------------- */

int ipam_lease(struct ipam *ipam, uint64_t id, struct ipam_lease_info *out)
{
	const struct registry *r = &ipam->registry;
	const struct lease *l;

	pthread_rwlock_rdlock(&ipam->lock);
	l = view_visible_lease(ipam, id);
	if (l != NULL) {
		const struct node *n = lease_node(r, l);

		*out = (struct ipam_lease_info){ .node = n->id, .cluster = n->cluster->id, .generation = l->generation };
		object_of_lease(r, l, &out->object);
		memcpy(out->boot_id, r->boot[l->boot].boot_id, IPAM_BOOT_ID);
		for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
			const struct block *b = lease_has(l, f) ? node_block_of(n, f, lease_addr(l, f)) : NULL;

			if (b == NULL)
				continue;
			out->has[f] = true;
			out->addr[f] = lease_addr(l, f);
			out->len[f] = b->pool.prefix.len;
			out->has_gateway[f] = node_setting(n, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST;
			out->gateway[f] = block_gateway(b);
		}
	}
	pthread_rwlock_unlock(&ipam->lock);
	return l != NULL ? 0 : -ENOENT;
}

int ipam_lease_text(struct ipam *ipam, uint64_t id, char out[IPAM_LEASE_TEXT])
{
	const struct lease *l;
	int rc = -ENOENT;

	pthread_rwlock_rdlock(&ipam->lock);
	l = view_visible_lease(ipam, id);
	if (l != NULL)
		rc = (int)lease_text(&ipam->registry, l, out);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_holder(struct ipam *ipam, enum ipam_kind kind, uint64_t id, unsigned family, u128 addr, uint64_t *lease)
{
	const struct registry *r = &ipam->registry;
	const struct node *n;
	const struct cluster *c;
	uint32_t h;

	pthread_rwlock_rdlock(&ipam->lock);
	n = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;
	c = n != NULL ? n->cluster : kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	h = c == NULL ? 0 : registry_holder(r, c, family, addr);
	if (h != 0 && (registry_lease(r, h)->pending || (n != NULL && lease_node(r, registry_lease(r, h)) != n)))
		h = 0;
	if (h != 0)
		*lease = registry_lease(r, h)->id;
	pthread_rwlock_unlock(&ipam->lock);
	return h != 0 ? 0 : -ENOENT;
}
