/* The two tiers of prefixes: a cluster's CIDRs cut into blocks, and a node's blocks cut into addresses. */
#include "registry/block.h"

#include "registry/pool.h"
#include "registry/registry.h"
#include "text/label.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- a cluster's CIDRs ------------------------------------------------------------------------------------- */

struct cluster_cidr *cluster_cidr_of(const struct cluster *c, const struct cidr *cidr)
{
	for (size_t i = 0; i < c->cidrs; i++)
		if (cidr_has_cidr(&c->cidr[i]->cidr, cidr))
			return c->cidr[i];
	return NULL;
}

unsigned cluster_families(const struct cluster *c, uint8_t out[CIDR_FAMILIES])
{
	unsigned n = 0;

	for (size_t i = 0; i < c->cidrs; i++)
		if (n == 0 || (n == 1 && c->cidr[i]->cidr.family != out[0]))
			out[n++] = c->cidr[i]->cidr.family;
	return n;
}

int cluster_cidr_new(const struct cidr *cidr, unsigned node_mask, struct cluster_cidr **out)
{
	struct cluster_cidr *cc = calloc(1, sizeof *cc);
	int rc;

	if (cc == NULL)
		return -ENOMEM;
	cc->cidr = *cidr;
	cc->node_mask = (uint8_t)node_mask;
	rc = pool_init(&cc->pool, cidr, node_mask);
	if (rc < 0) {
		free(cc);
		return rc;
	}
	*out = cc;
	return 0;
}

void cluster_cidr_free(struct cluster_cidr *cc)
{
	if (cc == NULL)
		return;
	pool_close(&cc->pool);
	free(cc->selector);
	free(cc);
}

void cluster_order_cidr(struct cluster *c, struct cluster_cidr *cc)
{
	unsigned requirements = selector_requirements(cc->selector);
	struct cluster_cidr **at = &c->choice;

	while (*at != NULL && selector_requirements((*at)->selector) >= requirements)
		at = &(*at)->next;
	cc->next = *at;
	*at = cc;
}

void cluster_order_cidrs(struct cluster *c)
{
	c->choice = NULL;
	for (size_t i = 0; i < c->cidrs; i++)
		cluster_order_cidr(c, c->cidr[i]);
}

struct cluster_cidr *cluster_cidr_for(struct cluster_cidr *cc, unsigned family, const char *labels)
{
	while (cc != NULL && (cc->cidr.family != family || !selector_matches(cc->selector, labels)))
		cc = cc->next;
	return cc;
}

/* Addresses of the CIDR as its slots: those wholly inside, or (`any`) all that it meets. */
static bool slots_of(const struct cluster_cidr *cc, u128 first, u128 last, bool any, struct pool_span *out)
{
	unsigned shift = cidr_bits(cc->cidr.family) - cc->node_mask;
	u128 size_less_one = ((u128)1 << shift) - 1, from = first - cc->cidr.base, to = last - cc->cidr.base;
	u128 begin = (from >> shift) + (!any && (from & size_less_one) != 0);
	u128 end = (to >> shift) + (any || (to & size_less_one) == size_less_one); /* one past */

	if (end <= begin)
		return false;
	*out = (struct pool_span){ begin, end - 1 };
	return true;
}

/* The part of a range that lies in the CIDR. */
static bool clip(const struct cluster_cidr *cc, const struct cidr_range *range, struct pool_span *out)
{
	u128 base = cc->cidr.base, last = cidr_last(&cc->cidr);

	if (range->family != cc->cidr.family || range->first > last || range->last < base)
		return false;
	*out = (struct pool_span){ range->first < base ? base : range->first, range->last > last ? last : range->last };
	return true;
}

bool cluster_cidr_span(const struct cluster_cidr *cc, const struct ipam_reserved *r, struct pool_span *out)
{
	struct pool_span part;

	return clip(cc, &r->range, &part) && slots_of(cc, part.first, part.last, r->services, out);
}

bool cluster_reserves_gateway(const struct cluster *c, const struct cidr *block)
{
	for (size_t i = 0; i < c->reserveds; i++) {
		const struct cidr_range *r = &c->reserved[i].range;

		if (r->family == block->family && r->first <= block->base + 1 && r->last > block->base)
			return true;
	}
	return false;
}

static int by_first(const void *a, const void *b)
{
	const struct pool_span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

int cluster_cidr_exclude(struct cluster_cidr *cc, const struct ipam_reserved *range, size_t n)
{
	struct pool_span *span = calloc(2 * n + 1, sizeof *span), *whole = span + n;
	size_t parts = 0, spans = 0, kept = 0;
	int rc;

	if (span == NULL)
		return -ENOMEM;
	/* Addresses first, joined: two reserved halves make a reserved block. */
	for (size_t i = 0; i < n; i++)
		parts += clip(cc, &range[i].range, &span[parts]);
	qsort(span, parts, sizeof *span, by_first);
	for (size_t i = 0; i < parts; i++) {
		if (kept > 0 && (span[i].first <= span[kept - 1].last || span[i].first - 1 == span[kept - 1].last)) {
			if (span[i].last > span[kept - 1].last)
				span[kept - 1].last = span[i].last;
		} else {
			span[kept++] = span[i];
		}
	}
	for (size_t i = 0; i < n; i++)
		spans += range[i].services && cluster_cidr_span(cc, &range[i], &whole[spans]);
	/* Then the blocks wholly inside, in front of those that services' ranges meet. */
	parts = 0;
	for (size_t i = 0; i < kept; i++)
		parts += slots_of(cc, span[i].first, span[i].last, false, &span[parts]);
	memmove(&span[parts], whole, spans * sizeof *span);
	rc = pool_exclude(&cc->pool, span, parts + spans);
	free(span);
	return rc;
}

/* ---- blocks ----------------------------------------------------------------------------------------------- */

int block_new(struct node *n, uint64_t id, struct cluster_cidr *from, const struct cidr *cidr, struct block **out)
{
	struct block *b = calloc(1, sizeof *b);
	int rc;

	if (b == NULL)
		return -ENOMEM;
	b->id = id;
	b->node = n;
	b->from = from;
	rc = pool_init(&b->pool, cidr, cidr_bits(cidr->family));
	if (rc < 0) {
		free(b);
		return rc;
	}
	*out = b;
	return 0;
}

void block_free(struct block *b)
{
	if (b == NULL)
		return;
	pool_close(&b->pool);
	free(b);
}

int node_add_block(struct node *n, struct block *b)
{
	struct block **bigger = reallocarray(n->block, n->blocks + 1, sizeof *bigger);

	if (bigger == NULL)
		return -ENOMEM;
	n->block = bigger;
	n->block[n->blocks++] = b;
	return 0;
}

void node_take_block(struct node *n, struct block *b)
{
	uint32_t i = 0;

	while (n->block[i] != b)
		i++;
	n->blocks--;
	memmove(&n->block[i], &n->block[i + 1], (n->blocks - i) * sizeof *n->block);
}

struct block *node_block_of(const struct node *n, unsigned family, u128 addr)
{
	for (uint32_t i = 0; i < n->blocks; i++)
		if (cidr_has(&n->block[i]->pool.prefix, family, addr))
			return n->block[i];
	return NULL;
}

struct block *cluster_block_of(const struct cluster *c, unsigned family, u128 addr)
{
	struct block *b = NULL;

	for (const struct node *n = c->first; n != NULL && b == NULL; n = n->next)
		b = node_block_of(n, family, addr);
	return b;
}

u128 block_gateway(const struct block *b)
{
	return b->pool.prefix.base + 1;
}

int block_exclude(struct block *b, bool gateway, const struct ipam_reserved *reserved, size_t n)
{
	struct pool_span *span = calloc(n + 2, sizeof *span);
	const struct cidr *c = &b->pool.prefix;
	u128 last = cidr_last(c);
	size_t spans = 0;
	int rc;

	if (span == NULL)
		return -ENOMEM;
	/* Slot 0 is the network address (RFC 950) or the subnet-router anycast address (RFC 4291, 2.6.1). */
	span[spans++] = (struct pool_span){ 0, gateway ? 1 : 0 };
	if (c->family == CIDR_V4)
		span[spans++] = (struct pool_span){ last - c->base, last - c->base };
	for (size_t i = 0; i < n; i++) {
		const struct cidr_range *r = &reserved[i].range;

		if (r->family == c->family && r->first <= last && r->last >= c->base)
			span[spans++] = (struct pool_span){ r->first < c->base ? 0 : r->first - c->base,
							    (r->last > last ? last : r->last) - c->base };
	}
	rc = pool_exclude(&b->pool, span, spans);
	free(span);
	return rc;
}
