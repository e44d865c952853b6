#include "engine/cooldown.h"

#include "engine/alarm.h"
#include "engine/engine.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "store/store.h"
#include "text/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int rest_promise(struct ipam *ipam)
{
	struct rests *r = &ipam->rests;

	if (r->count + r->promised == r->size) {
		size_t size = r->size == 0 ? 64 : r->size * 2;
		struct store_rest *bigger = reallocarray(r->heap, size, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		r->heap = bigger;
		r->size = size;
	}
	r->promised++;
	return 0;
}

void rest_unpromise(struct ipam *ipam)
{
	ipam->rests.promised--;
}

/* What is at `at` goes down to where it belongs. */
static void sift(struct rests *r, size_t at)
{
	struct store_rest rest = r->heap[at];
	size_t child;

	while ((child = 2 * at + 1) < r->count) {
		if (child + 1 < r->count && r->heap[child + 1].until < r->heap[child].until)
			child++;
		if (r->heap[child].until >= rest.until)
			break;
		r->heap[at] = r->heap[child];
		at = child;
	}
	r->heap[at] = rest;
}

static void push(struct rests *r, const struct store_rest *rest)
{
	size_t i = r->count++;

	for (; i > 0 && r->heap[(i - 1) / 2].until > rest->until; i = (i - 1) / 2)
		r->heap[i] = r->heap[(i - 1) / 2];
	r->heap[i] = *rest;
}

void rest_begin(struct ipam *ipam, const struct store_rest *rest, struct block *block)
{
	struct store_rest kept = *rest;

	ipam->rests.promised--;
	if (block != NULL) {
		kept.block = block->id;
		block->resting++;
	}
	push(&ipam->rests, &kept);
	timer_at(ipam, rest->until);
}

const struct store_rest *rest_first(const struct ipam *ipam)
{
	return ipam->rests.count > 0 ? &ipam->rests.heap[0] : NULL;
}

void rest_pop(struct ipam *ipam)
{
	struct rests *r = &ipam->rests;

	if (--r->count > 0) {
		r->heap[0] = r->heap[r->count];
		sift(r, 0);
	}
}

static struct block *block_of(const struct ipam *ipam, const struct store_rest *rest)
{
	struct cluster *c = registry_cluster(&ipam->registry, rest->cluster);

	return c == NULL ? NULL : cluster_block_of(c, rest->family, rest->addr);
}

void rest_end(struct ipam *ipam, const struct store_rest *rest)
{
	struct block *b = block_of(ipam, rest);

	/* Its block may have gone back meanwhile, and the slot went with it; in a block that was made there since, it is a lease's. */
	if (b == NULL || b->id != rest->block)
		return;
	assert(b->resting > 0 && registry_holder(&ipam->registry, b->node->cluster, rest->family, rest->addr) == 0);
	pool_release(&b->pool, rest->addr - b->pool.prefix.base);
	b->resting--;
	engine_changed(ipam, b->node->cluster, b->node);
}

static int take(struct block *b, struct store_rest *rest)
{
	int rc = pool_restore(&b->pool, rest->addr - b->pool.prefix.base);

	if (rc == 0) {
		rest->block = b->id;
		b->resting++;
	}
	return rc;
}

int rest_load(struct ipam *ipam, struct store_rest *rest, size_t n)
{
	int64_t now = engine_due(ipam);

	for (size_t i = 0; i < n; i++) {
		struct block *b = block_of(ipam, &rest[i]);
		int rc = rest_promise(ipam);

		if (rc < 0)
			return rc;
		ipam->rests.promised--;
		/* Of one that has ended only the row is left to go. */
		if (b != NULL && rest[i].until > now)
			rc = take(b, &rest[i]);
		/* Leased though it should rest: the lease counts, and the end of the rest frees nothing. */
		if (rc < 0 && rc != -EADDRINUSE)
			return rc;
		push(&ipam->rests, &rest[i]);
	}
	return 0;
}

int rest_apply(struct ipam *ipam, struct block *block)
{
	const struct rests *r = &ipam->rests;
	int64_t now = engine_due(ipam);

	for (size_t i = 0; i < r->count; i++) {
		int rc = 0;

		/* Of one that has ended only the row is left to go. */
		if (r->heap[i].until > now && r->heap[i].cluster == block->node->cluster->id &&
		    cidr_has(&block->pool.prefix, r->heap[i].family, r->heap[i].addr))
			rc = take(block, &r->heap[i]);
		if (rc < 0 && rc != -EADDRINUSE)
			return rc;
	}
	return 0;
}

/* ---- shorter ones ------------------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct store_rest *x = a, *y = b;

	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

struct span {
	struct cidr cidr;
	int64_t most; /* what rests in it rests until then at most */
};

static int by_cidr(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return cidr_compare(&x->cidr, &y->cidr);
}

/* Blocks don't overlap, so any that has the address is found. */
static int place(const void *key, const void *element)
{
	const struct store_rest *rest = key;
	const struct span *s = element;

	if (rest->family != s->cidr.family)
		return rest->family < s->cidr.family ? -1 : 1;
	return rest->addr < s->cidr.base ? -1 : rest->addr > cidr_last(&s->cidr);
}

/* Where something rests, and until when at most. */
static size_t spans_of(const struct node *first, const struct node *end, bool alone, const struct settings *merged, int64_t now,
		       struct span *out)
{
	size_t found = 0;

	for (const struct node *n = first; n != end; n = n->next) {
		uint64_t delay = alone ? settings_value(merged, &n->cluster->settings, IPAM_REUSE_DELAY) :
					 settings_value(&n->settings, merged, IPAM_REUSE_DELAY);

		for (uint32_t i = 0; i < n->blocks; i++) {
			if (n->block[i]->resting == 0)
				continue;
			if (out != NULL)
				out[found] = (struct span){ n->block[i]->pool.prefix, engine_after(now, delay) };
			found++;
		}
	}
	return found;
}

int rest_beyond(const struct ipam *ipam, const struct cluster *c, const struct node *only, const struct settings *merged, int64_t now,
		struct store_rest **out, size_t *n)
{
	const struct node *first = only != NULL ? only : c->first, *end = only != NULL ? only->next : NULL;
	const struct rests *r = &ipam->rests;
	size_t spans = spans_of(first, end, only != NULL, merged, now, NULL);
	/* What is in no block goes by the cluster's. */
	int64_t others = only != NULL ? INT64_MAX : now + (int64_t)settings_value(NULL, merged, IPAM_REUSE_DELAY) * NANOSECONDS;
	struct span *span;

	*out = NULL;
	*n = 0;
	if (r->count == 0)
		return 0;
	span = calloc(spans + 1, sizeof *span);
	*out = calloc(r->count, sizeof **out);
	if (span == NULL || *out == NULL) {
		free(span);
		return -ENOMEM;
	}
	spans_of(first, end, only != NULL, merged, now, span);
	qsort(span, spans, sizeof *span, by_cidr);
	for (size_t i = 0; i < r->count; i++) {
		const struct span *in = r->heap[i].cluster == c->id ? bsearch(&r->heap[i], span, spans, sizeof *span, place) : NULL;

		int64_t most = in != NULL ? in->most : r->heap[i].cluster == c->id ? others : INT64_MAX;

		if (most >= r->heap[i].until)
			continue;
		(*out)[*n] = r->heap[i];
		(*out)[(*n)++].until = most;
	}
	free(span);
	qsort(*out, *n, sizeof **out, by_address);
	return 0;
}

void rest_shorten(struct ipam *ipam, const struct store_rest *shorter, size_t n, int64_t now)
{
	struct rests *r = &ipam->rests;

	if (n == 0)
		return;
	for (size_t i = 0; i < r->count; i++) {
		struct store_rest *rest = &r->heap[i];
		const struct store_rest *is = bsearch(rest, shorter, n, sizeof *shorter, by_address);

		if (is == NULL || is->until >= rest->until)
			continue;
		rest->until = is->until;
		if (rest->until <= now) {
			rest_end(ipam, rest);
			rest->block = 0;
		}
	}
	for (size_t i = r->count / 2; i-- > 0;)
		sift(r, i);
	if (r->count > 0)
		timer_at(ipam, r->heap[0].until);
}
