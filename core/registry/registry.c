/* Clusters and nodes; registry_lease.c has the leases. */
#include "registry/registry.h"

#include "registry/block.h"
#include "registry/network.h"
#include "registry/registry_part.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys: what the indexes hash and match ------------------------------------------------------------------ */

static uint64_t cluster_id_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;

	return registry_hash_id(r, r->cluster[h]->id);
}

static bool cluster_id_match(const void *arg, uint32_t h, const void *key)
{
	const struct registry *r = arg;

	return r->cluster[h]->id == *(const uint64_t *)key;
}

static uint64_t cluster_name_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;

	return registry_hash_name(r, 0, r->cluster[h]->name);
}

static bool cluster_name_match(const void *arg, uint32_t h, const void *key)
{
	const struct registry *r = arg;

	return strcmp(r->cluster[h]->name, key) == 0;
}

static uint64_t node_id_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;

	return registry_hash_id(r, r->node[h]->id);
}

static bool node_id_match(const void *arg, uint32_t h, const void *key)
{
	const struct registry *r = arg;

	return r->node[h]->id == *(const uint64_t *)key;
}

static uint64_t node_shared_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;

	return registry_hash_id(r, r->node[h]->shared);
}

static bool node_shared_match(const void *arg, uint32_t h, const void *key)
{
	const struct registry *r = arg;

	return r->node[h]->shared == *(const uint64_t *)key;
}

static uint64_t node_name_hash(const void *arg, uint32_t h)
{
	const struct registry *r = arg;

	return registry_hash_name(r, r->node[h]->cluster->id, r->node[h]->name);
}

static bool node_name_match(const void *arg, uint32_t h, const void *key)
{
	const struct registry *r = arg;
	const struct registry_name *k = key;

	return r->node[h]->cluster->id == k->parent && strcmp(r->node[h]->name, k->name) == 0;
}

/* ---- life ------------------------------------------------------------------------------------------------- */

void registry_init(struct registry *r, uint64_t seed)
{
	*r = (struct registry){ .seed = seed };
	index_init(&r->cluster_by_id, cluster_id_hash, r);
	index_init(&r->cluster_by_name, cluster_name_hash, r);
	index_init(&r->node_by_id, node_id_hash, r);
	index_init(&r->node_by_name, node_name_hash, r);
	index_init(&r->node_by_shared, node_shared_hash, r);
	registry_init_leases(r);
}

static void free_node(struct node *n)
{
	for (uint32_t i = 0; i < n->blocks; i++)
		block_free(n->block[i]);
	free(n->block);
	free(n->labels);
	free(n->name);
	free(n);
}

static void free_cluster(struct cluster *c)
{
	for (size_t i = 0; i < c->cidrs; i++)
		cluster_cidr_free(c->cidr[i]);
	free(c->cidr);
	free(c->reserved);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		index_close(&c->by_addr[f]);
	free(c->name);
	free(c);
}

void registry_close(struct registry *r)
{
	struct cluster *c, *next_cluster;

	for (c = r->first; c != NULL; c = next_cluster) {
		struct node *n, *next_node;

		next_cluster = c->next;
		for (n = c->first; n != NULL; n = next_node) {
			next_node = n->next;
			registry_free_leases(r, n);
			free_node(n);
		}
		free_cluster(c);
	}
	free(r->cluster);
	free(r->node);
	free(r->node_free);
	free(r->boot);
	registry_remove_networks(r, NULL);
	index_close(&r->cluster_by_id);
	index_close(&r->cluster_by_name);
	index_close(&r->node_by_id);
	index_close(&r->node_by_shared);
	index_close(&r->node_by_name);
	registry_close_leases(r);
	*r = (struct registry){ 0 };
}

int registry_boot(struct registry *r, uint64_t id, const char *boot_id, uint16_t *out)
{
	struct boot *bigger;

	for (uint32_t i = 0; i < r->boots; i++)
		if (r->boot[i].id == id) {
			*out = (uint16_t)i;
			return 0;
		}
	if (r->boots > UINT16_MAX)
		return -EOVERFLOW;
	bigger = reallocarray(r->boot, r->boots + 1, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	r->boot = bigger;
	bigger[r->boots].id = id;
	strncpy(bigger[r->boots].boot_id, boot_id, IPAM_BOOT_ID - 1);
	bigger[r->boots].boot_id[IPAM_BOOT_ID - 1] = 0;
	*out = (uint16_t)r->boots++;
	return 0;
}

/* ---- clusters --------------------------------------------------------------------------------------------- */

/* A free place in the table of clusters; there are few, so it is searched. */
static int cluster_handle(struct registry *r, uint32_t *out)
{
	struct cluster **bigger;

	for (uint32_t h = 1; h < r->cluster_handles; h++)
		if (r->cluster[h] == NULL) {
			*out = h;
			return 0;
		}
	bigger = reallocarray(r->cluster, r->cluster_handles + 8, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	memset(bigger + r->cluster_handles, 0, 8 * sizeof *bigger);
	r->cluster = bigger;
	*out = r->cluster_handles == 0 ? 1 : r->cluster_handles;
	r->cluster_handles += 8;
	return 0;
}

int registry_add_cluster(struct registry *r, uint64_t id, const char *name, struct cluster **out)
{
	struct cluster *c = NULL;
	int rc;

	if (registry_cluster(r, id) != NULL || registry_cluster_named(r, name) != NULL)
		return -EEXIST;
	if ((rc = index_reserve(&r->cluster_by_id, 1)) < 0 || (rc = index_reserve(&r->cluster_by_name, 1)) < 0)
		return rc;
	c = calloc(1, sizeof *c);
	if (c == NULL || (c->name = strdup(name)) == NULL || cluster_handle(r, &c->handle) < 0) {
		if (c != NULL)
			free(c->name);
		free(c);
		return -ENOMEM;
	}
	c->id = id;
	c->registry = r;
	registry_init_addresses(c);
	r->cluster[c->handle] = c;
	index_add(&r->cluster_by_id, c->handle);
	index_add(&r->cluster_by_name, c->handle);
	c->prev = r->last;
	*(r->last != NULL ? &r->last->next : &r->first) = c;
	r->last = c;
	r->clusters++;
	*out = c;
	return 0;
}

void registry_remove_cluster(struct registry *r, struct cluster *c)
{
	assert(c->nodes == 0);
	index_remove(&r->cluster_by_id, c->handle);
	index_remove(&r->cluster_by_name, c->handle);
	*(c->prev != NULL ? &c->prev->next : &r->first) = c->next;
	*(c->next != NULL ? &c->next->prev : &r->last) = c->prev;
	r->cluster[c->handle] = NULL;
	r->clusters--;
	free_cluster(c);
}

int registry_rename_cluster(struct registry *r, struct cluster *c, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL)
		return -ENOMEM;
	index_remove(&r->cluster_by_name, c->handle);
	free(c->name);
	c->name = copy;
	return index_add(&r->cluster_by_name, c->handle); /* there is room: one was removed */
}

struct cluster *registry_cluster(const struct registry *r, uint64_t id)
{
	uint32_t h = index_find(&r->cluster_by_id, registry_hash_id(r, id), cluster_id_match, &id);

	return h == 0 ? NULL : r->cluster[h];
}

struct cluster *registry_cluster_shared(const struct registry *r, uint64_t shared)
{
	struct cluster *c = r->first;

	while (c != NULL && c->shared != shared)
		c = c->next;
	return c;
}

struct cluster *registry_cluster_named(const struct registry *r, const char *name)
{
	uint32_t h = index_find(&r->cluster_by_name, registry_hash_name(r, 0, name), cluster_name_match, name);

	return h == 0 ? NULL : r->cluster[h];
}

/* ---- nodes ------------------------------------------------------------------------------------------------ */

static int node_handle(struct registry *r, uint32_t *out)
{
	struct node **bigger;
	uint32_t *free_list;
	uint32_t size;

	if (r->node_frees > 0) {
		*out = r->node_free[--r->node_frees];
		return 0;
	}
	/* node_free has room for every handle, so giving one back can't fail. */
	if (r->node_handles == 0 || (r->node_handles & (r->node_handles - 1)) == 0) {
		size = r->node_handles == 0 ? 2 : r->node_handles * 2;
		bigger = reallocarray(r->node, size, sizeof *bigger);
		if (bigger == NULL)
			return -ENOMEM;
		r->node = bigger;
		free_list = reallocarray(r->node_free, size, sizeof *free_list);
		if (free_list == NULL)
			return -ENOMEM;
		r->node_free = free_list;
		if (r->node_handles == 0) {
			r->node[0] = NULL;
			r->node_handles = 1;
		}
	}
	*out = r->node_handles++;
	return 0;
}

int registry_add_node(struct registry *r, struct cluster *c, uint64_t id, const char *name, struct node **out)
{
	struct node *n;
	int rc;

	if (registry_node(r, id) != NULL || registry_node_named(r, c, name) != NULL)
		return -EEXIST;
	if ((rc = index_reserve(&r->node_by_id, 1)) < 0 || (rc = index_reserve(&r->node_by_name, 1)) < 0)
		return rc;
	n = calloc(1, sizeof *n);
	if (n == NULL || (n->name = strdup(name)) == NULL || node_handle(r, &n->handle) < 0) {
		if (n != NULL)
			free(n->name);
		free(n);
		return -ENOMEM;
	}
	n->id = id;
	n->cluster = c;
	n->next_expiry = INT64_MAX;
	r->node[n->handle] = n;
	index_add(&r->node_by_id, n->handle);
	index_add(&r->node_by_name, n->handle);
	n->prev = c->last;
	*(c->last != NULL ? &c->last->next : &c->first) = n;
	c->last = n;
	c->nodes++;
	r->nodes++;
	*out = n;
	return 0;
}

void registry_remove_node(struct registry *r, struct node *n)
{
	struct cluster *c = n->cluster;

	assert(n->leases == 0);
	index_remove(&r->node_by_id, n->handle);
	index_remove(&r->node_by_name, n->handle);
	if (n->shared != 0)
		index_remove(&r->node_by_shared, n->handle);
	*(n->prev != NULL ? &n->prev->next : &c->first) = n->next;
	*(n->next != NULL ? &n->next->prev : &c->last) = n->prev;
	r->node[n->handle] = NULL;
	r->node_free[r->node_frees++] = n->handle;
	c->nodes--;
	r->nodes--;
	registry_remove_networks(r, n);
	free_node(n);
}

int registry_rename_node(struct registry *r, struct node *n, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL)
		return -ENOMEM;
	index_remove(&r->node_by_name, n->handle);
	free(n->name);
	n->name = copy;
	return index_add(&r->node_by_name, n->handle);
}

struct node *registry_node(const struct registry *r, uint64_t id)
{
	uint32_t h = index_find(&r->node_by_id, registry_hash_id(r, id), node_id_match, &id);

	return h == 0 ? NULL : r->node[h];
}

struct node *registry_node_named(const struct registry *r, const struct cluster *c, const char *name)
{
	struct registry_name key = { c->id, name };
	uint32_t h = index_find(&r->node_by_name, registry_hash_name(r, c->id, name), node_name_match, &key);

	return h == 0 ? NULL : r->node[h];
}

int registry_share_node(struct registry *r, struct node *n, uint64_t shared)
{
	int rc = index_reserve(&r->node_by_shared, 1);

	if (rc < 0)
		return rc;
	n->shared = shared;
	return index_add(&r->node_by_shared, n->handle);
}

struct node *registry_node_shared(const struct registry *r, uint64_t shared)
{
	uint32_t h = index_find(&r->node_by_shared, registry_hash_id(r, shared), node_shared_match, &shared);

	return h == 0 ? NULL : r->node[h];
}

int node_writable(const struct node *n)
{
	return n->held == NODE_HELD_HERE ? 0 : -EROFS;
}

int node_leasable(const struct node *n)
{
	enum own_standing standing = n->cluster->registry->standing;

	if (n->held != NODE_HELD_HERE || n->doubt == NODE_ORPHANED || n->doubt == NODE_DOUBLED || standing == OWN_DOUBLED)
		return -EROFS;
	return n->doubt == NODE_UNSETTLED || standing != OWN_SURE ? -EHOSTUNREACH : 0;
}

uint64_t node_setting(const struct node *n, enum ipam_setting setting)
{
	return settings_value(&n->settings, &n->cluster->settings, setting);
}
