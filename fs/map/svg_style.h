/* svg_style — the colours. One scale of lightness from empty to nearly full, which every eye sees, in three hues; full is apart from
 * it, in a colour that the blind to red, green or blue tell from all its steps; and what is no step of the scale (reserved, resting) has a
 * pattern. On dark the scale goes the other way, so that what is full is always farthest from the background. */
#ifndef IPAMFS_SVG_STYLE_H
#define IPAMFS_SVG_STYLE_H

#include "fs/map/map_cells.h"

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

#endif
