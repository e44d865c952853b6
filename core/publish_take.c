/* What other machines published: their leases, in memory alone, to be looked at. */
#include "publish.h"
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ids here are ours, not theirs: a lease is known by its node and name, and keeps with which bucket it came. */

static void drop(struct ipam *ipam, uint32_t h)
{
	lease_unbegin(ipam, h);
}

static void tell(struct remote *r, uint64_t node, uint64_t lease, const char *name)
{
	const struct ipam_options *o = &r->ipam->options;

	if (o->changed != NULL)
		o->changed(o->arg, IPAM_LEASE, node, lease, name);
}

static bool in_list(const json_t *list, const char *name)
{
	const json_t *it;
	size_t i;

	json_array_foreach(list, i, it) {
		const char *s = json_string_value(json_object_get(it, "name"));

		if (s != NULL && strcmp(s, name) == 0)
			return true;
	}
	return false;
}

struct told {
	uint64_t id;
	char name[IPAM_NAME_MAX + 1];
};

struct tellings {
	struct told *list;
	size_t n;
};

static void note(struct tellings *t, const struct lease *l)
{
	struct told *bigger = reallocarray(t->list, t->n + 1, sizeof *bigger);

	if (bigger == NULL)
		return;
	t->list = bigger;
	t->list[t->n].id = l->id;
	strcpy(t->list[t->n++].name, l->name);
}

/* Those that came with this bucket before and are not in it now. */
static void drop_missing(struct remote *r, struct node *n, uint64_t bucket, const json_t *list, struct tellings *t)
{
	struct registry *reg = &r->ipam->registry;
	uint32_t next;

	for (uint32_t h = n->first; h != 0; h = next) {
		struct lease *l = registry_lease(reg, h);

		next = l->next;
		if (l->bucket == (uint32_t)bucket && (list == NULL || !in_list(list, l->name))) {
			note(t, l);
			drop(r->ipam, h);
		}
	}
}

/* Buckets are written one after the other while leases come and go, so an address may be said to be of two: who was told of last has
 * it. The block is the node's, so both are. */
static void take_from(struct remote *r, struct node *n, struct block *b, u128 addr, struct tellings *t)
{
	struct registry *reg = &r->ipam->registry;
	unsigned f = b->pool.prefix.family;
	uint32_t h = registry_holder(reg, n->cluster, f, addr);

	if (h == 0)
		return;
	note(t, registry_lease(reg, h));
	registry_unset_addr(reg, h, f);
	pool_release(&b->pool, addr - b->pool.prefix.base);
	if (registry_lease(reg, h)->has == 0)
		drop(r->ipam, h);
}

static void set_addresses(struct remote *r, struct node *n, uint32_t h, const json_t *addresses, struct tellings *t)
{
	struct registry *reg = &r->ipam->registry;
	const json_t *it;
	size_t i;

	json_array_foreach(addresses, i, it) {
		const char *s = json_string_value(it);
		uint8_t family;
		struct block *b;
		u128 addr;

		if (s == NULL || cidr_parse_addr(s, strlen(s), &family, &addr) < 0 || lease_has(registry_lease(reg, h), family))
			continue;
		b = node_block_of(n, family, addr);
		if (b != NULL)
			take_from(r, n, b, addr, t);
		if (b == NULL || pool_restore(&b->pool, addr - b->pool.prefix.base) < 0)
			continue;
		if (registry_set_addr(reg, h, family, addr) < 0)
			pool_release(&b->pool, addr - b->pool.prefix.base);
	}
}

static void set_attributes(struct lease *l, const json_t *attributes)
{
	const json_t *value;
	const char *key;

	xattr_free_all(l->xattr);
	l->xattr = NULL;
	json_object_foreach((json_t *)(uintptr_t)attributes, key, value)
		if (json_is_string(value) && key[0] != 0 && strlen(key) <= IPAM_NAME_MAX &&
		    lease_xattr_bytes(l) + strlen(key) + json_string_length(value) <= IPAM_XATTR_BUDGET)
			lease_xattr_put(l, key, json_string_value(value), json_string_length(value));
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void take_lease(struct remote *r, struct node *n, uint64_t bucket, const json_t *o, struct tellings *t)
{
	struct registry *reg = &r->ipam->registry;
	const char *name = json_string_value(json_object_get(o, "name")), *boot = json_string_value(json_object_get(o, "boot"));
	struct lease *l;
	uint32_t h;

	if (name == NULL || ipam_check_name(IPAM_LEASE, name) < 0)
		return;
	h = registry_lease_named(reg, n, name);
	if (h != 0) {
		snapshot_keep(r->ipam, h);
		note(t, registry_lease(reg, h));
		for (unsigned f = 0; f < CIDR_FAMILIES; f++)
			if (lease_has(registry_lease(reg, h), f)) {
				u128 addr = lease_addr(registry_lease(reg, h), f);
				struct block *b = node_block_of(n, f, addr);

				registry_unset_addr(reg, h, f);
				if (b != NULL)
					pool_release(&b->pool, addr - b->pool.prefix.base);
			}
	} else if (registry_add_lease(reg, n, engine_id(r->ipam), name, &h) < 0) {
		return;
	}
	set_addresses(r, n, h, json_object_get(o, "addresses"), t);
	l = registry_lease(reg, h);
	if (!lease_has(l, CIDR_V4) && !lease_has(l, CIDR_V6)) {
		drop(r->ipam, h); /* of a block that isn't its any more */
		return;
	}
	l->bucket = (uint32_t)bucket;
	l->uid = (uint32_t)number(o, "uid");
	l->gid = (uint32_t)number(o, "gid");
	l->mode = (uint16_t)(number(o, "mode") & 07777);
	l->btime = number(o, "made");
	l->atime = l->mtime = l->ctime = number(o, "mtime");
	l->generation++;
	if (boot == NULL || strlen(boot) >= IPAM_BOOT_ID || registry_boot(reg, engine_id(r->ipam), boot, &l->boot) < 0)
		l->boot = r->ipam->boot;
	set_attributes(l, json_object_get(o, "attributes"));
	if (l->generation == 1)
		note(t, l);
}

void publish_take(struct remote *r, uint64_t node, uint64_t bucket, const char *value, size_t size)
{
	json_t *list = size == 0 ? NULL : json_loadb(value, size, 0, NULL);
	struct tellings t = { 0 };
	const json_t *it;
	uint64_t ours = 0;
	struct node *n;
	size_t i;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, node);
	if (n != NULL && !n->pending && n->held != NODE_HELD_HERE) {
		ours = n->id;
		drop_missing(r, n, bucket, list, &t);
		json_array_foreach(list, i, it)
			take_lease(r, n, bucket, it, &t);
		touch_attr(&n->attr, engine_now());
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	for (size_t k = 0; k < t.n; k++)
		tell(r, ours, t.list[k].id, t.list[k].name);
	free(t.list);
	json_decref(list);
}

void publish_take_time(struct remote *r, uint64_t node, const char *value, size_t size)
{
	json_t *o = size == 0 ? NULL : json_loadb(value, size, 0, NULL);
	struct node *n;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, node);
	if (n != NULL)
		n->published = number(o, "time");
	pthread_rwlock_unlock(&r->ipam->lock);
	json_decref(o);
}

static bool inside(const struct lease *l, const struct cidr *cidr, size_t count)
{
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		bool in = !lease_has(l, f);

		for (size_t i = 0; !in && i < count; i++)
			in = cidr_has(&cidr[i], f, lease_addr(l, f));
		if (!in)
			return false;
	}
	return true;
}

void publish_forget(struct remote *r, uint64_t node, const char *blocks)
{
	struct tellings t = { 0 };
	struct cidr *cidr = NULL;
	size_t count = 0;
	uint64_t ours = 0;
	struct node *n;
	uint32_t next;

	if (blocks != NULL && blocks[0] != 0 && text_blocks(blocks, strlen(blocks), &cidr, &count) < 0)
		return;
	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, node);
	if (n != NULL && n->held != NODE_HELD_HERE) {
		ours = n->id;
		for (uint32_t h = n->first; h != 0; h = next) {
			const struct lease *l = registry_lease(&r->ipam->registry, h);

			next = l->next;
			if (blocks != NULL && inside(l, cidr, count))
				continue;
			note(&t, l);
			drop(r->ipam, h);
		}
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	for (size_t k = 0; k < t.n; k++)
		tell(r, ours, t.list[k].id, t.list[k].name);
	free(t.list);
	free(cidr);
}

int publish_forget_all(struct remote *r)
{
	uint64_t *shared;
	size_t n = 0;

	pthread_rwlock_rdlock(&r->ipam->lock);
	shared = calloc((size_t)r->ipam->registry.nodes + 1, sizeof *shared);
	for (struct cluster *c = shared == NULL ? NULL : r->ipam->registry.first; c != NULL; c = c->next)
		for (struct node *node = c->first; node != NULL; node = node->next)
			if (node->held != NODE_HELD_HERE && node->leases > 0)
				shared[n++] = node->shared;
	pthread_rwlock_unlock(&r->ipam->lock);
	for (size_t i = 0; i < n; i++)
		publish_forget(r, shared[i], NULL);
	if (shared == NULL)
		return -ENOMEM;
	free(shared);
	return 0;
}
