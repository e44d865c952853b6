#include "fs/map/svg_shapes.h"

#include "fs/map/map_cells.h"
#include "fs/map/svg_style.h"
#include "fs/map/svg_title.h"
#include "fs/map/xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct drawing {
	const struct map *map;
	struct grid *grid;
	struct buffer *out;
	const struct map_run *run; /* what isn't free */
	size_t runs;
	unsigned x, y; /* pixels */
};

static void open_group(struct drawing *d, const char *class, unsigned down)
{
	buffer_print(d->out, "<g class=\"%s\" transform=\"translate(%u,%u) scale(%u)\">\n", class, d->x, d->y + down, d->grid->pitch);
}

/* ---- runs of many cells ------------------------------------------------------------------------------------ */

/* Cells first to last of one part: up to three rectangles, drawn around once. */
static void put_outline(struct drawing *d, const struct grid_part *part, u128 first, u128 last)
{
	unsigned wide = 1u << d->grid->bits, x = (unsigned)first & (wide - 1), end = ((unsigned)last & (wide - 1)) + 1;
	unsigned top = part->y + (unsigned)((first >> d->grid->bits) - part->row);
	unsigned bottom = part->y + (unsigned)((last >> d->grid->bits) - part->row);

	if (top == bottom)
		buffer_print(d->out, "M%u %uH%uv1H%uz", x, top, end, x);
	else
		buffer_print(d->out, "M%u %uH%uV%uH%uv1H0V%uH%uz", x, top, wide, bottom, end, top + 1, x);
}

static void put_span(struct drawing *d, enum map_state state, u128 first, u128 last)
{
	struct grid *g = d->grid;
	unsigned bits = g->bits;
	bool any = false;

	for (u128 at = first; at <= last;) {
		const struct grid_part *part = grid_part(g, at >> bits);
		u128 end = ((part->row + part->rows) << bits) - 1;

		if (end > last)
			end = last;
		if (!part->band) {
			if (!any)
				buffer_print(d->out, "<path%s d=\"", state == MAP_RESERVED ? " class=\"x\"" : "");
			put_outline(d, part, at, end);
			any = true;
		}
		if (end == last)
			break;
		at = end + 1;
	}
	if (!any)
		return;
	buffer_print(d->out, "\">");
	svg_title_span(d->map, g, state, first, last, d->out);
	buffer_print(d->out, "</path>\n");
}

static void put_spans(struct drawing *d)
{
	const struct map_panel *p = d->grid->panel;
	u128 next = 0, end = d->grid->last;

	open_group(d, "f z", 0);
	for (size_t i = 0; i < d->runs; i++) {
		u128 first = map_cell(p, d->grid->shift, d->run[i].first), last = map_cell(p, d->grid->shift, d->run[i].last);

		if (first > next)
			put_span(d, MAP_FREE, next, first - 1);
		if (d->run[i].state == MAP_RESERVED)
			put_span(d, MAP_RESERVED, first, last);
		if (last == end)
			next = 0;
		else
			next = last + 1;
	}
	if (next > 0 || d->runs == 0)
		put_span(d, MAP_FREE, next, end);
	buffer_print(d->out, "</g>\n");
}

/* ---- cells of their own ------------------------------------------------------------------------------------ */

static void place(struct drawing *d, const struct map_run *r, unsigned *x, unsigned *y)
{
	u128 cell = map_cell(d->grid->panel, d->grid->shift, r->first), row = cell >> d->grid->bits;
	const struct grid_part *part = grid_part(d->grid, row);

	*x = (unsigned)cell & ((1u << d->grid->bits) - 1);
	*y = part->y + (unsigned)(row - part->row);
}

static void put_cells(struct drawing *d, enum svg_style style)
{
	unsigned x, y;
	bool any = false;

	for (size_t i = 0; i < d->runs; i++) {
		if (svg_style_of(d->map, &d->run[i]) != style)
			continue;
		if (!any)
			buffer_print(d->out, "<g class=\"%s\">\n", svg_class(style));
		any = true;
		place(d, &d->run[i], &x, &y);
		buffer_print(d->out, "<path d=\"M%u %uh1\">", x, y);
		svg_title(d->map, d->grid, &d->run[i], d->out);
		buffer_print(d->out, "</path>\n");
	}
	if (any)
		buffer_print(d->out, "</g>\n");
}

bool svg_counts(const struct map_panel *p)
{
	return p->shift >= 32;
}

/* What there is room for in a cell: how full a block is, the end of an address. */
static void put_text(struct drawing *d, const struct map_run *r)
{
	const struct grid *g = d->grid;
	char text[CIDR_ADDR_TEXT];
	const char *s;
	unsigned x, y;

	place(d, r, &x, &y);
	buffer_print(d->out, "<text class=\"%s\" x=\"%u\" y=\"%u\">", svg_text_class(svg_style_of(d->map, r)),
		     d->x + x * g->pitch + g->pitch / 2, d->y + y * g->pitch + g->pitch / 2 + 4);
	if (r->state == MAP_BLOCK && svg_counts(g->panel)) {
		xml_short(d->out, r->used);
	} else if (r->state == MAP_BLOCK) {
		xml_percent(d->out, r->used, r->capacity);
		if (!d->out->failed)
			d->out->size--; /* without its sign */
	} else {
		cidr_print_addr(r->family, r->first, text);
		s = strrchr(text, r->family == CIDR_V4 ? '.' : ':');
		buffer_print(d->out, "%s", s == NULL ? text : s[1] == 0 ? "0" : s + 1);
	}
	buffer_print(d->out, "</text>\n");
}

static void put_texts(struct drawing *d)
{
	if (d->grid->pitch < 32 || d->grid->shift > d->grid->panel->shift)
		return;
	buffer_print(d->out, "<g class=\"q i\">\n");
	for (size_t i = 0; i < d->runs; i++)
		if (d->run[i].state != MAP_RESERVED)
			put_text(d, &d->run[i]);
	buffer_print(d->out, "</g>\n");
}

/* ---- what lies over them ----------------------------------------------------------------------------------- */

static void put_lines(struct drawing *d)
{
	unsigned columns = 1u << d->grid->bits, height = d->grid->height;
	u128 cells = d->grid->last + 1;

	if (cells > 0 && cells < columns)
		columns = (unsigned)cells;
	buffer_print(d->out, "<path class=\"b q\" fill=\"none\" stroke-width=\"%s\" transform=\"translate(%u,%u) scale(%u)\" d=\"",
		     d->grid->pitch >= 32 ? ".06" :
		     d->grid->pitch >= 16 ? ".07" :
					    ".12",
		     d->x, d->y, d->grid->pitch);
	for (unsigned i = 1; i < columns; i++)
		buffer_print(d->out, "M%u 0v%u", i, height);
	for (unsigned i = 1; i < height; i++)
		buffer_print(d->out, "M0 %uh%u", i, columns);
	buffer_print(d->out, "\"/>\n");
}

static void put_band(struct drawing *d, const struct grid_part *part)
{
	const struct grid *g = d->grid;
	unsigned y = d->y + part->y * g->pitch, height = part->height * g->pitch;
	char first[CIDR_ADDR_TEXT], last[CIDR_ADDR_TEXT];
	u128 from = part->row << g->bits, to = ((part->row + part->rows) << g->bits) - 1;
	u128 n;

	if (to > g->last)
		to = g->last;
	cidr_print_addr(g->panel->cidr.family, map_cell_first(g->panel, g->shift, from), first);
	cidr_print_addr(g->panel->cidr.family, map_cell_first(g->panel, g->shift, to) + (((u128)1 << g->shift) - 1), last);
	n = to - from + 1;
	buffer_print(d->out, "<rect class=\"p\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%u\"/>", d->x, y, GRID_WIDTH, height);
	buffer_print(d->out, "<text class=\"s\" x=\"%u\" y=\"%u\">\u22ee ", d->x + 4, y + height / 2 + 4);
	xml_count(d->out, n > U128_MAX >> (g->shift - g->panel->shift) ? U128_MAX : n << (g->shift - g->panel->shift));
	buffer_print(d->out, d->map->kind == IPAM_CLUSTER ? " blocks more, none delegated: " : " addresses more, none leased: ");
	buffer_print(d->out, "<tspan class=\"a\">%s - %s</tspan></text>\n", first, last);
}

int svg_cells(const struct map *m, struct grid *g, unsigned x, unsigned y, struct buffer *out)
{
	struct drawing d = { .map = m, .grid = g, .out = out, .x = x, .y = y };
	struct map_run *run;
	int rc = map_cells(m, g->panel, g->shift, &run, &d.runs);

	if (rc < 0)
		return rc;
	d.run = run;
	put_spans(&d);
	/* A stroke runs along its middle. */
	open_group(&d, "c", g->pitch / 2);
	for (enum svg_style style = SVG_LEVEL; style < SVG_STYLES; style++)
		if (style != SVG_RESERVED)
			put_cells(&d, style);
	buffer_print(out, "</g>\n");
	put_lines(&d);
	put_texts(&d);
	for (size_t i = 0; i < g->parts; i++)
		if (g->part[i].band)
			put_band(&d, &g->part[i]);
	free(run);
	return out->failed ? -ENOMEM : 0;
}
