#include "walk.h"

#include "cli/say.h"
#include "walk_lease.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
	const struct view *view;
	const struct walk *walk;
	const char *cluster, *name;
	char below[600]; /* cluster/name */
	json_t *leases;  /* of one moment */
	json_t *lossy;   /* names of those that JSON can't say in full */
};

/* ---- leases ------------------------------------------------------------------------------------------------------- */

static int take_lease(void *arg, json_t *lease, bool lossy)
{
	struct node *n = arg;
	const char *name = json_string_value(json_object_get(lease, "name"));
	int rc = name == NULL ? -1 : lossy ? json_object_set_new(n->lossy, name, json_true()) : json_array_append(n->leases, lease);

	return rc == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: leases.json: a lease that isn't understood", n->below);
}

static int fill(json_t *o, struct walk_lease *l)
{
	const char *created = json_string_value(json_object_get(o, "created")), *key;
	json_t *value;
	int rc = 0;
	size_t i, n = 0;

	json_array_foreach(json_object_get(o, "addresses"), i, value)
		if (n < sizeof l->text)
			n += (size_t)snprintf(l->text + n, sizeof l->text - n, "%s\n", json_string_value(value));
	snprintf(l->created, sizeof l->created, "%s", created != NULL ? created : "");
	json_object_foreach(json_object_get(o, "attributes"), key, value)
		if (rc == 0 && json_is_string(value))
			rc = walk_lease_add(l, key, json_string_value(value), json_string_length(value));
	walk_lease_sort(l);
	return rc;
}

static int give(const struct node *n, json_t *o)
{
	struct walk_lease l = { .name = json_string_value(json_object_get(o, "name")) };
	char path[PATH_MAX];
	int status, rc = fill(o, &l);

	snprintf(path, sizeof path, "%s/%s/%s", n->view->mount, n->below, l.name);
	if (rc == 0 && stat(path, &l.st) < 0)
		l.st = (struct stat){ .st_mode = S_IFREG | 0644, /* released meanwhile */
				      .st_uid = (uid_t)json_integer_value(json_object_get(o, "uid")),
				      .st_gid = (gid_t)json_integer_value(json_object_get(o, "gid")) };
	status = rc < 0 ? cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-rc)) : n->walk->lease(n->walk->arg, n->cluster, n->name, &l);
	walk_lease_free(&l);
	return status;
}

static int give_file(const struct node *n, const char *name)
{
	struct walk_lease l = { .name = name };
	char path[PATH_MAX];
	int status = CLI_DONE, rc;

	snprintf(path, sizeof path, "%s/%s/%s", n->view->mount, n->below, name);
	rc = walk_lease_read(path, &l);
	if (rc == 0)
		status = n->walk->lease(n->walk->arg, n->cluster, n->name, &l);
	else if (rc != -ENOENT && rc != -ESTALE) /* released since its name was read */
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-rc));
	walk_lease_free(&l);
	return status;
}

static bool is_lossy(const struct node *n, const char *name)
{
	json_t *text = json_text(name, strlen(name));
	bool is = json_object_get(n->lossy, json_string_value(text)) != NULL;

	json_decref(text);
	return is;
}

static int give_all(const struct node *n)
{
	struct names names = { 0 };
	int status = CLI_DONE;
	json_t *o;
	size_t i;

	json_array_foreach(n->leases, i, o)
		if (status == CLI_DONE)
			status = give(n, o);
	if (status == CLI_DONE && json_object_size(n->lossy) > 0)
		status = view_names(n->view, n->below, false, &names);
	for (i = 0; status == CLI_DONE && i < names.n; i++)
		if (is_lossy(n, names.name[i]))
			status = give_file(n, names.name[i]);
	names_free(&names);
	return status;
}

/* ---- directories -------------------------------------------------------------------------------------------------- */

/* CLI_DONE too where it is gone: then st->st_nlink is 0. */
static int stat_of(const struct view *v, const char *below, struct stat *st)
{
	char path[PATH_MAX];

	*st = (struct stat){ 0 };
	snprintf(path, sizeof path, "%s/%s", v->mount, below);
	return stat(path, st) == 0 || errno == ENOENT ? CLI_DONE : cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
}

/* The leases come before the blocks: what they need is there still, or they are gone and were the last in it. */
static int walk_node(const struct view *v, const struct walk *w, const char *cluster, const char *name)
{
	struct node n = { v, w, cluster, name, .leases = json_array(), .lossy = json_object() };
	struct stat st;
	int status;

	snprintf(n.below, sizeof n.below, "%s/%s", cluster, name);
	status = view_leases(v, n.below, NULL, take_lease, &n);
	if (status == CLI_DONE)
		status = stat_of(v, n.below, &st);
	if (status == CLI_DONE && st.st_nlink > 0)
		status = w->node(w->arg, cluster, name, &st);
	if (status == CLI_DONE && st.st_nlink > 0)
		status = give_all(&n);
	json_decref(n.leases);
	json_decref(n.lossy);
	return status;
}

static int walk_cluster(const struct view *v, const struct walk *w, const char *cluster)
{
	struct names nodes = { 0 };
	struct stat st;
	int status = stat_of(v, cluster, &st);

	if (status != CLI_DONE || st.st_nlink == 0)
		return status;
	status = w->cluster(w->arg, cluster, &st);
	if (status == CLI_DONE)
		status = view_names(v, cluster, true, &nodes);
	for (size_t i = 0; status == CLI_DONE && i < nodes.n; i++)
		if (v->node == NULL || strcmp(v->node, nodes.name[i]) == 0)
			status = walk_node(v, w, cluster, nodes.name[i]);
	names_free(&nodes);
	return status;
}

int walk_mount(const struct view *v, const struct walk *w)
{
	struct progress progress;
	struct view counted = *v;
	int status = CLI_DONE;

	progress_begin(&progress, "leases", view_count(v), !w->quiet);
	counted.progress = &progress;
	for (size_t i = 0; status == CLI_DONE && i < v->clusters.n; i++)
		status = walk_cluster(&counted, w, v->clusters.name[i]);
	progress_end(&progress);
	return status;
}

struct lines {
	int (*fn)(void *arg, char *line);
	void *arg;
};

static int take_line(void *arg, char *line)
{
	struct lines *l = arg;

	return line[0] == 0 || line[0] == '#' ? CLI_DONE : l->fn(l->arg, line);
}

int walk_lines(const struct view *v, const char *path, const char *file, int (*fn)(void *arg, char *line), void *arg)
{
	return view_lines(v, path, file, take_line, &(struct lines){ fn, arg });
}
