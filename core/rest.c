#include "engine.h"

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

static void push(struct rests *r, const struct store_rest *rest)
{
	size_t i = r->count++;

	for (; i > 0 && r->heap[(i - 1) / 2].until > rest->until; i = (i - 1) / 2)
		r->heap[i] = r->heap[(i - 1) / 2];
	r->heap[i] = *rest;
}

void rest_begin(struct ipam *ipam, const struct store_rest *rest, struct block *block)
{
	ipam->rests.promised--;
	push(&ipam->rests, rest);
	if (block != NULL)
		block->resting++;
	timer_at(ipam, rest->until);
}

const struct store_rest *rest_first(const struct ipam *ipam)
{
	return ipam->rests.count > 0 ? &ipam->rests.heap[0] : NULL;
}

void rest_pop(struct ipam *ipam)
{
	struct rests *r = &ipam->rests;
	struct store_rest last = r->heap[--r->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < r->count) {
		if (child + 1 < r->count && r->heap[child + 1].until < r->heap[child].until)
			child++;
		if (r->heap[child].until >= last.until)
			break;
		r->heap[i] = r->heap[child];
		i = child;
	}
	if (r->count > 0)
		r->heap[i] = last;
}

static struct block *block_of(const struct ipam *ipam, const struct store_rest *rest)
{
	struct cluster *c = registry_cluster(&ipam->registry, rest->cluster);

	return c == NULL ? NULL : cluster_block_of(c, rest->family, rest->addr);
}

void rest_end(struct ipam *ipam, const struct store_rest *rest)
{
	struct block *b = block_of(ipam, rest);

	/* Its block may have gone back meanwhile; then the slot went with it. */
	if (b != NULL && b->resting > 0 && pool_release(&b->pool, rest->addr - b->pool.prefix.base) == 0)
		b->resting--;
}

static int take(struct block *b, u128 addr)
{
	int rc = pool_restore(&b->pool, addr - b->pool.prefix.base);

	if (rc == 0)
		b->resting++;
	return rc;
}

int rest_load(struct ipam *ipam, const struct store_rest *rest, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct block *b = block_of(ipam, &rest[i]);
		int rc = rest_promise(ipam);

		if (rc < 0)
			return rc;
		ipam->rests.promised--;
		if (b != NULL)
			rc = take(b, rest[i].addr);
		/* Leased though it should rest: the lease counts, and its end must not free the address. */
		if (rc == -EADDRINUSE)
			continue;
		if (rc < 0)
			return rc;
		push(&ipam->rests, &rest[i]);
	}
	return 0;
}

int rest_apply(struct ipam *ipam, struct block *block)
{
	const struct rests *r = &ipam->rests;

	for (size_t i = 0; i < r->count; i++) {
		int rc = 0;

		if (r->heap[i].cluster == block->node->cluster->id && cidr_has(&block->pool.prefix, r->heap[i].family, r->heap[i].addr))
			rc = take(block, r->heap[i].addr);
		if (rc < 0 && rc != -EADDRINUSE)
			return rc;
	}
	return 0;
}

bool rest_has(const struct ipam *ipam, uint64_t cluster, unsigned family, u128 addr)
{
	const struct rests *r = &ipam->rests;

	for (size_t i = 0; i < r->count; i++)
		if (r->heap[i].cluster == cluster && r->heap[i].family == family && r->heap[i].addr == addr)
			return true;
	return false;
}
