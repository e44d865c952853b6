/* map.txt: how full it is, as a picture for the terminal, at most 100 columns wide. */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROW = 64,       /* cells a row */
	LABEL = 34,     /* columns before them */
	MAX_ROWS = 1024, /* of one prefix; the rest is counted */
};

struct picture {
	struct fs *fs;
	struct buffer *out;
};

/* Rows of one kind of cell throughout are drawn once, and said how often. */
struct rows {
	struct buffer *out;
	char same;      /* the cell of the rows held back, 0: none are */
	u128 held;
	bool passed;    /* among them are rows that were not looked at */
	unsigned drawn;
};

static void flush(struct rows *r)
{
	if (r->held > 0) {
		buffer_print(r->out, "%*s ", LABEL, "");
		buffer_u128(r->out, r->held);
		if (r->passed)
			buffer_print(r->out, " more rows without any in use\n");
		else
			buffer_print(r->out, " more rows of '%c'\n", r->same);
	}
	r->held = 0;
	r->passed = false;
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

static void skip(struct rows *r, u128 rows)
{
	r->same = '.';
	r->held += rows;
	r->passed = true;
}

/* ---- a node: its addresses -------------------------------------------------------------------------------- */

/* A family's addresses in use, to pass quickly over the empty parts of large blocks. */
struct used {
	const struct ipam_block_view *block;
	u128 *addr;
	size_t count, room;
	bool failed;
};

static int note_used(void *arg, const struct ipam_lease_view *v)
{
	struct used *u = arg;
	unsigned f = u->block->cidr.family;

	if (!v->has[f] || !cidr_has(&u->block->cidr, f, v->addr[f]))
		return 0;
	if (u->count == u->room) {
		size_t room = u->room == 0 ? 64 : u->room * 2;
		u128 *bigger = reallocarray(u->addr, room, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		u->addr = bigger;
		u->room = room;
	}
	u->addr[u->count++] = v->addr[f];
	return 0;
}

static int by_value(const void *a, const void *b)
{
	u128 x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

static void draw_row(struct picture *p, const struct ipam_block_view *v, u128 first, u128 last, struct rows *rows)
{
	static const char letter[] = {
		[IPAM_SLOT_FREE] = '.',	   [IPAM_SLOT_LEASED] = '#',   [IPAM_SLOT_RESTING] = '~',
		[IPAM_SLOT_GATEWAY] = '+', [IPAM_SLOT_RESERVED] = 'x',
	};
	char cell[ROW], label[CIDR_ADDR_TEXT];
	unsigned n = 0;

	for (u128 addr = first; n < ROW && addr <= last; addr++) {
		cell[n++] = letter[ipam_block_state(p->fs->ipam, v, addr)];
		if (addr == last)
			break;
	}
	cidr_print_addr(v->cidr.family, first, label);
	draw(rows, label, cell, n);
}

static int draw_block(void *arg, const struct ipam_block_view *v)
{
	struct picture *p = arg;
	struct rows rows = { .out = p->out };
	struct used used = { .block = v };
	u128 last = cidr_last(&v->cidr), at = v->cidr.base;
	char text[CIDR_TEXT];
	size_t next = 0;
	int rc = 0;

	cidr_print(&v->cidr, text);
	buffer_print(p->out, "\n%s  ", text);
	buffer_u128(p->out, v->used);
	buffer_print(p->out, " of ");
	buffer_u128(p->out, v->capacity);
	buffer_print(p->out, " leased\n");
	if (last - at >= (u128)MAX_ROWS * ROW) {
		rc = ipam_each_lease(p->fs->ipam, IPAM_NODE, v->node, note_used, &used);
		if (rc == 0 && used.count > 1)
			qsort(used.addr, used.count, sizeof *used.addr, by_value);
	}
	for (; rc == 0; at += ROW) {
		bool large = last - v->cidr.base >= (u128)MAX_ROWS * ROW;

		draw_row(p, v, at, last, &rows);
		if (rows.drawn == MAX_ROWS && last - at >= ROW) {
			flush(&rows);
			buffer_print(p->out, "... and so on: leases has them all\n");
			break;
		}
		if (last - at < ROW)
			break;
		if (!large)
			continue;
		/* To the row before the next address in use, or before the last row. */
		while (next < used.count && used.addr[next] < at + ROW)
			next++;
		u128 to = next < used.count ? used.addr[next] : last;

		if ((to - at) / ROW > 1) {
			u128 over = (to - at) / ROW - 1;

			skip(&rows, over);
			at += over * ROW;
		}
	}
	flush(&rows);
	free(used.addr);
	return rc;
}

/* ---- a cluster: its blocks -------------------------------------------------------------------------------- */

struct blocks {
	struct fs *fs;
	const struct cidr *cidr;
	unsigned shift;   /* bits of a block */
	struct fullness {
		u128 slot;
		char letter;
	} *list;
	size_t count, room;
};

static char fullness(const struct ipam_block_view *v)
{
	if (v->used == 0)
		return '0';
	if (v->used >= v->capacity)
		return '#';
	return (char)('0' + (int)(v->used <= U128_MAX / 10 ? v->used * 10 / v->capacity : 9));
}

static int note_block(void *arg, const struct ipam_block_view *v)
{
	struct blocks *b = arg;

	if (!cidr_has_cidr(b->cidr, &v->cidr))
		return 0;
	if (b->count == b->room) {
		size_t room = b->room == 0 ? 64 : b->room * 2;
		struct fullness *bigger = reallocarray(b->list, room, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		b->list = bigger;
		b->room = room;
	}
	b->list[b->count++] = (struct fullness){ (v->cidr.base - b->cidr->base) >> b->shift, fullness(v) };
	return 0;
}

/* A free block, or one that can't be delegated since it is reserved. */
static char letter_of(const struct ipam_cluster_view *cluster, const struct cidr *cidr, unsigned shift, u128 slot)
{
	u128 first = cidr->base + (slot << shift), last = first + (((u128)1 << shift) - 1);

	for (size_t i = 0; i < cluster->reserved; i++) {
		const struct cidr_range *r = &cluster->reserved_range[i];

		if (r->family == cidr->family && r->first <= first && r->last >= last)
			return 'x';
	}
	return '.';
}

static int draw_cidr(struct picture *p, const struct ipam_cluster_view *cluster, const struct ipam_cidr_view *v)
{
	unsigned shift = cidr_bits(v->cidr.family) - v->node_mask;
	struct blocks b = { .fs = p->fs, .cidr = &v->cidr, .shift = shift };
	struct rows rows = { .out = p->out };
	u128 last = (cidr_last(&v->cidr) - v->cidr.base) >> shift, slot = 0;
	char text[CIDR_TEXT], label[CIDR_TEXT], cell[ROW];
	size_t next = 0;
	int rc = ipam_each_block(p->fs->ipam, IPAM_CLUSTER, cluster->id, note_block, &b);

	cidr_print(&v->cidr, text);
	buffer_print(p->out, "\n%s in /%u  ", text, v->node_mask);
	buffer_u128(p->out, v->used);
	buffer_print(p->out, " of ");
	buffer_u128(p->out, v->blocks);
	buffer_print(p->out, " delegated\n");
	while (rc == 0 && slot <= last) {
		struct cidr first = { v->cidr.base + (slot << shift), v->cidr.family, v->node_mask };
		unsigned n = 0;

		for (; n < ROW && slot <= last; n++, slot++) {
			if (next < b.count && b.list[next].slot == slot)
				cell[n] = b.list[next++].letter;
			else
				cell[n] = letter_of(cluster, &v->cidr, shift, slot);
		}
		cidr_print(&first, label);
		draw(&rows, label, cell, n);
		/* Of a large space, what lies between the delegated blocks is passed over. */
		if (last / ROW >= MAX_ROWS && slot <= last) {
			u128 to = (next < b.count ? b.list[next].slot : last) / ROW, row = slot / ROW;

			if (to > row) {
				skip(&rows, to - row);
				slot = to * ROW;
			}
		}
		if (rows.drawn == MAX_ROWS) {
			flush(&rows);
			if (slot <= last) {
				buffer_print(p->out, "... and ");
				buffer_u128(p->out, last - slot + 1);
				buffer_print(p->out, " blocks more, %s\n", next == b.count ? "none delegated" : "see blocks");
			}
			break;
		}
	}
	flush(&rows);
	free(b.list);
	return rc;
}

static int draw_cluster(struct picture *p, uint64_t id)
{
	struct ipam_cluster_view cluster;
	int rc = ipam_view_cluster(p->fs->ipam, id, &cluster);

	if (rc < 0)
		return rc;
	buffer_print(p->out, "%s: %u nodes, %llu leases\n", cluster.name, cluster.nodes, (unsigned long long)cluster.leases);
	buffer_print(p->out, "a block: 0 empty, 1 to 9 tenths leased, # full, . not delegated, x reserved\n");
	for (size_t i = 0; rc == 0 && i < cluster.cidrs; i++) {
		struct ipam_cidr_view v;

		rc = ipam_view_cidr(p->fs->ipam, id, i, &v);
		if (rc == 0)
			rc = draw_cidr(p, &cluster, &v);
	}
	return rc;
}

static int draw_node(struct picture *p, uint64_t id)
{
	struct ipam_node_view node;
	int rc = ipam_view_node(p->fs->ipam, id, &node);

	if (rc < 0)
		return rc;
	buffer_print(p->out, "%s: %u leases\n", node.name, node.leases);
	buffer_print(p->out, "an address: # leased, . free, + gateway, ~ resting, x never leased\n");
	return ipam_each_block(p->fs->ipam, IPAM_NODE, id, draw_block, p);
}

int show_map(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct picture p = { fs, out };
	int rc;

	ipam_read_begin(fs->ipam);
	rc = kind == IPAM_CLUSTER ? draw_cluster(&p, id) : draw_node(&p, id);
	ipam_read_end(fs->ipam);
	return rc;
}
