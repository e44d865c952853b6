#include "registry/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pool_init(struct pool *p, const struct cidr *prefix, unsigned slot_len)
{
	if (slot_len < prefix->len || slot_len > cidr_bits(prefix->family))
		return -EINVAL;
	*p = (struct pool){ .prefix = *prefix, .slot_len = (uint8_t)slot_len };
	return 0;
}

void pool_close(struct pool *p)
{
	free(p->span);
	p->span = NULL;
	p->spans = 0;
	bitset_close(&p->taken);
}

u128 pool_last(const struct pool *p)
{
	unsigned bits = p->slot_len - p->prefix.len;

	return bits == 128 ? U128_MAX : ((u128)1 << bits) - 1;
}

/* ---- exclusions ------------------------------------------------------------------------------------------- */

static int by_first(const void *a, const void *b)
{
	const struct pool_span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Clip, sort and join in place: how many remain. */
static size_t normalise(struct pool_span *span, size_t n, u128 last)
{
	size_t clipped = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (span[i].first > last || span[i].first > span[i].last)
			continue;
		span[clipped] = span[i];
		if (span[clipped].last > last)
			span[clipped].last = last;
		clipped++;
	}
	qsort(span, clipped, sizeof *span, by_first);
	for (size_t i = 0; i < clipped; i++) {
		struct pool_span *before = kept > 0 ? &span[kept - 1] : NULL;

		if (before != NULL && (span[i].first <= before->last || span[i].first - before->last == 1)) {
			if (span[i].last > before->last)
				before->last = span[i].last;
		} else {
			span[kept++] = span[i];
		}
	}
	return kept;
}

int pool_exclude(struct pool *p, const struct pool_span *span, size_t n)
{
	struct pool_span *copy = NULL, *fit;

	if (n > UINT32_MAX)
		return -ENOMEM;
	if (n > 0) {
		copy = reallocarray(NULL, n, sizeof *copy);
		if (copy == NULL)
			return -ENOMEM;
		memcpy(copy, span, n * sizeof *copy);
		n = normalise(copy, n, pool_last(p));
		fit = n == 0 ? NULL : reallocarray(copy, n, sizeof *copy);
		if (fit != NULL)
			copy = fit;
	}
	free(p->span);
	p->span = copy;
	p->spans = (uint32_t)n;
	p->excluded = 0;
	for (size_t i = 0; i < n; i++) {
		u128 size_less_one = copy[i].last - copy[i].first;
		u128 taken = p->used == 0 ? 0 : bitset_count(&p->taken, copy[i].first, copy[i].last);

		/* Only the whole of ::/0 overflows; it then counts one slot less, and nobody can tell. */
		p->excluded += size_less_one == U128_MAX ? size_less_one - taken : size_less_one + 1 - taken;
	}
	return 0;
}

/* The span that holds the slot, or NULL. */
static const struct pool_span *span_of(const struct pool *p, u128 slot)
{
	uint32_t low = 0, high = p->spans;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->span[middle].last < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->spans && p->span[low].first <= slot ? &p->span[low] : NULL;
}

bool pool_excluded(const struct pool *p, u128 slot)
{
	return span_of(p, slot) != NULL;
}

/* ---- numbers ---------------------------------------------------------------------------------------------- */

u128 pool_free(const struct pool *p)
{
	u128 last = pool_last(p), gone = p->used + p->excluded;

	if (last == U128_MAX)
		return gone == 0 ? U128_MAX : U128_MAX - gone + 1;
	return last + 1 - gone;
}

u128 pool_capacity(const struct pool *p)
{
	u128 free = pool_free(p);
	u128 taken_excluded = 0;

	/* A slot that was taken before it was excluded isn't to be given again. */
	for (uint32_t i = 0; p->used > 0 && i < p->spans; i++)
		taken_excluded += bitset_count(&p->taken, p->span[i].first, p->span[i].last);
	return free > U128_MAX - p->used ? U128_MAX : free + p->used - taken_excluded;
}

/* ---- claims ----------------------------------------------------------------------------------------------- */

static int take(struct pool *p, u128 slot)
{
	int rc = bitset_set(&p->taken, slot);

	if (rc == 0)
		p->used++;
	return rc;
}

/* The lowest slot of from..last that is neither taken nor excluded. */
static int search(const struct pool *p, u128 from, u128 last, u128 *out)
{
	for (;;) {
		const struct pool_span *span;
		int rc = bitset_next_clear(&p->taken, from, last, out);

		if (rc < 0)
			return rc;
		span = span_of(p, *out);
		if (span == NULL)
			return 0;
		if (span->last >= last)
			return -ENOSPC;
		from = span->last + 1;
	}
}

int pool_claim_between(struct pool *p, u128 first, u128 last, u128 *slot)
{
	u128 start;
	int rc;

	if (last > pool_last(p))
		last = pool_last(p);
	if (pool_free(p) == 0 || first > last)
		return -ENOSPC;
	start = p->given && p->cursor >= first && p->cursor < last ? p->cursor + 1 : first;
	rc = search(p, start, last, slot);
	if (rc == -ENOSPC && start > first)
		rc = search(p, first, start - 1, slot);
	if (rc == 0)
		rc = take(p, *slot);
	if (rc == 0)
		pool_set_cursor(p, *slot);
	return rc;
}

int pool_claim_next(struct pool *p, u128 *slot)
{
	return pool_claim_between(p, 0, pool_last(p), slot);
}

int pool_claim(struct pool *p, u128 slot)
{
	int rc;

	if (slot > pool_last(p))
		return -EADDRNOTAVAIL;
	if (bitset_test(&p->taken, slot))
		return -EADDRINUSE;
	if (pool_excluded(p, slot))
		return -EADDRNOTAVAIL;
	rc = take(p, slot);
	return rc;
}

int pool_restore(struct pool *p, u128 slot)
{
	int rc;

	if (slot > pool_last(p))
		return -EADDRNOTAVAIL;
	rc = take(p, slot);
	if (rc == 0 && pool_excluded(p, slot))
		p->excluded--;
	return rc == -EEXIST ? -EADDRINUSE : rc;
}

int pool_release(struct pool *p, u128 slot)
{
	int rc = bitset_clear(&p->taken, slot);

	if (rc < 0)
		return rc;
	p->used--;
	if (pool_excluded(p, slot))
		p->excluded++;
	return 0;
}

bool pool_taken(const struct pool *p, u128 slot)
{
	return bitset_test(&p->taken, slot);
}

void pool_set_cursor(struct pool *p, u128 slot)
{
	p->cursor = slot;
	p->given = true;
}

/* ---- slots and prefixes ----------------------------------------------------------------------------------- */

int pool_slot(const struct pool *p, u128 addr, u128 *slot)
{
	unsigned shift = cidr_bits(p->prefix.family) - p->slot_len;

	if (!cidr_has(&p->prefix, p->prefix.family, addr))
		return -EADDRNOTAVAIL;
	*slot = shift == 128 ? 0 : (addr - p->prefix.base) >> shift;
	return 0;
}

struct cidr pool_cidr(const struct pool *p, u128 slot)
{
	unsigned shift = cidr_bits(p->prefix.family) - p->slot_len;

	return (struct cidr){ shift == 128 ? p->prefix.base : p->prefix.base + (slot << shift), p->prefix.family, p->slot_len };
}
