#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { VALUE_MAX = 4096, LIST_MAX = 65536 };

/* ---- a lease ------------------------------------------------------------------------------------------------------ */

static void forget(struct walk_lease *l)
{
	for (size_t i = 0; i < l->attributes; i++) {
		free(l->attribute[i].name);
		free(l->attribute[i].value);
	}
	free(l->attribute);
	l->attribute = NULL;
	l->attributes = 0;
}

static int add_attribute(int fd, const char *name, struct walk_lease *l)
{
	struct walk_attribute *bigger = reallocarray(l->attribute, l->attributes + 1, sizeof *bigger), *a;
	char value[VALUE_MAX + 1];
	ssize_t n = fgetxattr(fd, name, value, VALUE_MAX);

	if (bigger == NULL)
		return -ENOMEM;
	l->attribute = bigger;
	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	value[n] = 0;
	a = &l->attribute[l->attributes];
	a->name = strdup(name + strlen("user."));
	a->value = malloc((size_t)n + 1);
	a->size = (size_t)n;
	l->attributes++;
	if (a->name == NULL || a->value == NULL)
		return -ENOMEM;
	memcpy(a->value, value, (size_t)n + 1);
	return 0;
}

static int compare_attributes(const void *a, const void *b)
{
	return strcmp(((const struct walk_attribute *)a)->name, ((const struct walk_attribute *)b)->name);
}

static int read_attributes(int fd, struct walk_lease *l)
{
	char *list = malloc(LIST_MAX);
	ssize_t n = list == NULL ? -1 : flistxattr(fd, list, LIST_MAX);
	int rc = n < 0 ? -errno : 0;

	for (const char *name = list; rc == 0 && name < list + n; name += strlen(name) + 1)
		if (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.ipam.", 10) != 0)
			rc = add_attribute(fd, name, l);
	if (rc == 0 && l->attributes > 0)
		qsort(l->attribute, l->attributes, sizeof *l->attribute, compare_attributes);
	free(list);
	return rc;
}

static int read_lease(int fd, struct walk_lease *l)
{
	ssize_t n = read(fd, l->text, sizeof l->text - 1), created;

	if (n < 0 || fstat(fd, &l->st) < 0)
		return -errno;
	l->text[n] = 0;
	created = fgetxattr(fd, "user.ipam.created", l->created, sizeof l->created - 1);
	l->created[created > 0 ? created : 0] = 0;
	return read_attributes(fd, l);
}

static int walk_lease(const struct view *v, const struct walk *w, const char *cluster, const char *node, const char *name)
{
	struct walk_lease l = { .name = name };
	char path[PATH_MAX];
	int status = CTL_DONE, rc, fd;

	snprintf(path, sizeof path, "%s/%s/%s/%s", v->mount, cluster, node, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : read_lease(fd, &l);
	if (rc == 0)
		status = w->lease(w->arg, cluster, node, &l);
	else if (rc != -ENOENT && rc != -ESTALE) /* released since its name was read */
		status = ctl_fail(CTL_REFUSED, "%s: %s", path, strerror(-rc));
	if (fd >= 0)
		close(fd);
	forget(&l);
	return status;
}

/* ---- directories -------------------------------------------------------------------------------------------------- */

static int names_of(const struct view *v, const char *below, bool directories, struct names *out)
{
	struct target t = { 0 };
	int status;

	*out = (struct names){ 0 };
	if (asprintf(&t.path, "%s/%s", v->mount, below) < 0)
		return ctl_fail(CTL_REFUSED, "out of memory");
	status = target_names(&t, directories, out);
	free(t.path);
	return status;
}

static int stat_of(const struct view *v, const char *below, struct stat *st)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", v->mount, below);
	return stat(path, st) == 0 ? CTL_DONE : ctl_fail(CTL_REFUSED, "%s: %s", path, strerror(errno));
}

static int walk_node(const struct view *v, const struct walk *w, const char *cluster, const char *node, struct progress *progress)
{
	char below[PATH_MAX];
	struct names leases;
	struct stat st;
	int status;

	snprintf(below, sizeof below, "%s/%s", cluster, node);
	status = stat_of(v, below, &st);
	if (status == CTL_DONE)
		status = w->node(w->arg, cluster, node, &st);
	if (status != CTL_DONE)
		return status;
	status = names_of(v, below, false, &leases);
	for (size_t i = 0; status == CTL_DONE && i < leases.n; i++) {
		status = walk_lease(v, w, cluster, node, leases.name[i]);
		progress_step(progress);
	}
	names_free(&leases);
	return status;
}

static int walk_cluster(const struct view *v, const struct walk *w, const char *cluster, struct progress *progress)
{
	struct names nodes;
	struct stat st;
	bool met = false;
	int status = stat_of(v, cluster, &st);

	if (status == CTL_DONE)
		status = w->cluster(w->arg, cluster, &st);
	if (status != CTL_DONE)
		return status;
	status = names_of(v, cluster, true, &nodes);
	for (size_t i = 0; status == CTL_DONE && i < nodes.n; i++) {
		if (w->only_node != NULL && strcmp(w->only_node, nodes.name[i]) != 0)
			continue;
		met = true;
		status = walk_node(v, w, cluster, nodes.name[i], progress);
	}
	names_free(&nodes);
	if (status == CTL_DONE && w->only_node != NULL && !met && v->clusters.n == 1)
		status = ctl_fail(CTL_REFUSED, "cluster '%s' has no node '%s'", cluster, w->only_node);
	return status;
}

int walk_mount(const struct view *v, const struct walk *w)
{
	struct progress progress;
	int status = CTL_DONE;

	progress_begin(&progress, "leases", 0, !w->quiet);
	for (size_t i = 0; status == CTL_DONE && i < v->clusters.n; i++)
		status = walk_cluster(v, w, v->clusters.name[i], &progress);
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

	return line[0] == 0 || line[0] == '#' ? CTL_DONE : l->fn(l->arg, line);
}

int walk_lines(const struct view *v, const char *path, const char *file, int (*fn)(void *arg, char *line), void *arg)
{
	return view_lines(v, path, file, take_line, &(struct lines){ fn, arg });
}
