#include "fs/map/svg_title.h"

#include "fs/map/map_cells.h"
#include "fs/map/xml.h"

#include <string.h>

static void put(struct buffer *out, const char *s)
{
	buffer_add(out, s, strlen(s));
}

static void put_addr(struct buffer *out, unsigned family, u128 addr)
{
	char text[CIDR_ADDR_TEXT];

	buffer_add(out, text, cidr_print_addr(family, addr, text));
}

/* A cell: an address, or the prefix it is. */
static void put_cell(struct buffer *out, const struct grid *g, u128 first)
{
	unsigned family = g->panel->cidr.family;
	struct cidr cidr = { first, (uint8_t)family, (uint8_t)(cidr_bits(family) - g->shift) };
	char text[CIDR_TEXT];

	if (g->shift == 0)
		put_addr(out, family, first);
	else
		buffer_add(out, text, cidr_print(&cidr, text));
}

static void put_name(struct buffer *out, const struct map *m, size_t name)
{
	const char *s = m->text.data + name;

	put(out, " ");
	xml_text(out, s, strlen(s), SIZE_MAX);
}

static void block_title(const struct map *m, const struct grid *g, const struct map_run *r, struct buffer *out)
{
	bool single = g->shift == g->panel->shift;

	put_cell(out, g, r->first);
	if (single)
		put_name(out, m, r->name);
	else
		buffer_print(out, ": %llu delegated", (unsigned long long)r->count);
	buffer_print(out, "\n%llu/", (unsigned long long)r->used);
	buffer_u128(out, r->capacity);
	put(out, " leased, ");
	xml_percent(out, r->used, r->capacity);
	if (r->resting > 0)
		buffer_print(out, ", %llu resting", (unsigned long long)r->resting);
	put(out, single ? "\nsince " : "\nthe oldest since ");
	xml_minute(out, r->time);
}

static void lease_title(const struct map *m, const struct grid *g, const struct map_run *r, struct buffer *out)
{
	put_cell(out, g, r->first);
	if (g->shift > g->panel->shift) {
		buffer_print(out, ": %llu leased", (unsigned long long)r->used);
		if (r->resting > 0)
			buffer_print(out, ", %llu resting", (unsigned long long)r->resting);
		return;
	}
	put_name(out, m, r->name);
	if (r->pod != 0) {
		put(out, "\npod ");
		xml_text(out, m->text.data + r->pod, r->pod_size, SIZE_MAX);
	}
	if (r->uid != 0)
		buffer_print(out, "\nuid %u", r->uid);
	put(out, "\n");
	xml_age(out, m->now - r->time);
	put(out, " old, since ");
	xml_minute(out, r->time);
}

void svg_title(const struct map *m, const struct grid *g, const struct map_run *r, struct buffer *out)
{
	put(out, "<title>");
	if (r->state == MAP_BLOCK) {
		block_title(m, g, r, out);
	} else if (r->state == MAP_LEASED) {
		lease_title(m, g, r, out);
	} else {
		put_cell(out, g, r->first);
		if (r->state == MAP_RESTING && r->count > 1)
			buffer_print(out, ": %llu resting", (unsigned long long)r->count);
		else
			put(out, r->state == MAP_RESTING ? " resting" : " gateway");
	}
	put(out, "</title>");
}

void svg_title_span(const struct map *m, const struct grid *g, enum map_state state, u128 first, u128 last, struct buffer *out)
{
	const struct map_panel *p = g->panel;
	const char *unit = m->kind == IPAM_CLUSTER ? "block" : "address", *many = m->kind == IPAM_CLUSTER ? "s" : "es";
	const char *what = state == MAP_FREE ? "free" : m->kind == IPAM_CLUSTER ? "reserved" : "never leased";
	u128 n = last - first; /* less one */

	put(out, "<title>");
	if (n == 0) {
		put_cell(out, g, map_cell_first(p, g->shift, first));
		buffer_print(out, ", %s", what);
	} else {
		put_addr(out, p->cidr.family, map_cell_first(p, g->shift, first));
		put(out, " - ");
		put_addr(out, p->cidr.family, map_cell_first(p, g->shift, last) + (((u128)1 << g->shift) - 1));
		buffer_print(out, ", %s: ", what);
		buffer_u128(out, n < U128_MAX >> (g->shift - p->shift) ? (n + 1) << (g->shift - p->shift) : U128_MAX);
		buffer_print(out, " %s%s", unit, many);
	}
	put(out, "</title>");
}
