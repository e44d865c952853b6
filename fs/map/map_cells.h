/* map_cells — a panel's slots as cells: joined where a cell stands for several, and the reserved ones put between them. */
#ifndef IPAMFS_MAP_CELLS_H
#define IPAMFS_MAP_CELLS_H

#include "fs/map/map_model.h"

/* A panel as cells of 2^shift addresses, at least a slot's: what isn't free, in order. A cell of several slots is what
 * the busiest is. *out is the caller's to free. -ENOMEM. */
int map_cells(const struct map *m, const struct map_panel *p, unsigned shift, struct map_run **out, size_t *n);
/* Which cell an address of the panel is in, and the other way. */
u128 map_cell(const struct map_panel *p, unsigned shift, u128 addr);
u128 map_cell_first(const struct map_panel *p, unsigned shift, u128 cell);
/* Ten steps and an eleventh: 0 empty, 1 to 9 the tenth it has reached, at least the first, MAP_FULL. */
enum { MAP_FULL = 10 };
unsigned map_level(const struct map_run *r);

u128 map_add(u128 a, u128 b); /* as far as it goes */

#endif
