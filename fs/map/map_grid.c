#include "fs/map/map_grid.h"

#include "fs/map/map_cells.h"

#include <errno.h>
#include <stdlib.h>

enum { BAND = 20, FEWEST = 5, MOST = 8 }; /* pixels of a band; bits of a row */

/* How high a panel may be, in cells of a row of 2^bits. */
static unsigned limit(unsigned bits)
{
	static const unsigned rows[] = { 16, 40, 96, 256 };

	return rows[bits - FEWEST];
}

static unsigned band_height(unsigned bits)
{
	unsigned pitch = GRID_WIDTH >> bits;

	return (BAND + pitch - 1) / pitch;
}

static void set_shape(struct grid *g, unsigned shift, unsigned bits)
{
	g->shift = shift;
	g->bits = bits;
	g->pitch = GRID_WIDTH >> bits;
	g->last = map_cell(g->panel, shift, cidr_last(&g->panel->cidr));
}

static u128 rows_in_all(const struct grid *g)
{
	return (g->last >> g->bits) + 1;
}

static u128 row_of(const struct grid *g, const struct map_run *r)
{
	return map_cell(g->panel, g->shift, r->first) >> g->bits;
}

/* Laying out rows of which only those with something in use are there. part NULL: only how high. */
struct layout {
	struct grid_part *part;
	size_t parts;
	u128 end; /* of the rows so far */
	unsigned y;
	bool open; /* the last part is no band */
};

static void put_part(struct layout *l, bool band)
{
	if (l->part != NULL)
		l->part[l->parts] = (struct grid_part){ .row = l->end, .y = l->y, .band = band };
	l->parts++;
	l->open = !band;
}

static void put_rows(struct layout *l, u128 rows, unsigned height)
{
	if (l->part != NULL) {
		l->part[l->parts - 1].rows += rows;
		l->part[l->parts - 1].height += height;
	}
	l->end += rows;
	l->y += height;
}

/* A few rows are drawn, though empty, many are a band. */
static void put_gap(struct layout *l, u128 to, unsigned band)
{
	u128 rows = to - l->end;

	if (rows > band)
		put_part(l, true);
	else if (rows > 0 && !l->open)
		put_part(l, false);
	if (rows > 0)
		put_rows(l, rows, rows > band ? band : (unsigned)rows);
}

/* Returns how many cells high it is, or something above the limit. */
static unsigned leave_out(const struct grid *g, struct grid_part *part, size_t *parts)
{
	struct layout l = { .part = part };
	unsigned band = band_height(g->bits);

	put_part(&l, false);
	put_rows(&l, 1, 1); /* the first row is there even if nothing is */
	for (size_t i = 0; i < g->panel->runs && l.y <= limit(g->bits); i++) {
		u128 row = row_of(g, &g->panel->run[i]);

		if (row < l.end)
			continue;
		put_gap(&l, row, band);
		if (!l.open)
			put_part(&l, false);
		put_rows(&l, 1, 1);
	}
	put_gap(&l, rows_in_all(g), band);
	if (parts != NULL)
		*parts = l.parts;
	return l.y;
}

/* Cells that something is in, as far as `most`. */
static size_t cells_in_use(const struct grid *g, size_t most)
{
	const struct map_panel *p = g->panel;
	size_t n = 0;
	u128 last = 0;

	if (p->runs <= most)
		return p->runs;
	for (size_t i = 0; i < p->runs && n <= most; i++) {
		u128 cell = map_cell(p, g->shift, p->run[i].first);

		if (n == 0 || cell != last)
			n++;
		last = cell;
	}
	return n;
}

/* Whole where it isn't too high, with the widest cells that do. */
static bool choose(struct grid *g, size_t cells)
{
	unsigned slot = g->panel->shift, bits = cidr_bits(g->panel->cidr.family);

	if (cells_in_use(g, cells) <= cells) {
		for (unsigned b = FEWEST; b < MOST; b++) {
			set_shape(g, slot, b);
			if (rows_in_all(g) <= limit(b))
				return true;
		}
		for (unsigned b = FEWEST; b < MOST; b++) {
			set_shape(g, slot, b);
			if (leave_out(g, NULL, NULL) <= limit(b))
				return false;
		}
	}
	for (unsigned shift = slot; shift < bits; shift++) {
		set_shape(g, shift, MOST);
		if (cells_in_use(g, cells) > cells)
			continue;
		if (rows_in_all(g) <= limit(MOST))
			return true;
		if (leave_out(g, NULL, NULL) <= limit(MOST))
			return false;
	}
	return true; /* one cell: never too high */
}

int grid_make(const struct map_panel *p, size_t cells, struct grid *out)
{
	bool whole;

	*out = (struct grid){ .panel = p, .shift = p->shift };
	whole = choose(out, cells);
	/* None is less than a cell high. */
	out->part = calloc(limit(MOST), sizeof *out->part);
	if (out->part == NULL)
		return -ENOMEM;
	if (whole) {
		out->height = (unsigned)rows_in_all(out);
		out->part[0] = (struct grid_part){ .rows = out->height, .height = out->height };
		out->parts = 1;
	} else {
		out->height = leave_out(out, out->part, &out->parts);
	}
	return 0;
}

const struct grid_part *grid_part(struct grid *g, u128 row)
{
	if (row < g->part[g->at].row)
		g->at = 0;
	while (row - g->part[g->at].row >= g->part[g->at].rows)
		g->at++;
	return &g->part[g->at];
}
