/* svg_shapes — the cells of a panel, in units of a cell: a stroke of one unit each where something is, with what it has in common
 * with others in the group around it, so that it takes few bytes; one shape for each run of free or reserved ones; and
 * over all of it the lines between them, in the background's colour. */
#ifndef IPAMFS_SVG_SHAPES_H
#define IPAMFS_SVG_SHAPES_H

#include "fs/map/map_grid.h"

/* The cells of a panel, whose grid's upper left corner is (x, y). -ENOMEM. */
int svg_cells(const struct map *m, struct grid *g, unsigned x, unsigned y, struct buffer *out);
/* Whether the number in a block's cell is that of its leases: of 2^64 addresses they are no percent worth mentioning.
 */
bool svg_counts(const struct map_panel *p);

#endif
