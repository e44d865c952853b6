#include "shared/request.h"

#include "base/index.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "shared/record_key.h"
#include "text/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct etcd_key key_of(const char *data, size_t size)
{
	return (struct etcd_key){ data, size };
}

static const struct etcd_key no_key;

void ask_if_cluster(struct ask *a, const struct cluster *c)
{
	char key[RECORD_KEY];
	size_t n = record_key_cluster(a->remote->prefix, c->name, key);

	etcd_if_revision(a->txn, key_of(key, n), no_key, c->revision);
}

void ask_if_node(struct ask *a, const struct node *n)
{
	char key[RECORD_KEY];
	size_t size = record_key_node(a->remote->prefix, n->cluster->shared, n->name, key);

	etcd_if_revision(a->txn, key_of(key, size), no_key, n->revision);
}

void ask_if_absent(struct ask *a, const char *key, size_t size)
{
	etcd_if_revision(a->txn, key_of(key, size), no_key, 0);
}

void ask_if_none(struct ask *a, const char *first, const char *end)
{
	etcd_if_revision(a->txn, key_of(first, strlen(first)), key_of(end, strlen(end)), 0);
}

void ask_put(struct ask *a, const struct record *r)
{
	char key[RECORD_KEY], *value = record_encode(r);
	size_t n = r->kind == IPAM_CLUSTER ? record_key_cluster(a->remote->prefix, r->name, key) :
					     record_key_node(a->remote->prefix, r->cluster, r->name, key);

	if (value == NULL) {
		a->rc = -ENOMEM;
		return;
	}
	etcd_put(a->txn, key_of(key, n), key_of(value, strlen(value)), 0);
	if (record_schema(r) > a->schema)
		a->schema = record_schema(r);
	free(a->proof);
	free(a->proof_key);
	a->proof = value;
	a->proof_key = strdup(key);
	if (a->proof_key == NULL)
		a->rc = -ENOMEM;
}

void ask_put_block(struct ask *a, const struct record_block *b)
{
	char key[RECORD_KEY], *value = record_encode_block(b);
	size_t n = record_key_block(a->remote->prefix, b->cluster, &b->cidr, key);

	if (value == NULL)
		a->rc = -ENOMEM;
	else
		etcd_put(a->txn, key_of(key, n), key_of(value, strlen(value)), 0);
	free(value);
}

void ask_delete(struct ask *a, const char *key, size_t size)
{
	etcd_delete(a->txn, key_of(key, size), no_key);
}

void ask_delete_all(struct ask *a, const char *kind, uint64_t id)
{
	char first[RECORD_KEY], end[RECORD_KEY + 1];
	size_t n = record_key_of(a->remote->prefix, kind, id, first);

	first[n++] = '/';
	etcd_delete(a->txn, key_of(first, n), key_of(end, etcd_prefix_end(key_of(first, n), end)));
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static bool same_slot(const struct remote_slot *s, uint64_t cluster, const struct cidr *cidr)
{
	return s->cluster == cluster && cidr_compare(&s->cidr, cidr) == 0;
}

static const struct remote_rest *rest_of(const struct remote *r, uint64_t cluster, const struct cidr *cidr)
{
	for (size_t i = 0; i < r->rests; i++)
		if (r->rest[i].cluster == cluster && cidr_compare(&r->rest[i].cidr, cidr) == 0)
			return &r->rest[i];
	return NULL;
}

/* The block is nobody's: not there, or rested. */
static void ask_if_free(struct ask *a, uint64_t cluster, const struct cidr *block)
{
	const struct remote_rest *rest;
	char key[RECORD_KEY];
	size_t n = record_key_block(a->remote->prefix, cluster, block, key);
	int64_t revision;

	pthread_mutex_lock(&a->remote->lock);
	rest = rest_of(a->remote, cluster, block);
	revision = rest == NULL ? 0 : rest->revision;
	pthread_mutex_unlock(&a->remote->lock);
	etcd_if_revision(a->txn, key_of(key, n), no_key, revision);
}

int ask_take_block(struct ask *a, struct record *r, const struct cidr *block)
{
	ask_if_free(a, r->cluster, block);
	ask_put_block(a, &(struct record_block){ .cluster = r->cluster, .cidr = *block, .node = r->id });
	return record_add_block(r, block);
}

/* Somebody is about to get it, or it rests still. */
static bool is_spoken_for(struct ask *a, uint64_t cluster, const struct cidr *cidr)
{
	struct remote *r = a->remote;
	const struct remote_rest *rest;
	bool is;

	for (size_t i = 0; i < a->avoids; i++)
		if (same_slot(&a->avoid[i], cluster, cidr))
			return true;
	for (unsigned i = 0; i < a->wants; i++)
		if (same_slot(&a->want[i], cluster, cidr))
			return true;
	pthread_mutex_lock(&r->lock);
	rest = rest_of(r, cluster, cidr);
	is = rest != NULL && rest->until > (int64_t)time(NULL);
	for (size_t i = 0; !is && i < r->askeds; i++)
		is = same_slot(&r->asked[i], cluster, cidr);
	pthread_mutex_unlock(&r->lock);
	return is;
}

/* From the slot that the name falls on, so that those who ask at once mostly want different ones. Looking claims: what it
 * claimed is let go again, and the pool is as before. */
static int choose_in(struct ask *a, const struct cluster *c, struct pool *pool, const char *name, struct cidr *out)
{
	u128 last = pool_last(pool), start = index_hash_bytes(14695981039346656037u, name, strlen(name)), slot, cursor = pool->cursor;
	u128 *looked = NULL;
	size_t n = 0;
	bool given = pool->given, gateway = settings_value(NULL, &c->settings, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST;
	int rc;

	if (last != U128_MAX)
		start %= last + 1;
	for (;;) {
		u128 *bigger;

		rc = pool_claim_between(pool, start, last, &slot);
		if (rc == -ENOSPC && start > 0)
			rc = pool_claim_between(pool, 0, start - 1, &slot);
		if (rc < 0)
			break;
		bigger = reallocarray(looked, n + 1, sizeof *looked);
		if (bigger == NULL) {
			pool_release(pool, slot);
			rc = -ENOMEM;
			break;
		}
		looked = bigger;
		looked[n++] = slot;
		*out = pool_cidr(pool, slot);
		if (!is_spoken_for(a, c->shared, out) && !(gateway && cluster_reserves_gateway(c, out)))
			break;
	}
	while (n > 0)
		pool_release(pool, looked[--n]);
	free(looked);
	pool->cursor = cursor;
	pool->given = given;
	return rc;
}

static int note(struct ask *a, uint64_t cluster, const struct cidr *cidr)
{
	if (a->wants == ASK_SLOTS)
		return -EMSGSIZE;
	a->want[a->wants++] = (struct remote_slot){ cluster, *cidr };
	return 0;
}

int ask_choose(struct ask *a, const struct cluster *c, unsigned family, const char *name, const char *labels, struct cidr *out)
{
	struct cluster_cidr *from = cluster_cidr_for(c->choice, family, labels);
	int rc = -ENOSPC;

	for (; from != NULL && rc == -ENOSPC; from = cluster_cidr_for(from->next, family, labels))
		rc = choose_in(a, c, &from->pool, name, out);
	return rc < 0 ? rc : note(a, c->shared, out);
}

int ask_want(struct ask *a, const struct cluster *c, const struct cidr *block)
{
	const struct cluster_cidr *from = cluster_cidr_of(c, block);
	u128 slot;

	if (from == NULL || from->node_mask != block->len || pool_slot(&from->pool, block->base, &slot) < 0 ||
	    pool_excluded(&from->pool, slot))
		return -EADDRNOTAVAIL;
	if (pool_taken(&from->pool, slot))
		return -EADDRINUSE;
	/* Another line of the same text has it, or it is somebody's as the engine told just now. */
	for (unsigned i = 0; i < a->wants; i++)
		if (same_slot(&a->want[i], c->shared, block))
			return -EADDRINUSE;
	for (size_t i = 0; i < a->avoids; i++)
		if (same_slot(&a->avoid[i], c->shared, block))
			return -EADDRINUSE;
	return note(a, c->shared, block);
}

/* ---- whose ---------------------------------------------------------------------------------------------------------- */

int ask_new_id(const struct ask *a, const struct change *c, uint64_t index, uint64_t *out)
{
	if (c->by.request == 0)
		return record_new_id(out);
	*out = record_id_of(a->remote->ipam->options.requests, c->by.request, index);
	return 0;
}

bool ask_is_own(const struct ask *a, const char *name)
{
	return a->remote->node != NULL && strcmp(a->remote->node, name) == 0;
}

void ask_machine(const struct ask *a, const struct node *n, struct record *r)
{
	if (n->held == NODE_HELD_HERE)
		memcpy(r->machine, a->remote->machine, sizeof r->machine);
	else
		r->machine[0] = 0;
}
