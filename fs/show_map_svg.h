/* show_map_svg — what the files that write map.svg share: its page, the shapes of a panel, its style. */
#ifndef IPAMFS_SHOW_MAP_SVG_H
#define IPAMFS_SHOW_MAP_SVG_H

#include "show_map_grid.h"
#include "show_map_xml.h"

/* How a cell is coloured: as full as it is; else what it is; a leased address by its age. */
enum svg_style {
	SVG_LEVEL, /* and the ten above */
	SVG_RESERVED = SVG_LEVEL + MAP_FULL + 1,
	SVG_GATEWAY,
	SVG_RESTING,
	SVG_STYLES
};
enum svg_style svg_style_of(const struct map *m, const struct map_run *r);
/* Its class, in the style sheet and the cells. */
const char *svg_class(enum svg_style style);
/* That of text on it. */
const char *svg_text_class(enum svg_style style);

extern const char svg_style_sheet[];
/* From the left edge x on, in a row at y. */
void svg_legend(const struct map *m, unsigned x, unsigned y, struct buffer *out);

/* The cells of a panel, whose grid's upper left corner is (x, y). -ENOMEM. */
int svg_cells(const struct map *m, struct grid *g, unsigned x, unsigned y, struct buffer *out);
/* Whether the number in a block's cell is that of its leases: of 2^64 addresses they are no percent worth mentioning.
 */
bool svg_counts(const struct map_panel *p);
/* Their titles. */
void svg_title(const struct map *m, const struct grid *g, const struct map_run *r, struct buffer *out);
/* Of cells `first` to `last`, which nobody uses. */
void svg_title_span(const struct map *m, const struct grid *g, enum map_state state, u128 first, u128 last, struct buffer *out);

#endif
