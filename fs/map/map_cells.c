#include "fs/map/map_cells.h"

#include <errno.h>
#include <stdlib.h>

u128 map_add(u128 a, u128 b)
{
	return a > U128_MAX - b ? U128_MAX : a + b;
}

/* Of a number of bits: all set. */
static u128 ones(unsigned bits)
{
	return bits >= 128 ? U128_MAX : ((u128)1 << bits) - 1;
}

u128 map_cell(const struct map_panel *p, unsigned shift, u128 addr)
{
	return shift >= 128 ? 0 : (addr - p->cidr.base) >> shift;
}

u128 map_cell_first(const struct map_panel *p, unsigned shift, u128 cell)
{
	return shift >= 128 ? p->cidr.base : p->cidr.base + (cell << shift);
}

unsigned map_level(const struct map_run *r)
{
	unsigned tenth;

	if (r->used == 0)
		return 0;
	if (r->used >= r->capacity)
		return MAP_FULL;
	tenth = (unsigned)((u128)r->used * 10 / r->capacity);
	return tenth == 0 ? 1 : tenth;
}

static void join(struct map_run *into, const struct map_run *r)
{
	into->count += r->count;
	into->used += r->used;
	into->resting += r->resting;
	into->capacity = map_add(into->capacity, r->capacity);
	if (r->state > into->state)
		into->state = r->state;
	if (r->time < into->time)
		into->time = r->time;
}

/* What is in use, a cell each. *out has room for all. */
static size_t join_all(const struct map_panel *p, unsigned shift, struct map_run *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->runs; i++) {
		struct map_run r = p->run[i];

		/* One reserved address doesn't make a cell of many reserved. */
		if (shift > p->shift && r.state < MAP_RESTING)
			continue;
		r.first = map_cell_first(p, shift, map_cell(p, shift, r.first));
		r.last = r.first + ones(shift);
		if (n > 0 && out[n - 1].first == r.first)
			join(&out[n - 1], &r);
		else
			out[n++] = r;
	}
	return n;
}

/* The part of a reserved range that consists of whole cells: false where there is none. */
static bool whole_cells(const struct map_panel *p, unsigned shift, const struct cidr_range *range, u128 *first, u128 *last)
{
	u128 base = p->cidr.base, end = cidr_last(&p->cidr), mask = ones(shift), low, high;

	if (range->family != p->cidr.family || range->last < base || range->first > end)
		return false;
	low = range->first > base ? range->first - base : 0;
	high = (range->last < end ? range->last : end) - base;
	if ((low & mask) != 0) {
		if (low > U128_MAX - mask)
			return false;
		low = (low + mask) & ~mask;
	}
	if ((high & mask) != mask) {
		if (high < mask)
			return false;
		high = (high & ~mask) - 1;
	}
	*first = base + low;
	*last = base + high;
	return low <= high;
}

struct merging {
	const struct map_run *used; /* cells in use that aren't out yet */
	size_t left;
	struct map_run *out;
	size_t n;
};

static void put_used(struct merging *g)
{
	g->out[g->n++] = *g->used++;
	g->left--;
}

static void put_reserved(struct merging *g, unsigned family, u128 first, u128 last)
{
	g->out[g->n++] = (struct map_run){ .first = first, .last = last, .family = (uint8_t)family, .state = MAP_RESERVED };
}

/* A reserved range, less what of it is in use all the same. */
static void merge(struct merging *g, unsigned family, u128 first, u128 last)
{
	while (g->left > 0 && g->used->first < first)
		put_used(g);
	while (g->left > 0 && g->used->first <= last) {
		u128 end = g->used->last;

		if (g->used->first > first)
			put_reserved(g, family, first, g->used->first - 1);
		put_used(g);
		if (end >= last)
			return;
		first = end + 1;
	}
	put_reserved(g, family, first, last);
}

int map_cells(const struct map *m, const struct map_panel *p, unsigned shift, struct map_run **out, size_t *n)
{
	struct map_run *used = calloc(p->runs + 1, sizeof *used);
	struct merging g = { .used = used };
	u128 first, last;

	*out = NULL;
	*n = 0;
	if (used != NULL) {
		g.left = join_all(p, shift, used);
		g.out = calloc(2 * g.left + m->reserveds + 1, sizeof *used);
	}
	if (g.out == NULL) {
		free(used);
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->reserveds; i++)
		if (whole_cells(p, shift, &m->reserved[i], &first, &last))
			merge(&g, p->cidr.family, first, last);
	while (g.left > 0)
		put_used(&g);
	free(used);
	*out = g.out;
	*n = g.n;
	return 0;
}
