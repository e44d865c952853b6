/* svg_title — the tooltips: whose it is. The first line names the cell and its owner, so that grep finds both. */
#ifndef IPAMFS_SVG_TITLE_H
#define IPAMFS_SVG_TITLE_H

#include "fs/map/map_grid.h"

/* Of a cell. */
void svg_title(const struct map *m, const struct grid *g, const struct map_run *r, struct buffer *out);
/* Of cells `first` to `last`, which nobody uses. */
void svg_title_span(const struct map *m, const struct grid *g, enum map_state state, u128 first, u128 last, struct buffer *out);

#endif
