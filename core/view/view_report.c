/* What reports walk: the caller holds the lock for looking. */
#include "view/view_report.h"

#include "engine/engine.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "text/settings.h"
#include "view/view.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

void ipam_read_begin(struct ipam *ipam)
{
	pthread_rwlock_rdlock(&ipam->lock);
}

void ipam_read_end(struct ipam *ipam)
{
	pthread_rwlock_unlock(&ipam->lock);
}

static void view_cluster(const struct cluster *c, struct ipam_cluster_view *out)
{
	*out = (struct ipam_cluster_view){ c->id, c->name, c->attr, c->cidrs, c->reserved, c->reserveds, c->nodes, c->leases };
}

int ipam_each_cluster(struct ipam *ipam, int (*fn)(void *arg, const struct ipam_cluster_view *), void *arg)
{
	int rc = 0;

	for (const struct cluster *c = ipam->registry.first; rc == 0 && c != NULL; c = c->next) {
		struct ipam_cluster_view view;

		if (c->pending)
			continue;
		view_cluster(c, &view);
		rc = fn(arg, &view);
	}
	return rc;
}

int ipam_view_cluster(struct ipam *ipam, uint64_t id, struct ipam_cluster_view *out)
{
	const struct cluster *c = view_visible_cluster(ipam, id);

	if (c == NULL)
		return -ENOENT;
	view_cluster(c, out);
	return 0;
}

int ipam_view_cidr(struct ipam *ipam, uint64_t cluster, size_t i, struct ipam_cidr_view *out)
{
	const struct cluster *c = view_visible_cluster(ipam, cluster);

	if (c == NULL || i >= c->cidrs)
		return -ENOENT;
	*out = (struct ipam_cidr_view){ c->cidr[i]->cidr, c->cidr[i]->node_mask, c->cidr[i]->selector, pool_capacity(&c->cidr[i]->pool),
					c->cidr[i]->pool.used };
	return 0;
}

void view_node(const struct node *n, struct ipam_node_view *out)
{
	*out = (struct ipam_node_view){
		.shared = n->shared != 0,
		.here = n->held == NODE_HELD_HERE,
		.there = n->held == NODE_HELD_THERE,
		.published = n->published,
		.id = n->id,
		.cluster = n->cluster->id,
		.name = n->name,
		.attr = n->attr,
		.labels = n->labels == NULL ? "" : n->labels,
		.blocks = n->blocks,
		.leases = n->leases,
	};
}

int ipam_each_node(struct ipam *ipam, uint64_t cluster, int (*fn)(void *arg, const struct ipam_node_view *), void *arg)
{
	const struct cluster *c = view_visible_cluster(ipam, cluster);
	int rc = c == NULL ? -ENOENT : 0;

	for (const struct node *n = c == NULL ? NULL : c->first; rc == 0 && n != NULL; n = n->next) {
		struct ipam_node_view view;

		if (n->pending)
			continue;
		view_node(n, &view);
		rc = fn(arg, &view);
	}
	return rc;
}

int ipam_view_node(struct ipam *ipam, uint64_t id, struct ipam_node_view *out)
{
	const struct node *n = view_visible_node(ipam, id);

	if (n == NULL)
		return -ENOENT;
	view_node(n, out);
	return 0;
}

static void view_block(const struct block *b, struct ipam_block_view *out)
{
	*out = (struct ipam_block_view){
		.cidr = b->pool.prefix,
		.node = b->node->id,
		.node_name = b->node->name,
		.used = b->pool.used - b->resting,
		.capacity = pool_capacity(&b->pool),
		.resting = b->resting,
		.has_gateway = node_setting(b->node, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST,
		.gateway = block_gateway(b),
		.block = b,
	};
}

static int by_cidr(const void *a, const void *b)
{
	const struct block *const *x = a, *const *y = b;

	return cidr_compare(&(*x)->pool.prefix, &(*y)->pool.prefix);
}

static size_t gather(const struct node *n, const struct block **list)
{
	size_t count = 0;

	for (uint32_t i = 0; !n->pending && i < n->blocks; i++)
		if (!n->block[i]->pending)
			list[count++] = n->block[i];
	return count;
}

int ipam_each_block(struct ipam *ipam, enum ipam_kind kind, uint64_t id, int (*fn)(void *arg, const struct ipam_block_view *), void *arg)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;
	const struct block **list;
	size_t most = n != NULL ? n->blocks : 0, count = 0;
	int rc = 0;

	if (c == NULL && n == NULL)
		return -ENOENT;
	for (const struct node *i = c != NULL ? c->first : NULL; i != NULL; i = i->next)
		most += i->blocks;
	list = calloc(most + 1, sizeof *list);
	if (list == NULL)
		return -ENOMEM;
	if (n != NULL)
		count = gather(n, list);
	for (const struct node *i = c != NULL ? c->first : NULL; i != NULL; i = i->next)
		count += gather(i, list + count);
	if (c != NULL)
		qsort(list, count, sizeof *list, by_cidr);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct ipam_block_view view;

		view_block(list[i], &view);
		rc = fn(arg, &view);
	}
	free(list);
	return rc;
}

void view_lease(const struct registry *r, const struct lease *l, struct ipam_lease_view *out)
{
	const struct node *n = lease_node(r, l);

	*out = (struct ipam_lease_view){
		.id = l->id,
		.node = n->id,
		.cluster = n->cluster->id,
		.name = l->name,
		.node_name = n->name,
		.cluster_name = n->cluster->name,
		.attr = { l->uid, l->gid, l->mode, l->atime, l->mtime, l->ctime, l->btime },
		.generation = l->generation,
		.ephemeral = l->ephemeral,
		.boot_id = r->boot[l->boot].boot_id,
		.lease = l,
	};
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		const struct block *b = lease_has(l, f) ? node_block_of(n, f, lease_addr(l, f)) : NULL;

		out->has[f] = b != NULL;
		out->addr[f] = b != NULL ? lease_addr(l, f) : 0;
		out->len[f] = b != NULL ? b->pool.prefix.len : 0;
	}
}

static int each_of_node(struct ipam *ipam, const struct node *n, ipam_lease_fn *fn, void *arg)
{
	const struct registry *r = &ipam->registry;
	int rc = 0;

	for (uint32_t h = n->pending ? 0 : n->first; rc == 0 && h != 0; h = registry_lease(r, h)->next) {
		struct ipam_lease_view view;

		if (registry_lease(r, h)->pending)
			continue;
		view_lease(r, registry_lease(r, h), &view);
		rc = fn(arg, &view);
	}
	return rc;
}

static int each_of_cluster(struct ipam *ipam, const struct cluster *c, ipam_lease_fn *fn, void *arg)
{
	int rc = 0;

	for (const struct node *n = c->first; rc == 0 && n != NULL; n = n->next)
		rc = each_of_node(ipam, n, fn, arg);
	return rc;
}

int ipam_each_lease(struct ipam *ipam, enum ipam_kind kind, uint64_t id, ipam_lease_fn *fn, void *arg)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;
	int rc = 0;

	if (n != NULL)
		return each_of_node(ipam, n, fn, arg);
	if (c != NULL)
		return each_of_cluster(ipam, c, fn, arg);
	if (kind != IPAM_ROOT)
		return -ENOENT;
	for (c = ipam->registry.first; rc == 0 && c != NULL; c = c->next)
		rc = each_of_cluster(ipam, c, fn, arg);
	return rc;
}

const void *ipam_next_xattr(const struct ipam_lease_view *lease, const void *at, struct ipam_attribute *out)
{
	const struct xattr *x = at == NULL ? ((const struct lease *)lease->lease)->xattr : ((const struct xattr *)at)->next;

	if (x != NULL)
		*out = (struct ipam_attribute){ x->data, xattr_value(x), x->value_size };
	return x;
}

const char *ipam_view_xattr(const struct ipam_lease_view *lease, const char *name, size_t *size)
{
	const struct xattr *x = lease_xattr(lease->lease, name);

	if (x == NULL)
		return NULL;
	*size = x->value_size;
	return xattr_value(x);
}

enum ipam_slot ipam_block_state(struct ipam *ipam, const struct ipam_block_view *view, u128 addr)
{
	const struct block *b = view->block;
	u128 slot = addr - b->pool.prefix.base;

	if (pool_taken(&b->pool, slot))
		return b->resting > 0 && registry_holder(&ipam->registry, b->node->cluster, b->pool.prefix.family, addr) == 0 ?
			       IPAM_SLOT_RESTING :
			       IPAM_SLOT_LEASED;
	if (view->has_gateway && addr == view->gateway)
		return IPAM_SLOT_GATEWAY;
	return pool_excluded(&b->pool, slot) ? IPAM_SLOT_RESERVED : IPAM_SLOT_FREE;
}
