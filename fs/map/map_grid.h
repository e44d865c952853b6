/* map_grid — where a panel's cells stand on the page.
 *
 * Cells stand in rows that read like addresses: 32 to 256 a row, so a row is a prefix too and its label and the
 * column's add up to the cell's address. (A Hilbert curve was tried: it makes squares of prefixes, but no label says
 * which, next-fit draws a winding thread, and what is free is a shape of thousands of corners. Rows fill up from the
 * top as text does.)
 *
 * Of a space too large to draw, rows without anything in use are left out, and where that isn't enough, a cell stands
 * for several slots.
 */
#ifndef IPAMFS_MAP_GRID_H
#define IPAMFS_MAP_GRID_H

#include "fs/map/map_model.h"

enum {
	GRID_WIDTH = 1024,   /* pixels */
	GRID_CELLS = 131072, /* drawn one by one, in all panels together: two families of 65,536 */
};

/* Rows that follow one another, or that are left out: a band with a remark then. */
struct grid_part {
	u128 row, rows;
	unsigned y, height; /* in cells */
	bool band;
};

struct grid {
	const struct map_panel *panel;
	unsigned shift;  /* bits of a cell */
	unsigned bits;   /* 2^bits cells a row */
	unsigned pitch;  /* pixels of a cell */
	unsigned height; /* in cells */
	u128 last;       /* cell */
	struct grid_part *part;
	size_t parts;
	size_t at; /* part found last */
};

/* cells: how many may be drawn one by one. part is the caller's to free. -ENOMEM. */
int grid_make(const struct map_panel *p, size_t cells, struct grid *out);
/* The part with a row: cells are asked for in order, or from the first one on again. */
const struct grid_part *grid_part(struct grid *g, u128 row);

#endif
