#include "fs/map/map_text.h"

#include "fs/map/map_cells.h"
#include "fs/map/map_model.h"

#include <stdlib.h>
#include <string.h>

enum {
	ROW = 64, /* cells a row */
	ROW_BITS = 6,
	LABEL = 34,      /* columns before them */
	MAX_ROWS = 1024, /* of one prefix; the rest is counted */
};

/* Rows of one kind of cell throughout are drawn once, and said how often. */
struct rows {
	struct buffer *out;
	char same; /* the cell of the rows held back, 0: none are */
	u128 held;
	unsigned drawn;
};

static void flush(struct rows *r)
{
	if (r->held > 0) {
		buffer_print(r->out, "%*s ", LABEL, "");
		buffer_u128(r->out, r->held);
		buffer_print(r->out, " more %s of '%c'\n", r->held == 1 ? "row" : "rows", r->same);
	}
	r->held = 0;
}

static void draw(struct rows *r, const char *label, const char *cell, unsigned n)
{
	char same = cell[0];

	for (unsigned i = 1; i < n; i++)
		if (cell[i] != same)
			same = 0;
	if (same != 0 && same == r->same) {
		r->held++;
		return;
	}
	flush(r);
	r->same = same;
	/* A long label has a line of its own: 100 columns in all. */
	if (strlen(label) > LABEL)
		buffer_print(r->out, "%s\n%*s %.*s\n", label, LABEL, "", (int)n, cell);
	else
		buffer_print(r->out, "%-*s %.*s\n", LABEL, label, (int)n, cell);
	r->drawn++;
}

static char letter(const struct map_run *r)
{
	static const char of[] = {
		[MAP_FREE] = '.', [MAP_RESERVED] = 'x', [MAP_GATEWAY] = '+', [MAP_RESTING] = '~', [MAP_LEASED] = '#',
	};

	if (r->state != MAP_BLOCK)
		return of[r->state];
	return map_level(r) == MAP_FULL ? '#' : (char)('0' + (int)map_level(r));
}

/* A walk over a panel's cells, whose runs come by themselves. */
struct walk {
	const struct map_panel *panel;
	const struct map_run *run, *end;
	u128 cell, last;
};

/* The cell where the walk is, and up to where it goes on like this. */
static char here(struct walk *w, u128 *to)
{
	unsigned shift = w->panel->shift;

	while (w->run < w->end && map_cell(w->panel, shift, w->run->last) < w->cell)
		w->run++;
	if (w->run == w->end) {
		*to = w->last;
		return '.';
	}
	if (map_cell(w->panel, shift, w->run->first) > w->cell) {
		*to = map_cell(w->panel, shift, w->run->first) - 1;
		return '.';
	}
	*to = map_cell(w->panel, shift, w->run->last);
	return letter(w->run);
}

static void draw_row(struct walk *w, struct rows *rows)
{
	struct cidr first = { map_cell_first(w->panel, w->panel->shift, w->cell), w->panel->cidr.family, w->panel->mask };
	char cell[ROW], label[CIDR_TEXT];
	unsigned n = 0;
	u128 to;

	while (n < ROW) {
		cell[n++] = here(w, &to);
		if (w->cell == w->last)
			break;
		w->cell++;
	}
	if (w->panel->shift == 0)
		cidr_print_addr(first.family, first.base, label);
	else
		cidr_print(&first, label);
	draw(rows, label, cell, n);
}

/* Whole rows that are like the last one aren't walked through. */
static void skip_rows(struct walk *w, struct rows *rows)
{
	u128 to, n;

	if (rows->same == 0 || here(w, &to) != rows->same)
		return;
	n = (to - w->cell) >> ROW_BITS;
	rows->held += n;
	w->cell += n << ROW_BITS;
}

static int draw_panel(const struct map *m, const struct map_panel *p, struct buffer *out)
{
	struct rows rows = { .out = out };
	struct walk w = { .panel = p, .last = map_cell(p, p->shift, cidr_last(&p->cidr)) };
	struct map_run *run;
	size_t n;
	int rc = map_cells(m, p, p->shift, &run, &n);

	if (rc < 0)
		return rc;
	w.run = run;
	w.end = run + n;
	for (;;) {
		u128 row = w.cell;

		draw_row(&w, &rows);
		if (w.last - row < ROW)
			break;
		if (rows.drawn == MAX_ROWS) {
			flush(&rows);
			buffer_print(out, "... and ");
			buffer_u128(out, w.last - w.cell + 1);
			buffer_print(out, m->kind == IPAM_CLUSTER ? " blocks more: see blocks\n" : " addresses more: see leases\n");
			break;
		}
		skip_rows(&w, &rows);
	}
	flush(&rows);
	free(run);
	return 0;
}

static void panel_heading(const struct map *m, const struct map_panel *p, struct buffer *out)
{
	char text[CIDR_TEXT];

	cidr_print(&p->cidr, text);
	if (m->kind == IPAM_CLUSTER)
		buffer_print(out, "\n%s in /%u  %llu of ", text, p->mask, (unsigned long long)p->delegated);
	else
		buffer_print(out, "\n%s  %llu of ", text, (unsigned long long)p->used);
	buffer_u128(out, m->kind == IPAM_CLUSTER ? p->blocks : p->capacity);
	buffer_print(out, m->kind == IPAM_CLUSTER ? " delegated\n" : " leased\n");
}

static int draw_map(const struct map *m, struct buffer *out)
{
	int rc = 0;

	if (m->kind == IPAM_CLUSTER)
		buffer_print(out,
			     "%s: %llu nodes, %llu leases\n"
			     "a block: 0 empty, 1 to 9 tenths leased, # full, . not delegated, x reserved\n",
			     m->name, (unsigned long long)m->numbers.nodes, (unsigned long long)m->numbers.leases);
	else
		buffer_print(out,
			     "%s: %llu leases\n"
			     "an address: # leased, . free, + gateway, ~ resting, x never leased\n",
			     m->name, (unsigned long long)m->numbers.leases);
	for (size_t i = 0; rc == 0 && i < m->panels; i++) {
		panel_heading(m, &m->panel[i], out);
		rc = draw_panel(m, &m->panel[i], out);
	}
	return rc;
}

int show_map(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct map map;
	int rc = map_make(fs, kind, id, &map);

	if (rc == 0)
		rc = draw_map(&map, out);
	map_free(&map);
	return rc;
}
