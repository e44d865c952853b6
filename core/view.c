/* Reading: single objects, and the reports' walks. All from memory, under the lock for looking. */
#include "change.h"
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is visible ---------------------------------------------------------------------------------------- */

static struct cluster *cluster_of(const struct ipam *ipam, uint64_t id)
{
	struct cluster *c = registry_cluster(&ipam->registry, id);

	return c == NULL || c->pending ? NULL : c;
}

static struct node *node_of(const struct ipam *ipam, uint64_t id)
{
	struct node *n = registry_node(&ipam->registry, id);

	return n == NULL || n->pending ? NULL : n;
}

static struct lease *lease_of(const struct ipam *ipam, uint64_t id)
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
		c = cluster_of(ipam, id);
		if (c != NULL)
			object_of_cluster(c, out);
		return c != NULL ? 0 : -ENOENT;
	case IPAM_NODE:
		n = node_of(ipam, id);
		if (n != NULL)
			object_of_node(n, out);
		return n != NULL ? 0 : -ENOENT;
	default:
		l = lease_of(ipam, id);
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
		const struct cluster *c = cluster_of(ipam, parent);
		const struct node *n = c == NULL ? NULL : registry_node_named(r, c, name);

		if (n != NULL)
			rc = get(ipam, kind, n->id, out);
	} else if (kind == IPAM_LEASE) {
		const struct node *n = node_of(ipam, parent);
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
	if (kind == IPAM_CLUSTER && cluster_of(ipam, id) != NULL)
		name = cluster_of(ipam, id)->name;
	else if (kind == IPAM_NODE && node_of(ipam, id) != NULL)
		name = node_of(ipam, id)->name;
	else if (kind == IPAM_LEASE && lease_of(ipam, id) != NULL)
		name = lease_of(ipam, id)->name;
	if (name != NULL)
		strcpy(out, name); /* its length was checked when it was made */
	pthread_rwlock_unlock(&ipam->lock);
	return name != NULL ? 0 : -ENOENT;
}

/* ---- networks --------------------------------------------------------------------------------------------- */

static const struct network *network_of(const struct ipam *ipam, uint64_t id)
{
	const struct network *w = registry_network(&ipam->registry, id);

	return w == NULL || w->pending || w->node->pending ? NULL : w;
}

int ipam_network_find(struct ipam *ipam, uint64_t node, const char *name, uint64_t *id)
{
	const struct node *n;
	const struct network *w;
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	n = node_of(ipam, node);
	w = n == NULL ? NULL : registry_network_named(&ipam->registry, n, name);
	rc = w == NULL || w->pending ? -ENOENT : 0;
	if (rc == 0)
		*id = w->id;
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_network_node(struct ipam *ipam, uint64_t id, uint64_t *node, char name[IPAM_NAME_MAX + 1])
{
	const struct network *w;

	pthread_rwlock_rdlock(&ipam->lock);
	w = network_of(ipam, id);
	if (w != NULL) {
		*node = w->node->id;
		strcpy(name, w->name);
	}
	pthread_rwlock_unlock(&ipam->lock);
	return w != NULL ? 0 : -ENOENT;
}

int ipam_each_network(struct ipam *ipam, uint64_t node, int (*fn)(void *arg, uint64_t id, const char *name), void *arg)
{
	const struct registry *r = &ipam->registry;
	int rc = node_of(ipam, node) == NULL ? -ENOENT : 0;

	for (uint32_t i = 0; rc == 0 && i < r->networks; i++)
		if (r->network[i]->node->id == node && !r->network[i]->pending)
			rc = fn(arg, r->network[i]->id, r->network[i]->name);
	return rc;
}

int ipam_view_network(struct ipam *ipam, uint64_t id, struct ipam_network_view *out)
{
	const struct network *w = network_of(ipam, id);

	if (w == NULL)
		return -ENOENT;
	*out = (struct ipam_network_view){ .id = id, .node = w->node->id, .name = w->name, .lasts = w->lasts, .network = w };
	return 0;
}

unsigned ipam_view_network_range(const struct ipam_network_view *v, size_t i)
{
	const struct network *w = v->network;

	return w->last[i].range;
}

int ipam_network_last(struct ipam *ipam, uint64_t id, unsigned range, uint8_t *family, u128 *addr)
{
	const struct network_last *last;
	const struct network *w;

	pthread_rwlock_rdlock(&ipam->lock);
	w = network_of(ipam, id);
	last = w == NULL ? NULL : network_last(w, range);
	if (last != NULL) {
		*family = last->family;
		*addr = last->addr;
	}
	pthread_rwlock_unlock(&ipam->lock);
	return last != NULL ? 0 : -ENOENT;
}

static int children(struct ipam *ipam, enum ipam_kind kind, uint64_t id, uint64_t **ids, size_t *n)
{
	const struct registry *r = &ipam->registry;
	const struct cluster *c = kind == IPAM_CLUSTER ? cluster_of(ipam, id) : NULL;
	const struct node *node = kind == IPAM_NODE ? node_of(ipam, id) : NULL;
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
	l = lease_of(ipam, id);
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
	l = lease_of(ipam, id);
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
	n = kind == IPAM_NODE ? node_of(ipam, id) : NULL;
	c = n != NULL ? n->cluster : kind == IPAM_CLUSTER ? cluster_of(ipam, id) : NULL;
	h = c == NULL ? 0 : registry_holder(r, c, family, addr);
	if (h != 0 && (registry_lease(r, h)->pending || (n != NULL && lease_node(r, registry_lease(r, h)) != n)))
		h = 0;
	if (h != 0)
		*lease = registry_lease(r, h)->id;
	pthread_rwlock_unlock(&ipam->lock);
	return h != 0 ? 0 : -ENOENT;
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

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
	const struct cluster *c = cluster_of(ipam, id);

	if (c == NULL)
		return -ENOENT;
	view_cluster(c, out);
	return 0;
}

int ipam_view_cidr(struct ipam *ipam, uint64_t cluster, size_t i, struct ipam_cidr_view *out)
{
	const struct cluster *c = cluster_of(ipam, cluster);

	if (c == NULL || i >= c->cidrs)
		return -ENOENT;
	*out = (struct ipam_cidr_view){ c->cidr[i]->cidr, c->cidr[i]->node_mask, c->cidr[i]->selector,
					pool_capacity(&c->cidr[i]->pool), c->cidr[i]->pool.used };
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
	const struct cluster *c = cluster_of(ipam, cluster);
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
	const struct node *n = node_of(ipam, id);

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

int ipam_each_block(struct ipam *ipam, enum ipam_kind kind, uint64_t id,
		    int (*fn)(void *arg, const struct ipam_block_view *), void *arg)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? cluster_of(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? node_of(ipam, id) : NULL;
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
	const struct cluster *c = kind == IPAM_CLUSTER ? cluster_of(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? node_of(ipam, id) : NULL;
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
		return b->resting > 0 && registry_holder(&ipam->registry, b->node->cluster, b->pool.prefix.family, addr) == 0
			       ? IPAM_SLOT_RESTING
			       : IPAM_SLOT_LEASED;
	if (view->has_gateway && addr == view->gateway)
		return IPAM_SLOT_GATEWAY;
	return pool_excluded(&b->pool, slot) ? IPAM_SLOT_RESERVED : IPAM_SLOT_FREE;
}

/* ---- numbers ---------------------------------------------------------------------------------------------- */

static u128 add(u128 a, u128 b)
{
	return a > U128_MAX - b ? U128_MAX : a + b;
}

static void count_block(const struct block *b, struct ipam_family *out)
{
	out->addresses = add(out->addresses, pool_capacity(&b->pool));
	out->used = add(out->used, b->pool.used - b->resting);
	out->resting = add(out->resting, b->resting);
}

/* Of so many leases that there are addresses for. */
static u128 within_quota(const struct node *n, u128 free)
{
	uint64_t most = node_setting(n, IPAM_MAX_LEASES), left = most > n->leases ? most - n->leases : 0;

	return most > 0 && left < free ? left : free;
}

/* Of one node: its numbers are added to *out; *scarce is the family that decides. */
static void count_node(const struct node *n, struct ipam_stats *out, struct ipam_usage *scarce)
{
	struct ipam_usage family[CIDR_FAMILIES] = { 0 };
	bool has[CIDR_FAMILIES] = { false }, any = false;

	out->nodes++;
	out->leases += n->leases;
	for (uint32_t i = 0; i < n->blocks; i++) {
		const struct block *b = n->block[i];
		struct ipam_usage *u = &family[b->pool.prefix.family];

		has[b->pool.prefix.family] = true;
		count_block(b, &out->family[b->pool.prefix.family]);
		out->blocks_used++;
		out->addresses = add(out->addresses, pool_capacity(&b->pool));
		out->addresses_used = add(out->addresses_used, b->pool.used - b->resting);
		out->addresses_resting = add(out->addresses_resting, b->resting);
		u->total = add(u->total, pool_capacity(&b->pool));
		u->used = add(u->used, b->pool.used);
		u->free = add(u->free, pool_free(&b->pool));
	}
	*scarce = (struct ipam_usage){ 0 };
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (has[f] && (!any || family[f].free < scarce->free)) {
			*scarce = family[f];
			any = true;
		}
	out->leases_free = add(out->leases_free, within_quota(n, scarce->free));
}

static void count_cluster(const struct cluster *c, struct ipam_stats *out)
{
	struct ipam_usage family[CIDR_FAMILIES] = { 0 }, ignored;
	bool has[CIDR_FAMILIES] = { false }, any = false;

	for (size_t i = 0; i < c->cidrs; i++) {
		const struct pool *p = &c->cidr[i]->pool;
		struct ipam_usage *u = &family[p->prefix.family];

		has[p->prefix.family] = true;
		out->family[p->prefix.family].blocks = add(out->family[p->prefix.family].blocks, pool_capacity(p));
		out->family[p->prefix.family].blocks_used = add(out->family[p->prefix.family].blocks_used, p->used);
		out->blocks = add(out->blocks, pool_capacity(p));
		u->total = add(u->total, pool_capacity(p));
		u->used = add(u->used, p->used);
		u->free = add(u->free, pool_free(p));
	}
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (has[f] && (!any || family[f].free < out->usage.free)) {
			out->usage = family[f];
			any = true;
		}
	for (const struct node *n = c->first; n != NULL; n = n->next)
		if (!n->pending)
			count_node(n, out, &ignored);
}

static int count(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? cluster_of(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? node_of(ipam, id) : NULL;

	if (n != NULL) {
		count_node(n, out, &out->usage);
		out->blocks = out->blocks_used;
	} else if (c != NULL) {
		out->clusters = 1;
		count_cluster(c, out);
	} else if (kind == IPAM_ROOT) {
		for (c = ipam->registry.first; c != NULL; c = c->next) {
			if (c->pending)
				continue;
			out->clusters++;
			count_cluster(c, out);
		}
		out->usage = (struct ipam_usage){ add(out->leases, out->leases_free), out->leases, out->leases_free };
	} else {
		return -ENOENT;
	}
	return 0;
}

int ipam_view_stats(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out)
{
	*out = (struct ipam_stats){ 0 };
	return count(ipam, kind, id, out);
}

int ipam_stats(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out)
{
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	rc = ipam_view_stats(ipam, kind, id, out);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_setting(struct ipam *ipam, enum ipam_kind kind, uint64_t id, enum ipam_setting setting, char out[32],
		 bool *inherited)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? cluster_of(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? node_of(ipam, id) : NULL;
	const struct settings *own = c != NULL ? &c->settings : n != NULL ? &n->settings : NULL;

	if (own == NULL)
		return -ENOENT;
	*inherited = (own->set & 1u << setting) == 0;
	settings_print(setting, settings_value(own, n != NULL ? &n->cluster->settings : NULL, setting), out);
	return 0;
}
