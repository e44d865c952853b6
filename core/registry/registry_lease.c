/* Leases, by id, name and address. */
#include "registry/registry_lease.h"

#include "base/index.h"
#include "registry/registry.h"
#include "registry/registry_part.h"
#include "registry/xattr.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ------------------------------------------------------------------------------------------------- */

static uint64_t lease_id_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;

	return registry_hash_id(r, registry_lease(r, h)->id);
}

static bool lease_id_match(const void *arg, uint32_t h, const void *key)
{
	return registry_lease(arg, h)->id == *(const uint64_t *)key;
}

static uint64_t lease_name_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;
	const struct lease *l = registry_lease(r, h);

	return registry_hash_name(r, l->node, l->name);
}

static bool lease_name_match(const void *arg, uint32_t h, const void *key)
{
	const struct lease *l = registry_lease(arg, h);
	const struct registry_name *k = key;

	return l->node == k->parent && strcmp(l->name, k->name) == 0;
}

static uint64_t hash_addr(const struct registry *r, u128 addr)
{
	return index_hash_u64(index_hash_u64(r->seed, (uint64_t)(addr >> 64)), (uint64_t)addr);
}

static uint64_t lease_ip4_hash(const void *arg, uint32_t h)
{
	const struct cluster *c = arg;

	return hash_addr(c->registry, lease_addr(registry_lease(c->registry, h), CIDR_V4));
}

static bool lease_ip4_match(const void *arg, uint32_t h, const void *key)
{
	const struct cluster *c = arg;

	return lease_addr(registry_lease(c->registry, h), CIDR_V4) == *(const u128 *)key;
}

static uint64_t lease_ip6_hash(const void *arg, uint32_t h)
{
	const struct cluster *c = arg;

	return hash_addr(c->registry, lease_addr(registry_lease(c->registry, h), CIDR_V6));
}

static bool lease_ip6_match(const void *arg, uint32_t h, const void *key)
{
	const struct cluster *c = arg;

	return lease_addr(registry_lease(c->registry, h), CIDR_V6) == *(const u128 *)key;
}

/* ---- life ------------------------------------------------------------------------------------------------- */

void registry_init_leases(struct registry *r)
{
	index_init(&r->lease_by_id, lease_id_hash, r);
	index_init(&r->lease_by_name, lease_name_hash, r);
}

void registry_init_addresses(struct cluster *c)
{
	index_init(&c->by_addr[CIDR_V4], lease_ip4_hash, c);
	index_init(&c->by_addr[CIDR_V6], lease_ip6_hash, c);
}

static void free_xattrs(struct lease *l)
{
	while (l->xattr != NULL) {
		struct xattr *x = l->xattr;

		l->xattr = x->next;
		free(x);
	}
}

void registry_free_leases(struct registry *r, struct node *n)
{
	for (uint32_t h = n->first; h != 0; h = registry_lease(r, h)->next) {
		free(registry_lease(r, h)->name);
		free_xattrs(registry_lease(r, h));
	}
}

void registry_close_leases(struct registry *r)
{
	for (uint32_t i = 0; i < r->chunks; i++)
		free(r->chunk[i]);
	free(r->chunk);
	index_close(&r->lease_by_id);
	index_close(&r->lease_by_name);
}

/* ---- leases ----------------------------------------------------------------------------------------------- */

static int lease_handle(struct registry *r, uint32_t *out)
{
	if (r->lease_free != 0) {
		*out = r->lease_free;
		r->lease_free = registry_lease(r, *out)->next;
		return 0;
	}
	if (r->lease_handles == r->chunks * LEASE_CHUNK) {
		struct lease **bigger = reallocarray(r->chunk, r->chunks + 1, sizeof *bigger);

		if (bigger == NULL || r->chunks == UINT32_MAX / LEASE_CHUNK)
			return -ENOMEM;
		r->chunk = bigger;
		r->chunk[r->chunks] = malloc(LEASE_CHUNK * sizeof **r->chunk);
		if (r->chunk[r->chunks] == NULL)
			return -ENOMEM;
		r->chunks++;
		if (r->lease_handles == 0)
			r->lease_handles = 1; /* 0 is none */
	}
	*out = r->lease_handles++;
	return 0;
}

static void free_lease_handle(struct registry *r, uint32_t h)
{
	struct lease *l = registry_lease(r, h);

	memset(l, 0, sizeof *l);
	l->next = r->lease_free;
	r->lease_free = h;
}

int registry_add_lease(struct registry *r, struct node *n, uint64_t id, const char *name, uint32_t *out)
{
	struct lease *l;
	uint32_t h;
	char *copy;
	int rc;

	if (registry_find_lease(r, id) != 0 || registry_lease_named(r, n, name) != 0)
		return -EEXIST;
	if ((rc = index_reserve(&r->lease_by_id, 1)) < 0 || (rc = index_reserve(&r->lease_by_name, 1)) < 0)
		return rc;
	copy = strdup(name);
	if (copy == NULL || lease_handle(r, &h) < 0) {
		free(copy);
		return -ENOMEM;
	}
	l = registry_lease(r, h);
	*l = (struct lease){ .id = id, .node = n->handle, .name = copy, .prev = n->last };
	*(n->last != 0 ? &registry_lease(r, n->last)->next : &n->first) = h;
	n->last = h;
	n->leases++;
	n->cluster->leases++;
	r->leases++;
	index_add(&r->lease_by_id, h);
	index_add(&r->lease_by_name, h);
	*out = h;
	return 0;
}

void registry_remove_lease(struct registry *r, uint32_t h)
{
	struct lease *l = registry_lease(r, h);
	struct node *n = lease_node(r, l);

	assert(l->has == 0);
	index_remove(&r->lease_by_id, h);
	index_remove(&r->lease_by_name, h);
	*(l->prev != 0 ? &registry_lease(r, l->prev)->next : &n->first) = l->next;
	*(l->next != 0 ? &registry_lease(r, l->next)->prev : &n->last) = l->prev;
	n->leases--;
	n->cluster->leases--;
	r->leases--;
	free(l->name);
	free_xattrs(l);
	free_lease_handle(r, h);
}

int registry_rename_lease(struct registry *r, uint32_t h, const char *name)
{
	struct lease *l = registry_lease(r, h);
	char *copy = strdup(name);

	if (copy == NULL)
		return -ENOMEM;
	index_remove(&r->lease_by_name, h);
	free(l->name);
	l->name = copy;
	return index_add(&r->lease_by_name, h);
}

uint32_t registry_find_lease(const struct registry *r, uint64_t id)
{
	return index_find(&r->lease_by_id, registry_hash_id(r, id), lease_id_match, &id);
}

uint32_t registry_lease_named(const struct registry *r, const struct node *n, const char *name)
{
	struct registry_name key = { n->handle, name };

	return index_find(&r->lease_by_name, registry_hash_name(r, n->handle, name), lease_name_match, &key);
}

uint32_t registry_holder(const struct registry *r, const struct cluster *c, unsigned family, u128 addr)
{
	return index_find(&c->by_addr[family], hash_addr(r, addr), family == CIDR_V4 ? lease_ip4_match : lease_ip6_match, &addr);
}

int registry_set_addr(struct registry *r, uint32_t h, unsigned family, u128 addr)
{
	struct lease *l = registry_lease(r, h);
	struct cluster *c = lease_node(r, l)->cluster;
	int rc;

	assert(!lease_has(l, family));
	if (registry_holder(r, c, family, addr) != 0)
		return -EADDRINUSE;
	if ((rc = index_reserve(&c->by_addr[family], 1)) < 0)
		return rc;
	if (family == CIDR_V4) {
		l->ip4 = (uint32_t)addr;
	} else {
		l->ip6[0] = (uint64_t)(addr >> 64);
		l->ip6[1] = (uint64_t)addr;
	}
	l->has |= (uint8_t)(1u << family);
	return index_add(&c->by_addr[family], h);
}

void registry_unset_addr(struct registry *r, uint32_t h, unsigned family)
{
	struct lease *l = registry_lease(r, h);

	if (!lease_has(l, family))
		return;
	index_remove(&lease_node(r, l)->cluster->by_addr[family], h);
	l->has &= (uint8_t)(~(1u << family));
}
