#include "fs/control/show_leases.h"

#include "base/printable.h"
#include "fs/control/show_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COLUMNS = 11,
	CELL = 4 * IPAM_NAME_MAX + 8, /* bytes of one at most, its NUL too */
	PORTION = 16 << 10,
	NANOSECONDS = 1000000000,
};

static const char *const heading[COLUMNS] = { "IPV4",      "IPV6",   "NODE",    "LEASE", "CREATED", "POD",
					      "CONTAINER", "IFNAME", "NETWORK", "NETNS", "BOOT" };

/* The width of a column is known when the last row is: the cells are kept, a tab between them, which none of them has in it. */
struct table {
	struct spool cells;
	size_t width[COLUMNS];
	int64_t second; /* whose text that is: many leases are of the same one */
	struct buffer created;
};

/* Characters, not bytes: what a terminal counts. */
static size_t length(const char *s)
{
	size_t n = 0;

	for (; *s != 0; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int row(struct table *t, const char *const cell[COLUMNS])
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		size_t n = length(cell[i]);

		if (n > t->width[i])
			t->width[i] = n;
		buffer_add(&t->cells.mem, cell[i], strlen(cell[i]));
		buffer_add(&t->cells.mem, i + 1 < COLUMNS ? "\t" : "\n", 1);
	}
	return spool_flush(&t->cells);
}

/* One word, whatever the bytes: blanks, the backslash and what isn't printable (core/base/printable.h) as \\ooo, as /proc/mounts writes
 * them. */
static const char *word(const char *s, size_t n, char *out, size_t room)
{
	size_t used = 0;

	for (size_t i = 0, k; i < n && used + 5 <= room; i += k) {
		k = s[i] == ' ' || s[i] == '\\' ? 0 : printable_character(s + i, n - i);
		if (k > 0) {
			memcpy(out + used, s + i, k);
			used += k;
		} else {
			used += (size_t)snprintf(out + used, room - used, "\\%03o", (unsigned char)s[i]);
			k = 1;
		}
	}
	out[used] = 0;
	return out;
}

/* "-" where there is none. */
static const char *attribute(const struct lease_copy *l, const char *name, char *out, size_t room)
{
	const struct ipam_attribute *a = copy_attribute(l, name);

	return a == NULL || a->size == 0 ? "-" : word(a->value, a->size, out, room);
}

static int lease_row(void *arg, const struct lease_copy *l)
{
	char ip[CIDR_FAMILIES][CIDR_ADDR_TEXT] = { "-", "-" }, pod[512], container[512], ifname[64], network[512], netns[CELL];
	char node[CELL], name[CELL];
	const struct ipam_lease_view *v = &l->view;
	struct table *t = arg;
	int rc;

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f])
			cidr_print_addr(f, v->addr[f], ip[f]);
	if (t->created.size == 0 || v->attr.btime / NANOSECONDS != t->second) {
		t->second = v->attr.btime / NANOSECONDS;
		t->created.size = 0;
		buffer_time(&t->created, v->attr.btime);
	}
	rc = row(t, (const char *const[COLUMNS]){
			    ip[CIDR_V4], ip[CIDR_V6], word(v->node_name, strlen(v->node_name), node, sizeof node),
			    word(v->name, strlen(v->name), name, sizeof name), t->created.data != NULL ? t->created.data : "-",
			    attribute(l, "pod", pod, sizeof pod), attribute(l, "container-id", container, sizeof container),
			    attribute(l, "ifname", ifname, sizeof ifname), attribute(l, "network", network, sizeof network),
			    attribute(l, "netns", netns, sizeof netns), v->boot_id });
	return rc;
}

/* ---- laying it out ---------------------------------------------------------------------------------------------- */

struct layout {
	const struct table *table;
	struct spool *out;
	char cell[CELL + 1]; /* the one that is being read; */
	size_t size;
	unsigned column; /* of this column */
};

static void pad(struct buffer *out, size_t n)
{
	static const char blanks[] = "                                ";

	for (; n >= sizeof blanks - 1; n -= sizeof blanks - 1)
		buffer_add(out, blanks, sizeof blanks - 1);
	buffer_add(out, blanks, n);
}

static void end_cell(struct layout *y)
{
	struct buffer *out = &y->out->mem;

	y->cell[y->size] = 0;
	buffer_add(out, y->cell, y->size);
	if (y->column + 1 == COLUMNS)
		buffer_add(out, "\n", 1);
	else
		pad(out, y->table->width[y->column] - length(y->cell) + 2);
	y->column = (y->column + 1) % COLUMNS;
	y->size = 0;
}

static int lay_out(const struct table *t, atomic_bool *stop, struct spool *out)
{
	struct layout *y = calloc(1, sizeof *y);
	char *portion = malloc(PORTION);
	off_t at = 0;
	ssize_t n = -ENOMEM;
	int rc = 0;

	if (y != NULL && portion != NULL) {
		*y = (struct layout){ .table = t, .out = out };
		while (rc == 0 && (n = spool_read(&t->cells, portion, PORTION, at)) > 0) {
			for (ssize_t i = 0; i < n; i++)
				if (portion[i] == '\t' || portion[i] == '\n')
					end_cell(y);
				else
					y->cell[y->size++] = portion[i];
			at += n;
			rc = atomic_load_explicit(stop, memory_order_relaxed) ? -EINTR : spool_flush(out);
		}
	}
	free(y);
	free(portion);
	return rc < 0 ? rc : n < 0 ? (int)n : 0;
}

int show_leases(struct fs *fs, const struct report_wish *wish, atomic_bool *stop, struct spool *out)
{
	struct table t = { .width = { 0 } };
	int rc;

	spool_init(&t.cells, out->dir);
	rc = row(&t, heading);
	if (rc == 0)
		rc = copies_each(fs, wish->kind, wish->id, &wish->viewer, stop, lease_row, &t);
	if (rc == 0)
		rc = spool_end(&t.cells);
	if (rc == 0)
		rc = lay_out(&t, stop, out);
	spool_free(&t.cells);
	free(t.created.data);
	return rc;
}
