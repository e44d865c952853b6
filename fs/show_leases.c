/* Every lease of a cluster or node: a table for people and grep, and JSON for programs. */
#include "control.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table -------------------------------------------------------------------------------------------- */

enum { COLUMNS = 8 };

static const char *const heading[COLUMNS] = { "IPV4", "IPV6", "NODE", "LEASE", "CREATED", "POD", "CONTAINER", "IFNAME" };

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
static const char *attribute(const struct ipam_lease_view *v, const char *name, char *out, size_t room)
{
	size_t size = 0;
	const char *value = ipam_view_xattr(v, name, &size);

	return value == NULL || size == 0 ? "-" : word(value, size, out, room);
}

static int lease_row(void *arg, const struct ipam_lease_view *v)
{
	char ip[CIDR_FAMILIES][CIDR_ADDR_TEXT] = { "-", "-" }, pod[512], container[512], ifname[64];
	char node[4 * IPAM_NAME_MAX + 8], name[4 * IPAM_NAME_MAX + 8];
	struct buffer created = { 0 };
	struct table *t = arg;

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f])
			cidr_print_addr(f, v->addr[f], ip[f]);
	buffer_time(&created, v->attr.btime);
	row(t, (const char *const[COLUMNS]){ ip[CIDR_V4], ip[CIDR_V6],
					     word(v->node_name, strlen(v->node_name), node, sizeof node),
					     word(v->name, strlen(v->name), name, sizeof name),
					     created.data != NULL ? created.data : "-",
					     attribute(v, "pod", pod, sizeof pod),
					     attribute(v, "container-id", container, sizeof container),
					     attribute(v, "ifname", ifname, sizeof ifname) });
	free(created.data);
	return t->out->failed ? -ENOMEM : 0;
}

int show_leases(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct table t = { .out = out, .measure = true };
	int rc;

	ipam_read_begin(fs->ipam);
	row(&t, heading);
	rc = ipam_each_lease(fs->ipam, kind, id, lease_row, &t);
	t.measure = false;
	row(&t, heading);
	if (rc == 0)
		rc = ipam_each_lease(fs->ipam, kind, id, lease_row, &t);
	ipam_read_end(fs->ipam);
	return rc;
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

/* JSON is UTF-8; a byte that is none becomes U+FFFD. */
static json_t *string(const char *s, size_t n)
{
	json_t *out = json_stringn(s, n);
	struct buffer b = { 0 };

	if (out != NULL)
		return out;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x80)
			buffer_add(&b, &s[i], 1);
		else
			buffer_add(&b, "\xef\xbf\xbd", 3);
	out = json_stringn(b.data, b.size);
	free(b.data);
	return out;
}

static json_t *time_of(int64_t t)
{
	struct buffer b = { 0 };
	json_t *out;

	buffer_time(&b, t);
	out = json_string(b.data);
	free(b.data);
	return out;
}

static void add_attribute(json_t *to, const struct ipam_lease_view *v, const char *name)
{
	size_t size;
	const char *value = ipam_view_xattr(v, name, &size);

	if (value != NULL)
		json_object_set_new(to, name, string(value, size));
}

struct json_list {
	struct buffer *out;
	bool more;
};

static int lease_object(void *arg, const struct ipam_lease_view *v)
{
	static const char *const attributes[] = { "container-id", "ifname", "netns", "pod" };
	struct json_list *l = arg;
	json_t *addresses = json_array(), *extra = json_object(), *o;
	char text[CIDR_TEXT], *dump;

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f]) {
			cidr_print(&(struct cidr){ v->addr[f], (uint8_t)f, v->len[f] }, text);
			json_array_append_new(addresses, json_string(text));
		}
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
		add_attribute(extra, v, attributes[i]);
	o = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:s,s:o}", "cluster",
		      string(v->cluster_name, strlen(v->cluster_name)), "node", string(v->node_name, strlen(v->node_name)),
		      "name", string(v->name, strlen(v->name)), "addresses", addresses, "created", time_of(v->attr.btime),
		      "modified", time_of(v->attr.mtime), "uid", (json_int_t)v->attr.uid, "gid", (json_int_t)v->attr.gid,
		      "generation", (json_int_t)v->generation, "bootId", v->boot_id, "attributes", extra);
	dump = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (dump == NULL)
		return -ENOMEM;
	buffer_print(l->out, "%s", l->more ? ",\n" : "\n");
	buffer_add(l->out, dump, strlen(dump));
	free(dump);
	l->more = true;
	return l->out->failed ? -ENOMEM : 0;
}

int show_json(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out)
{
	struct json_list l = { out, false };
	int rc;

	buffer_add(out, "[", 1);
	ipam_read_begin(fs->ipam);
	rc = ipam_each_lease(fs->ipam, kind, id, lease_object, &l);
	ipam_read_end(fs->ipam);
	buffer_print(out, "\n]\n");
	return rc;
}
