#include "fs/map/svg.h"

#include "fs/map/map_cells.h"
#include "fs/map/map_grid.h"
#include "fs/map/map_model.h"
#include "fs/map/svg_shapes.h"
#include "fs/map/svg_style.h"
#include "fs/map/xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MARGIN = 24,
	LETTER = 7,    /* pixels of one of a label */
	HEADING = 176, /* pixels down to the first panel */
	ABOVE = 44,    /* from a panel's top to its cells */
	BELOW = 30,
	COLUMN = 64,    /* pixels between labels of columns */
	LINE = 14,      /* and of rows */
	NAME_MOST = 60, /* characters of the name in the heading */
};

struct page {
	const struct map *map;
	struct buffer *out;
	struct grid *grid; /* one a panel */
	unsigned left;     /* of the cells: behind the rows' labels */
	unsigned width, height;
};

/* ---- layout ----------------------------------------------------------------------------------------------- */

/* Cells that a panel may draw one by one: all that there are, or its share. */
static size_t share(const struct map *m, const struct map_panel *p)
{
	enum { LEAST = 64 };
	size_t part;

	if (m->runs <= GRID_CELLS)
		return GRID_CELLS;
	part = (size_t)((u128)GRID_CELLS * p->runs / m->runs);
	return part < LEAST ? LEAST : part;
}

static int lay_out(struct page *page)
{
	const struct map *m = page->map;
	char text[CIDR_ADDR_TEXT];
	size_t longest = 0;
	int rc = 0;

	page->grid = calloc(m->panels + 1, sizeof *page->grid);
	if (page->grid == NULL)
		return -ENOMEM;
	page->height = HEADING;
	for (size_t i = 0; rc == 0 && i < m->panels; i++) {
		struct grid *g = &page->grid[i];
		size_t n;

		rc = grid_make(&m->panel[i], share(m, &m->panel[i]), g);
		page->height += ABOVE + g->height * g->pitch + BELOW;
		for (size_t k = 0; rc == 0 && k < g->parts; k++) {
			u128 row = g->part[k].row + (g->part[k].band ? 0 : g->part[k].rows - 1);

			n = cidr_print_addr(m->panel[i].cidr.family, map_cell_first(&m->panel[i], g->shift, row << g->bits), text);
			longest = n > longest ? n : longest;
		}
	}
	page->left = MARGIN + (unsigned)longest * LETTER + 10;
	page->width = page->left + GRID_WIDTH + MARGIN;
	return rc;
}

/* ---- heading ---------------------------------------------------------------------------------------------- */

static void put_key(struct buffer *out, const char *key, u128 value)
{
	buffer_print(out, "%s ", key);
	buffer_u128(out, value);
	buffer_print(out, "\n");
}

/* For machines and readers of screens: the numbers as in stats. */
static void put_description(const struct map *m, struct buffer *out)
{
	const struct map_numbers *n = &m->numbers;

	buffer_print(out, "<title>");
	xml_text(out, m->name, strlen(m->name), SIZE_MAX);
	buffer_print(out, "</title>\n<desc>\n");
	put_key(out, "nodes", n->nodes);
	put_key(out, "blocks", n->blocks);
	put_key(out, "blocks_used", n->blocks_used);
	put_key(out, "addresses", map_add(n->addresses[CIDR_V4], n->addresses[CIDR_V6]));
	put_key(out, "addresses_used", n->used[CIDR_V4] + n->used[CIDR_V6]);
	put_key(out, "addresses_resting", n->resting[CIDR_V4] + n->resting[CIDR_V6]);
	put_key(out, "leases", n->leases);
	buffer_print(out, "</desc>\n");
}

/* A number, and what it is of. Returns where the next one stands. */
static unsigned put_number(struct page *page, unsigned x, u128 value, u128 of, const char *what)
{
	enum { DIGIT = 17, GAP = 24 }; /* pixels */
	struct buffer *out = page->out;
	size_t start, number, caption;

	buffer_print(out, "<text class=\"t h3\" x=\"%u\" y=\"96\">", x);
	start = out->size;
	xml_count(out, value);
	number = (out->size - start) * DIGIT;
	buffer_print(out, "</text><text class=\"s\" x=\"%u\" y=\"114\">", x);
	start = out->size;
	if (of > 0) {
		buffer_print(out, "of ");
		xml_count(out, of);
		buffer_print(out, " ");
	}
	buffer_print(out, "%s", what);
	if (of > 0) {
		buffer_print(out, ", ");
		xml_percent(out, value, of);
	}
	caption = (out->size - start) * LETTER;
	buffer_print(out, "</text>\n");
	return x + (unsigned)(number > caption ? number : caption) + GAP;
}

static void put_heading(struct page *page)
{
	const struct map *m = page->map;
	const struct map_numbers *n = &m->numbers;
	struct buffer *out = page->out;
	unsigned x = MARGIN;

	buffer_print(out, "<text class=\"t h1\" x=\"%u\" y=\"44\">", x);
	xml_text(out, m->name, strlen(m->name), NAME_MOST);
	buffer_print(out, "<tspan class=\"s\" font-size=\"14\" font-weight=\"400\" dx=\"12\">");
	if (m->kind == IPAM_NODE) {
		buffer_print(out, "node of ");
		xml_text(out, m->cluster, strlen(m->cluster), NAME_MOST);
	} else {
		buffer_print(out, "cluster");
	}
	buffer_print(out, ", at ");
	xml_minute(out, m->now);
	buffer_print(out, "</tspan></text>\n");
	if (m->kind == IPAM_CLUSTER)
		x = put_number(page, x, n->nodes, 0, n->nodes == 1 ? "node" : "nodes");
	x = put_number(page, x, n->leases, 0, n->leases == 1 ? "lease" : "leases");
	if (m->kind == IPAM_CLUSTER)
		x = put_number(page, x, n->blocks_used, n->blocks, "blocks delegated");
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (n->addresses[f] > 0)
			x = put_number(page, x, n->used[f], n->addresses[f], f == CIDR_V4 ? "IPv4 addresses" : "IPv6 addresses");
	if (n->resting[CIDR_V4] + n->resting[CIDR_V6] > 0)
		put_number(page, x, n->resting[CIDR_V4] + n->resting[CIDR_V6], 0, "resting");
	svg_legend(m, MARGIN, 150, out);
}

/* ---- a panel ---------------------------------------------------------------------------------------------- */

static void panel_heading(struct page *page, const struct map_panel *p, const struct grid *g, unsigned y)
{
	struct buffer *out = page->out;
	bool cluster = page->map->kind == IPAM_CLUSTER;
	char text[CIDR_TEXT];

	cidr_print(&p->cidr, text);
	buffer_print(out,
		     "<text class=\"t h2\" x=\"%u\" y=\"%u\">%s<tspan class=\"s\" style=\"font:12px "
		     "system-ui,sans-serif\" dx=\"12\">",
		     page->left, y + 16, text);
	if (cluster) {
		buffer_print(out, "in /%u: ", p->mask);
		xml_count(out, p->delegated);
		buffer_print(out, " of ");
		xml_count(out, p->blocks);
		buffer_print(out, " delegated; ");
	}
	xml_count(out, p->used);
	buffer_print(out, " of ");
	xml_count(out, p->capacity);
	buffer_print(out, " addresses leased");
	if (cluster && svg_counts(p))
		buffer_print(out, " (in a cell: how many)");
	if (p->resting > 0) {
		buffer_print(out, ", ");
		xml_count(out, p->resting);
		buffer_print(out, " resting");
	}
	if (p->has_gateway) {
		cidr_print_addr(p->cidr.family, p->gateway, text);
		buffer_print(out, "; gateway %s", text);
	}
	if (g->shift > p->shift) {
		buffer_print(out, "; too many to draw each: a cell is ");
		xml_count(out, (u128)1 << (g->shift - p->shift));
		buffer_print(out, cluster ? " blocks" : " addresses");
	}
	buffer_print(out, "</tspan></text>\n");
}

/* What a column adds to its row's address: the end of it, as people write addresses. */
static void put_offset(struct buffer *out, unsigned family, u128 offset)
{
	char text[CIDR_ADDR_TEXT];
	const char *s = text;

	cidr_print_addr(family, offset, text);
	while (offset > 0 && strncmp(s, family == CIDR_V4 ? "0." : "0:", 2) == 0)
		s += 2;
	if (offset > 0 && offset < 0x10000 && strncmp(s, "::", 2) == 0)
		s += 2;
	buffer_print(out, "+%s", offset == 0 ? "0" : s);
}

static void put_labels(struct page *page, const struct map_panel *p, const struct grid *g, unsigned y)
{
	unsigned step = (LINE + g->pitch - 1) / g->pitch, columns = 1u << g->bits;
	struct buffer *out = page->out;
	char text[CIDR_ADDR_TEXT];

	buffer_print(out, "<g class=\"s a i\">\n");
	for (unsigned i = 0; i < columns && i <= g->last; i += COLUMN / g->pitch) {
		buffer_print(out, "<text x=\"%u\" y=\"%u\">", page->left + i * g->pitch + g->pitch / 2, y - 6);
		put_offset(out, p->cidr.family, g->shift >= 128 ? 0 : (u128)i << g->shift);
		buffer_print(out, "</text>\n");
	}
	buffer_print(out, "</g>\n<g class=\"s a e\">\n");
	while (step & (step - 1))
		step++;
	for (size_t k = 0; k < g->parts; k++) {
		const struct grid_part *part = &g->part[k];

		for (unsigned i = 0; !part->band && i < part->height; i += step) {
			cidr_print_addr(p->cidr.family, map_cell_first(p, g->shift, (part->row + i) << g->bits), text);
			buffer_print(out, "<text x=\"%u\" y=\"%u\">%s</text>\n", page->left - 8,
				     y + (part->y + i) * g->pitch + g->pitch / 2 + 4, text);
		}
	}
	buffer_print(out, "</g>\n");
}

static int draw_page(struct page *page)
{
	const struct map *m = page->map;
	struct buffer *out = page->out;
	unsigned y = HEADING;
	int rc = 0;

	buffer_print(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\">\n", page->width,
		     page->height, page->width, page->height);
	put_description(m, out);
	buffer_print(out, "<style>%s</style>\n", svg_style_sheet);
	buffer_print(out, "<defs>"
			  "<pattern id=\"r\" width=\"1\" height=\"1\" patternUnits=\"userSpaceOnUse\"><path class=\"k\" "
			  "d=\"M0 0h1v1H0z\"/>"
			  "<path class=\"h\" d=\"M0 1L1 0M-.5 .5L.5 -.5M.5 1.5L1.5 .5\" stroke-width=\".1\"/></pattern>\n"
			  "<pattern id=\"d\" width=\".5\" height=\".5\" patternUnits=\"userSpaceOnUse\"><path class=\"k\" "
			  "d=\"M0 0h1v1H0z\"/>"
			  "<circle class=\"y\" cx=\".25\" cy=\".25\" r=\".11\"/></pattern></defs>\n");
	buffer_print(out, "<rect class=\"p\" width=\"100%%\" height=\"100%%\"/>\n");
	put_heading(page);
	for (size_t i = 0; rc == 0 && i < m->panels; i++) {
		struct grid *g = &page->grid[i];

		panel_heading(page, &m->panel[i], g, y);
		put_labels(page, &m->panel[i], g, y + ABOVE);
		rc = svg_cells(m, g, page->left, y + ABOVE, out);
		y += ABOVE + g->height * g->pitch + BELOW;
	}
	buffer_print(out, "</svg>\n");
	return rc;
}

int show_map_svg(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct map map;
	struct page page = { .map = &map, .out = out };
	int rc = map_make(fs, kind, id, &map);

	if (rc == 0)
		rc = lay_out(&page);
	if (rc == 0)
		rc = draw_page(&page);
	for (size_t i = 0; page.grid != NULL && i < map.panels; i++)
		free(page.grid[i].part);
	free(page.grid);
	map_free(&map);
	return rc;
}
