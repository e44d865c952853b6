#include "fs/control/show_json.h"

#include "base/json_text.h"
#include "fs/control/show_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *time_of(int64_t t)
{
	struct buffer b = { 0 };
	json_t *out;

	buffer_time(&b, t);
	out = json_string(b.data);
	free(b.data);
	return out;
}

struct json_list {
	struct spool *out;
	bool more;
};

static int lease_object(void *arg, const struct lease_copy *l)
{
	struct json_list *list = arg;
	json_t *addresses = json_array(), *attributes = json_object(), *o;
	const struct ipam_lease_view *v = &l->view;
	char text[CIDR_TEXT], *dump;

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f]) {
			cidr_print(&(struct cidr){ v->addr[f], (uint8_t)f, v->len[f] }, text);
			json_array_append_new(addresses, json_string(text));
		}
	for (size_t i = 0; i < l->attributes; i++) {
		const struct ipam_attribute *a = &l->attribute[i];
		json_t *key = json_text(a->name, strlen(a->name));

		if (key != NULL)
			json_object_set_new(attributes, json_string_value(key), json_text(a->value, a->size));
		json_decref(key);
	}
	o = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:s,s:o}", "cluster", json_text(v->cluster_name, strlen(v->cluster_name)),
		      "node", json_text(v->node_name, strlen(v->node_name)), "name", json_text(v->name, strlen(v->name)), "addresses",
		      addresses, "created", time_of(v->attr.btime), "modified", time_of(v->attr.mtime), "uid", (json_int_t)v->attr.uid,
		      "gid", (json_int_t)v->attr.gid, "generation", (json_int_t)v->generation, "bootId", v->boot_id, "attributes",
		      attributes);
	dump = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (dump == NULL)
		return -ENOMEM;
	buffer_print(&list->out->mem, "%s", list->more ? ",\n" : "\n");
	buffer_add(&list->out->mem, dump, strlen(dump));
	free(dump);
	list->more = true;
	return spool_flush(list->out);
}

int show_json(struct fs *fs, const struct report_wish *wish, atomic_bool *stop, struct spool *out)
{
	struct json_list list = { out, false };
	int rc;

	buffer_add(&out->mem, "[", 1);
	rc = copies_each(fs, wish->kind, wish->id, &wish->viewer, stop, lease_object, &list);
	buffer_print(&out->mem, "\n]\n");
	return rc;
}
