#include "shared/publish.h"

#include "base/json_text.h"
#include "engine/engine.h"
#include "etcd/etcd.h"
#include "etcd/etcd_call.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALL_MS = 3000, BATCH = 60, BATCH_BYTES = 1 << 20 };

struct bucket {
	uint64_t node; /* our id */
	uint64_t number;
};

struct publish {
	struct remote *r;
	pthread_mutex_t lock; /* the rest; taken after that of struct ipam */
	struct bucket *dirty; /* sorted, without doubles, up to `sorted`; then as they came */
	size_t count, size, sorted;
	int64_t since;  /* when the first of them was marked; 0: none is, nor under way */
	bool all, lost; /* all is to be compared; for want of memory something was not marked */
};

int publish_new(struct remote *r, struct publish **out)
{
	struct publish *p = calloc(1, sizeof *p);

	if (p == NULL)
		return -ENOMEM;
	p->r = r;
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return 0;
}

void publish_free(struct publish *p)
{
	if (p == NULL)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p->dirty);
	free(p);
}

/* ---- marking ------------------------------------------------------------------------------------------------------------- */

static int by_bucket(const void *a, const void *b)
{
	const struct bucket *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void compact(struct publish *p)
{
	size_t kept = 0;

	if (p->count > 1)
		qsort(p->dirty, p->count, sizeof *p->dirty, by_bucket);
	for (size_t i = 0; i < p->count; i++)
		if (kept == 0 || by_bucket(&p->dirty[kept - 1], &p->dirty[i]) != 0)
			p->dirty[kept++] = p->dirty[i];
	p->count = p->sorted = kept;
}

/* With the lock. */
static void mark(struct publish *p, uint64_t node, uint64_t number)
{
	struct bucket b = { node, number };

	if (p->since == 0)
		p->since = (int64_t)time(NULL);

	/* Most often it is the one that was marked last. */
	if (p->count > 0 && by_bucket(&p->dirty[p->count - 1], &b) == 0)
		return;
	if (p->count == p->size && p->count > 2 * p->sorted)
		compact(p);
	if (p->count == p->size) {
		struct bucket *bigger = reallocarray(p->dirty, p->size * 2 + 64, sizeof *bigger);

		if (bigger == NULL) {
			p->lost = true;
			return;
		}
		p->dirty = bigger;
		p->size = p->size * 2 + 64;
	}
	p->dirty[p->count++] = b;
}

void publish_lease(struct ipam *ipam, const struct node *n, uint64_t lease)
{
	struct publish *p = ipam->remote == NULL ? NULL : ipam->remote->publish;

	if (p == NULL || n->held != NODE_HELD_HERE)
		return;
	pthread_mutex_lock(&p->lock);
	mark(p, n->id, lease / PUBLISH_BUCKET);
	pthread_mutex_unlock(&p->lock);
}

size_t publish_backlog(struct publish *p, int64_t *since)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->count;
	*since = p->since;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void publish_all(struct publish *p)
{
	pthread_mutex_lock(&p->lock);
	p->all = true;
	pthread_mutex_unlock(&p->lock);
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

/* Bytes as they are: text where that holds them, else {"base64": TEXT}, which machines that don't know it pass over. */
static json_t *bytes_json(const char *s, size_t n)
{
	json_t *text = memchr(s, 0, n) == NULL ? json_stringn(s, n) : NULL;

	return text != NULL ? text : json_pack("{s:o}", "base64", etcd_base64(s, n));
}

static json_t *lease_json(const struct registry *r, const struct lease *l)
{
	json_t *attributes = json_object(), *addresses = json_array(), *o;
	char text[CIDR_ADDR_TEXT];

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (lease_has(l, f)) {
			cidr_print_addr(f, lease_addr(l, f), text);
			json_array_append_new(addresses, json_string(text));
		}
	for (const struct xattr *x = l->xattr; x != NULL; x = x->next) {
		json_t *key = json_text(x->data, x->name_size);

		json_object_set_new(attributes, json_string_value(key), bytes_json(xattr_value(x), x->value_size));
		json_decref(key);
	}
	o = json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s}", "id", (json_int_t)l->id, "name",
		      json_text(l->name, strlen(l->name)), "addresses", addresses, "attributes", attributes, "uid", (json_int_t)l->uid,
		      "gid", (json_int_t)l->gid, "mode", (json_int_t)l->mode, "made", (json_int_t)l->btime, "mtime", (json_int_t)l->mtime,
		      "boot", r->boot[l->boot].boot_id);
	/* Two names may look alike once their bytes are replaced. */
	if (o != NULL && strcmp(json_string_value(json_object_get(o, "name")), l->name) != 0)
		json_object_set_new(o, "bytes", bytes_json(l->name, strlen(l->name)));
	return o;
}

/* The leases of a bucket, as they are now: an array, or NULL where there are none. 0 or -ENOMEM; -ENOENT: not our node (any
 * more). Under the lock. */
static int bucket_json(struct ipam *ipam, const struct bucket *b, uint64_t *shared, json_t **out)
{
	struct registry *r = &ipam->registry;
	struct node *n = registry_node(r, b->node);

	*out = NULL;
	if (n == NULL || n->held != NODE_HELD_HERE || n->shared == 0 || n->doubt == NODE_ORPHANED)
		return -ENOENT;
	*shared = n->shared;
	for (uint64_t id = b->number * PUBLISH_BUCKET; id < (b->number + 1) * PUBLISH_BUCKET; id++) {
		uint32_t h = registry_find_lease(r, id);
		struct lease *l = h == 0 ? NULL : registry_lease(r, h);

		if (l == NULL || l->pending || l->node != n->handle)
			continue;
		if (*out == NULL && (*out = json_array()) == NULL)
			return -ENOMEM;
		if (json_array_append_new(*out, lease_json(r, l)) < 0) {
			json_decref(*out);
			*out = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

static size_t bucket_key(const struct remote *r, uint64_t shared, uint64_t number, char key[RECORD_KEY])
{
	size_t n = record_key_of(r->prefix, "leases", shared, key);

	return n + (size_t)snprintf(key + n, RECORD_KEY - n, "/%016" PRIx64, number);
}

struct batch {
	struct etcd_txn *txn;
	size_t count, bytes;
	uint64_t node; /* shared */
};

/* The node's record is there: not that of one that was removed by force meanwhile. */
static void guard(struct remote *r, struct batch *batch, uint64_t node)
{
	char key[RECORD_KEY];
	struct node *n = registry_node(&r->ipam->registry, node);

	etcd_if_revision(batch->txn, (struct etcd_key){ key, record_key_node(r->prefix, n->cluster->shared, n->name, key) },
			 (struct etcd_key){ 0 }, n->revision);
}

static int add(struct remote *r, struct batch *batch, const struct bucket *b)
{
	char key[RECORD_KEY], *value = NULL;
	json_t *list;
	uint64_t shared = 0;
	int rc;

	pthread_rwlock_rdlock(&r->ipam->lock);
	rc = bucket_json(r->ipam, b, &shared, &list);
	if (rc == 0 && batch->count == 0)
		guard(r, batch, b->node);
	pthread_rwlock_unlock(&r->ipam->lock);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	batch->node = shared;
	bucket_key(r, shared, b->number, key);
	if (list == NULL) {
		etcd_delete(batch->txn, (struct etcd_key){ key, strlen(key) }, (struct etcd_key){ 0 });
	} else {
		value = json_dumps(list, JSON_COMPACT);
		if (value == NULL)
			rc = -ENOMEM;
		else
			etcd_put(batch->txn, (struct etcd_key){ key, strlen(key) }, (struct etcd_key){ value, strlen(value) }, 0);
		batch->bytes += value == NULL ? 0 : strlen(value);
	}
	batch->count++;
	free(value);
	json_decref(list);
	return rc;
}

/* What was published last of a node, as of which revision. */
static int64_t last_of(struct remote *r, uint64_t shared)
{
	const struct node *n;
	int64_t last;

	pthread_rwlock_rdlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, shared);
	last = n == NULL ? 0 : n->written;
	pthread_rwlock_unlock(&r->ipam->lock);
	return last;
}

static void set_last(struct remote *r, uint64_t shared, int64_t last)
{
	struct node *n;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node_shared(&r->ipam->registry, shared);
	if (n != NULL)
		n->written = last;
	pthread_rwlock_unlock(&r->ipam->lock);
}

struct learned {
	struct remote *r;
	int64_t revision;
};

static int learn(void *arg, const struct etcd_kv *kv)
{
	struct learned *l = arg;
	struct record_name name;

	if (record_parse_key(l->r->prefix, kv->key.data, kv->key.size, &name) == 0 && name.what == RECORD_PUBLISHED)
		l->revision = kv->mod_revision;
	return 0;
}

/* Ends a batch with the time, so that others can tell how old what they see is. That key is compared as well: a batch that was given
 * up, and is under way still, must not come after a newer one. */
static int finish(struct remote *r, struct batch *batch, int64_t *revision, struct ipam_error *error)
{
	int64_t at;
	struct learned learned = { .r = r };
	char key[RECORD_KEY], value[64];
	struct etcd_key k = { key, record_key_of(r->prefix, "published", batch->node, key) };
	int rc;

	snprintf(value, sizeof value, "{\"time\":%lld}", (long long)time(NULL));
	etcd_if_revision(batch->txn, k, (struct etcd_key){ 0 }, last_of(r, batch->node));
	etcd_put(batch->txn, k, (struct etcd_key){ value, strlen(value) }, 0);
	rc = etcd_commit(r->etcd, batch->txn, CALL_MS, learn, &learned, &at, error);
	if (rc == 1)
		*revision = at;
	if (rc >= 0)
		set_last(r, batch->node, rc == 1 ? at : learned.revision);
	return rc;
}

/* The first n of the list, all of one node: 1 written, 0 the node is not as we thought, to be tried again. */
static int write_some(struct remote *r, const struct bucket *list, size_t n, size_t *written, int64_t *revision, struct ipam_error *error)
{
	struct batch batch = { .txn = etcd_txn_new() };
	int rc = batch.txn == NULL ? -ENOMEM : 0;
	size_t i = 0;

	while (rc == 0 && i < n && list[i].node == list[0].node && batch.count < BATCH && batch.bytes < BATCH_BYTES)
		rc = add(r, &batch, &list[i++]);
	if (rc == 0)
		rc = batch.count == 0 ? 1 : finish(r, &batch, revision, error);
	etcd_txn_free(batch.txn);
	*written = i;
	return rc;
}

/* ---- all, after a start: what is published and differs, and what isn't ------------------------------------------------------------ */

struct compare {
	struct publish *p;
	uint64_t node;
	uint64_t *seen;
	size_t seens;
	int rc;
};

static int compare_bucket(void *arg, const struct etcd_kv *kv)
{
	struct compare *c = arg;
	struct remote *r = c->p->r;
	struct record_name name;
	uint64_t shared, *bigger;
	json_t *list;
	char *value;
	int rc;

	if (record_parse_key(r->prefix, kv->key.data, kv->key.size, &name) < 0 || name.what != RECORD_LEASES)
		return 0;
	bigger = reallocarray(c->seen, c->seens + 1, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	c->seen = bigger;
	c->seen[c->seens++] = name.bucket;
	pthread_rwlock_rdlock(&r->ipam->lock);
	rc = bucket_json(r->ipam, &(struct bucket){ c->node, name.bucket }, &shared, &list);
	pthread_rwlock_unlock(&r->ipam->lock);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	value = list == NULL ? NULL : json_dumps(list, JSON_COMPACT);
	if (value == NULL || strlen(value) != kv->value.size || memcmp(value, kv->value.data, kv->value.size) != 0) {
		pthread_mutex_lock(&c->p->lock);
		mark(c->p, c->node, name.bucket);
		pthread_mutex_unlock(&c->p->lock);
	}
	free(value);
	json_decref(list);
	return 0;
}

static bool has(const uint64_t *list, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == number)
			return true;
	return false;
}

/* Buckets that have leases and are not published at all. */
static void mark_missing(struct compare *c)
{
	struct ipam *ipam = c->p->r->ipam;
	uint64_t last = UINT64_MAX;
	struct node *n;

	pthread_rwlock_rdlock(&ipam->lock);
	n = registry_node(&ipam->registry, c->node);
	pthread_mutex_lock(&c->p->lock);
	for (uint32_t h = n == NULL ? 0 : n->first; h != 0; h = registry_lease(&ipam->registry, h)->next) {
		uint64_t number = registry_lease(&ipam->registry, h)->id / PUBLISH_BUCKET;

		if (number != last && !has(c->seen, c->seens, number))
			mark(c->p, c->node, number);
		last = number;
	}
	pthread_mutex_unlock(&c->p->lock);
	pthread_rwlock_unlock(&ipam->lock);
}

struct published {
	uint64_t id, shared;
};

/* Own nodes that others know. *list is the caller's. -ENOMEM. */
static int list_own(struct remote *r, struct published **list, size_t *n)
{
	struct registry *reg = &r->ipam->registry;

	*n = 0;
	pthread_rwlock_rdlock(&r->ipam->lock);
	*list = calloc((size_t)reg->nodes + 1, sizeof **list);
	for (struct cluster *c = *list == NULL ? NULL : reg->first; c != NULL; c = c->next)
		for (struct node *node = c->first; node != NULL; node = node->next)
			if (!node->pending && node->held == NODE_HELD_HERE && node->shared != 0)
				(*list)[(*n)++] = (struct published){ node->id, node->shared };
	pthread_rwlock_unlock(&r->ipam->lock);
	return *list == NULL ? -ENOMEM : 0;
}

static int compare_node(struct remote *r, const struct published *own, struct ipam_error *error)
{
	struct compare c = { .p = r->publish, .node = own->id };
	char first[RECORD_KEY], end[RECORD_KEY + 1];
	size_t size = record_key_of(r->prefix, "leases", own->shared, first);
	struct etcd_key from = { first, size + 1 };
	int rc;

	first[size] = '/';
	rc = etcd_range(r->etcd, from, (struct etcd_key){ end, etcd_prefix_end(from, end) }, CALL_MS, compare_bucket, &c, NULL, error);
	if (rc == 0)
		mark_missing(&c);
	free(c.seen);
	return rc;
}

static int compare_all(struct remote *r, struct ipam_error *error)
{
	struct published *own;
	size_t n;
	int rc = list_own(r, &own, &n);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = compare_node(r, &own[i], error);
	free(own);
	return rc;
}

/* ---- a round ------------------------------------------------------------------------------------------------------------------ */

static struct bucket *take_dirty(struct publish *p, size_t *n)
{
	struct bucket *list;

	pthread_mutex_lock(&p->lock);
	compact(p);
	list = p->dirty;
	*n = p->count;
	p->dirty = NULL;
	p->count = p->size = p->sorted = 0;
	pthread_mutex_unlock(&p->lock);
	return list;
}

int publish_round(struct remote *r, int64_t *revision, struct ipam_error *error)
{
	struct publish *p = r->publish;
	struct bucket *list;
	size_t n, done = 0, kept = 0; /* kept: the first of the list, which are to be written still */
	bool all;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	all = p->all || p->lost;
	p->all = p->lost = false;
	pthread_mutex_unlock(&p->lock);
	if (all && (rc = compare_all(r, error)) < 0) {
		publish_all(p);
		return rc;
	}
	list = take_dirty(p, &n);
	while (rc >= 0 && done < n) {
		size_t written = 0;

		rc = write_some(r, list + done, n - done, &written, revision, error);
		/* Where a node has changed the watch will say how: the others needn't wait for that. */
		for (size_t node = done; rc == 0 && node + written < n && list[node + written].node == list[node].node;)
			written++;
		for (size_t i = 0; rc == 0 && i < written; i++)
			list[kept++] = list[done + i];
		if (rc >= 0)
			done += written;
	}
	pthread_mutex_lock(&p->lock);
	/* What was marked meanwhile is new, what is left isn't. */
	if (done == n && kept == 0)
		p->since = p->count > 0 ? (int64_t)time(NULL) : 0;
	for (size_t i = 0; i < kept; i++)
		mark(p, list[i].node, list[i].number);
	for (; done < n; done++)
		mark(p, list[done].node, list[done].number);
	pthread_mutex_unlock(&p->lock);
	free(list);
	return rc < 0 ? rc : 0;
}
