/* export --json: the tree as one document. */
#include "export_json.h"

#include "cli/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct document {
	const struct view *view;
	json_t *clusters, *nodes, *leases; /* the arrays that grow now */
};

static json_t *string(const char *s)
{
	return json_text(s, strlen(s));
}

static int add_line(void *arg, char *line)
{
	return json_array_append_new(arg, string(line)) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

/* "KEY VALUE", or "KEY=VALUE". */
static int add_value(void *arg, char *line)
{
	char *value = strpbrk(line, " =");

	if (value == NULL)
		return CLI_DONE;
	*value++ = 0;
	return json_object_set_new(arg, line, json_string(value)) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

static void put_owner(json_t *o, const struct stat *st)
{
	char mode[8];

	snprintf(mode, sizeof mode, "%04o", (unsigned)st->st_mode & 07777);
	json_object_set_new(o, "uid", json_integer(st->st_uid));
	json_object_set_new(o, "gid", json_integer(st->st_gid));
	json_object_set_new(o, "mode", json_string(mode));
}

/* "cidrs", "settings" and so on, by the file of that name. */
static int put_file(const struct document *d, json_t *o, const char *path, const char *file)
{
	bool keyed = strcmp(file, "settings") == 0 || strcmp(file, "labels") == 0;
	json_t *value = keyed ? json_object() : json_array();
	int status = walk_lines(d->view, path, file, keyed ? add_value : add_line, value);

	json_object_set_new(o, file, value);
	return status;
}

static int on_cluster(void *arg, const char *name, const struct stat *st)
{
	struct document *d = arg;
	json_t *o = json_pack("{s:o}", "name", string(name));
	int status = put_file(d, o, name, "cidrs");

	if (status == CLI_DONE)
		status = put_file(d, o, name, "reserved");
	if (status == CLI_DONE)
		status = put_file(d, o, name, "settings");
	put_owner(o, st);
	d->nodes = json_array();
	json_object_set_new(o, "nodes", d->nodes);
	json_array_append_new(d->clusters, o);
	return status;
}

static int on_node(void *arg, const char *cluster, const char *name, const struct stat *st)
{
	struct document *d = arg;
	json_t *o = json_pack("{s:o}", "name", string(name));
	char path[1024];
	int status;

	snprintf(path, sizeof path, "%s/%s", cluster, name);
	status = put_file(d, o, path, "cidrs");
	if (status == CLI_DONE)
		status = put_file(d, o, path, "labels");
	if (status == CLI_DONE)
		status = put_file(d, o, path, "settings");
	put_owner(o, st);
	d->leases = json_array();
	json_object_set_new(o, "leases", d->leases);
	json_array_append_new(d->nodes, o);
	return status;
}

static json_t *addresses_of(const struct walk_lease *l)
{
	char copy[sizeof l->text], *rest = copy, *line;
	json_t *list = json_array();

	strcpy(copy, l->text);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != 0)
			json_array_append_new(list, json_string(line));
	return list;
}

json_t *export_lease_json(const struct walk_lease *l, bool (*wanted)(const struct walk_attribute *a))
{
	json_t *attributes = json_object();
	json_t *o = json_pack("{s:o,s:o,s:o}", "name", string(l->name), "addresses", addresses_of(l), "attributes", attributes);

	for (size_t i = 0; i < l->attributes; i++) {
		json_t *key;

		if (wanted != NULL && !wanted(&l->attribute[i]))
			continue;
		key = string(l->attribute[i].name);

		json_object_set_new(attributes, json_string_value(key), json_text(l->attribute[i].value, l->attribute[i].size));
		json_decref(key);
	}
	return o;
}

static int on_lease(void *arg, const char *cluster, const char *node, const struct walk_lease *l)
{
	struct document *d = arg;
	json_t *o = export_lease_json(l, NULL);

	(void)cluster;
	(void)node;
	put_owner(o, &l->st);
	json_object_set_new(o, "created", json_string(l->created));
	return json_array_append_new(d->leases, o) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

int export_json(const struct view *v, bool quiet)
{
	struct document d = { .view = v, .clusters = json_array() };
	struct walk w = { on_cluster, on_node, on_lease, &d, quiet };
	int status = walk_mount(v, &w);
	json_t *all = json_pack("{s:o}", "clusters", d.clusters);

	if (status == CLI_DONE && json_dumpf(all, stdout, JSON_ENSURE_ASCII | JSON_INDENT(1)) < 0)
		status = cli_fail(CLI_REFUSED, ferror(stdout) ? "the output can't be written" : "out of memory");
	if (status == CLI_DONE)
		putchar('\n');
	json_decref(all);
	return status;
}
