/* What other machines published: their leases, in memory alone, to be looked at. */
#include "shared/publish_take.h"

#include "change/lease.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "etcd/etcd_call.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "shared/remote.h"
#include "text/text.h"
#include "view/snapshot.h"

#include <errno.h>
#include <inttypes.h>
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

/* As publish.c has bytes: text, or {"base64": TEXT}. *out is the caller's, with a NUL behind it. -EPROTO, -ENOMEM. */
static int take_bytes(const json_t *o, char **out, size_t *size)
{
	if (json_is_object(o))
		return json_is_string(json_object_get(o, "base64")) ? etcd_unbase64(o, "base64", out, size) : -EPROTO;
	if (!json_is_string(o))
		return -EPROTO;
	*size = json_string_length(o);
	*out = malloc(*size + 1);
	if (*out == NULL)
		return -ENOMEM;
	memcpy(*out, json_string_value(o), *size + 1);
	return 0;
}

/* The name of a lease that was published: false where it has none that is one. */
static bool take_name(const json_t *o, char name[IPAM_NAME_MAX + 1])
{
	const json_t *exact = json_object_get(o, "bytes");
	char *text = NULL;
	size_t size = 0;
	bool good = take_bytes(exact != NULL ? exact : json_object_get(o, "name"), &text, &size) == 0 && size <= IPAM_NAME_MAX &&
		    strlen(text) == size && ipam_check_name(IPAM_LEASE, text) == 0;

	if (good)
		memcpy(name, text, size + 1);
	free(text);
	return good;
}

/* A list of leases, each with a name. */
static bool is_understood(const json_t *list)
{
	char name[IPAM_NAME_MAX + 1];
	const json_t *it;
	size_t i;

	json_array_foreach(list, i, it)
		if (!take_name(it, name))
			return false;
	return json_is_array(list);
}

static bool in_list(const json_t *list, const char *wanted)
{
	char name[IPAM_NAME_MAX + 1];
	const json_t *it;
	size_t i;

	json_array_foreach(list, i, it)
		if (take_name(it, name) && strcmp(name, wanted) == 0)
			return true;
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
	json_object_foreach((json_t *)(uintptr_t)attributes, key, value) {
		char *bytes = NULL;
		size_t size;

		if (take_bytes(value, &bytes, &size) == 0 && key[0] != 0 && strlen(key) <= IPAM_NAME_MAX &&
		    lease_xattr_bytes(l) + strlen(key) + size <= IPAM_XATTR_BUDGET)
			lease_xattr_put(l, key, bytes, size);
		free(bytes);
	}
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void take_lease(struct remote *r, struct node *n, uint64_t bucket, const json_t *o, struct tellings *t)
{
	struct registry *reg = &r->ipam->registry;
	const char *boot = json_string_value(json_object_get(o, "boot"));
	char name[IPAM_NAME_MAX + 1];
	struct lease *l;
	uint32_t h;

	if (!take_name(o, name))
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
	json_t *list = size == 0 ? NULL : json_loadb(value, size, JSON_ALLOW_NUL, NULL);
	bool understood = size == 0 || is_understood(list);
	struct tellings t = { 0 };
	const json_t *it;
	uint64_t ours = 0;
	struct node *n;
	size_t i;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, node);
	if (n != NULL && !n->pending && n->held != NODE_HELD_HERE) {
		ours = n->id;
		/* What can't be read isn't gone. */
		if (understood)
			drop_missing(r, n, bucket, list, &t);
		json_array_foreach(list, i, it)
			take_lease(r, n, bucket, it, &t);
		touch_attr(&n->attr, engine_now());
		engine_changed(r->ipam, n->cluster, n);
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	for (size_t k = 0; k < t.n; k++)
		tell(r, ours, t.list[k].id, t.list[k].name);
	free(t.list);
	json_decref(list);
	if (!understood)
		remote_complain(r, REMOTE_RECORDS, "what is published of the leases of node %016" PRIx64 " isn't understood", node);
}

void publish_take_time(struct remote *r, uint64_t node, const char *value, size_t size)
{
	json_t *o = size == 0 ? NULL : json_loadb(value, size, JSON_ALLOW_NUL, NULL);
	struct node *n;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, node);
	if (n != NULL && (size == 0 || o != NULL))
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

/* ---- a full read ------------------------------------------------------------------------------------------------------ */

static int by_bucket(const void *a, const void *b)
{
	const struct publish_key *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->bucket < y->bucket ? -1 : x->bucket > y->bucket;
}

int publish_seen(struct publish_keys *keys, uint64_t node, uint64_t bucket)
{
	if (keys->count == keys->size) {
		struct publish_key *bigger = reallocarray(keys->key, keys->size * 2 + 64, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		keys->key = bigger;
		keys->size = keys->size * 2 + 64;
	}
	keys->key[keys->count++] = (struct publish_key){ node, (uint32_t)bucket };
	return 0;
}

static void forget_unseen(struct remote *r, const struct publish_keys *keys, struct node *n, struct tellings *t)
{
	uint32_t next;

	for (uint32_t h = n->first; h != 0; h = next) {
		const struct lease *l = registry_lease(&r->ipam->registry, h);
		const struct publish_key key = { n->shared, l->bucket };

		next = l->next;
		if (keys->count > 0 && bsearch(&key, keys->key, keys->count, sizeof key, by_bucket) != NULL)
			continue;
		note(t, l);
		drop(r->ipam, h);
	}
}

int publish_forget_unseen(struct remote *r, struct publish_keys *keys)
{
	struct registry *reg = &r->ipam->registry;
	uint64_t *others;
	size_t n = 0;

	if (keys->count > 1)
		qsort(keys->key, keys->count, sizeof *keys->key, by_bucket);
	pthread_rwlock_rdlock(&r->ipam->lock);
	others = calloc((size_t)reg->nodes + 1, sizeof *others);
	for (struct cluster *c = others == NULL ? NULL : reg->first; c != NULL; c = c->next)
		for (struct node *node = c->first; node != NULL; node = node->next)
			if (node->held != NODE_HELD_HERE && node->leases > 0)
				others[n++] = node->id;
	pthread_rwlock_unlock(&r->ipam->lock);
	if (others == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct tellings t = { 0 };
		struct node *node;

		pthread_rwlock_wrlock(&r->ipam->lock);
		node = registry_node(reg, others[i]);
		if (node != NULL && node->held != NODE_HELD_HERE)
			forget_unseen(r, keys, node, &t);
		pthread_rwlock_unlock(&r->ipam->lock);
		for (size_t k = 0; k < t.n; k++)
			tell(r, others[i], t.list[k].id, t.list[k].name);
		free(t.list);
	}
	free(others);
	return 0;
}
