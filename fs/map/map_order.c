#include "fs/map/map_order.h"

#include "fs/map/map_cells.h"

#include <stdlib.h>

/* The busiest first, of those at one address. */
static int by_address(const void *a, const void *b)
{
	const struct map_run *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->state < y->state) - (x->state > y->state);
}

/* Windows may have been probed twice, a first address may be the gateway too. */
static void sort_runs(struct map *m)
{
	size_t n = 0;

	if (m->runs > 1)
		qsort(m->run, m->runs, sizeof *m->run, by_address);
	for (size_t i = 0; i < m->runs; i++)
		if (n == 0 || m->run[n - 1].family != m->run[i].family || m->run[n - 1].first != m->run[i].first)
			m->run[n++] = m->run[i];
	m->runs = n;
}

static int by_range(const void *a, const void *b)
{
	const struct cidr_range *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void merge_reserved(struct map *m)
{
	size_t n = 0;

	if (m->reserveds > 1)
		qsort(m->reserved, m->reserveds, sizeof *m->reserved, by_range);
	for (size_t i = 0; i < m->reserveds; i++) {
		struct cidr_range *r = &m->reserved[i], *last = n > 0 ? &m->reserved[n - 1] : NULL;

		if (last != NULL && last->family == r->family && (last->last == U128_MAX || r->first <= last->last + 1)) {
			if (r->last > last->last)
				last->last = r->last;
		} else {
			m->reserved[n++] = *r;
		}
	}
	m->reserveds = n;
}

/* The first run at or behind an address. */
static size_t find_run(const struct map *m, unsigned family, u128 addr)
{
	struct map_run key = { .family = (uint8_t)family, .first = addr, .state = MAP_BLOCK };
	size_t low = 0, high = m->runs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_address(&m->run[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void fill_panel(struct map *m, struct map_panel *p)
{
	u128 last = cidr_last(&p->cidr);
	unsigned f = p->cidr.family;
	size_t i = find_run(m, f, p->cidr.base);

	p->run = m->run + i;
	for (; i < m->runs && m->run[i].family == f && m->run[i].first <= last; i++) {
		p->runs++;
		if (m->kind != IPAM_CLUSTER)
			continue;
		p->delegated++;
		p->capacity = map_add(p->capacity, m->run[i].capacity);
		p->used += m->run[i].used;
		p->resting += m->run[i].resting;
	}
	m->numbers.blocks = map_add(m->numbers.blocks, m->kind == IPAM_CLUSTER ? p->blocks : 1);
	m->numbers.blocks_used += p->delegated;
	m->numbers.addresses[f] = map_add(m->numbers.addresses[f], p->capacity);
	m->numbers.used[f] += p->used;
	m->numbers.resting[f] += p->resting;
}

void map_order(struct map *m)
{
	sort_runs(m);
	merge_reserved(m);
	for (size_t i = 0; i < m->panels; i++)
		fill_panel(m, &m->panel[i]);
}
