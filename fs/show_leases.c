/* Every lease of a cluster or node, as a table for people and grep. */
#include "control.h"
#include "show_copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 11 };

static const char *const heading[COLUMNS] = { "IPV4", "IPV6", "NODE", "LEASE", "CREATED", "POD", "CONTAINER", "IFNAME",
					    "NETWORK", "NETNS", "BOOT" };

/* Two walks: the first one measures, the second one prints. */
struct table {
	struct buffer *out;
	size_t width[COLUMNS];
	bool measure;
};

/* Characters, not bytes: what a terminal counts. */
static size_t length(const char *s)
{
	size_t n = 0;

	for (; *s != 0; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void row(struct table *t, const char *const cell[COLUMNS])
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		size_t n = length(cell[i]);

		if (t->measure) {
			if (n > t->width[i])
				t->width[i] = n;
		} else if (i + 1 == COLUMNS) {
			buffer_print(t->out, "%s\n", cell[i]);
		} else {
			buffer_print(t->out, "%s%*s", cell[i], (int)(t->width[i] - n) + 2, "");
		}
	}
}

/* One word, whatever the bytes: blanks, control bytes and the backslash as \\ooo, as /proc/mounts writes them. */
static const char *word(const char *s, size_t n, char *out, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < n && used + 5 <= room; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c > 0x20 && c != 0x7f && c != '\\')
			out[used++] = s[i];
		else
			used += (size_t)snprintf(out + used, room - used, "\\%03o", c);
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

static int lease_row(struct table *t, const struct lease_copy *l)
{
	char ip[CIDR_FAMILIES][CIDR_ADDR_TEXT] = { "-", "-" }, pod[512], container[512], ifname[64],
	     network[512], netns[1024];
	char node[4 * IPAM_NAME_MAX + 8], name[4 * IPAM_NAME_MAX + 8];
	const struct ipam_lease_view *v = &l->view;
	struct buffer created = { 0 };

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f])
			cidr_print_addr(f, v->addr[f], ip[f]);
	buffer_time(&created, v->attr.btime);
	row(t, (const char *const[COLUMNS]){ ip[CIDR_V4], ip[CIDR_V6],
					     word(v->node_name, strlen(v->node_name), node, sizeof node),
					     word(v->name, strlen(v->name), name, sizeof name),
					     created.data != NULL ? created.data : "-",
					     attribute(l, "pod", pod, sizeof pod),
					     attribute(l, "container-id", container, sizeof container),
					     attribute(l, "ifname", ifname, sizeof ifname),
					     attribute(l, "network", network, sizeof network),
					     attribute(l, "netns", netns, sizeof netns), v->boot_id });
	free(created.data);
	return t->out->failed ? -ENOMEM : 0;
}

static int all_rows(struct table *t, const struct copies *c)
{
	int rc = 0;

	row(t, heading);
	for (const struct lease_copy *l = c->first; rc == 0 && l != NULL; l = l->next)
		rc = lease_row(t, l);
	return rc;
}

int show_leases(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct table t = { .out = out, .measure = true };
	struct copies copies;
	int rc = copies_make(fs, kind, id, &copies);

	if (rc == 0)
		rc = all_rows(&t, &copies);
	t.measure = false;
	if (rc == 0)
		rc = all_rows(&t, &copies);
	copies_free(&copies);
	return rc;
}
