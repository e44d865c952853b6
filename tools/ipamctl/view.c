#include "view.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int choose_cluster(struct view *v)
{
	const char **words = calloc(v->clusters.n + 1, sizeof *words), *near;
	int status = CTL_DONE;
	size_t i = 0;

	if (words == NULL)
		return ctl_fail(CTL_REFUSED, "out of memory");
	for (size_t k = 0; k < v->clusters.n; k++)
		words[k] = v->clusters.name[k];
	while (i < v->clusters.n && strcmp(words[i], v->cluster) != 0)
		i++;
	near = ctl_suggest(v->cluster, words);
	if (i == v->clusters.n && near != NULL)
		status = ctl_fail(CTL_REFUSED, "%s has no cluster '%s'; did you mean '%s'?", v->mount, v->cluster, near);
	else if (i == v->clusters.n)
		status = ctl_fail(CTL_REFUSED, "%s has no cluster '%s'", v->mount, v->cluster);
	for (size_t k = 0; status == CTL_DONE && k < v->clusters.n; k++)
		if (k != i)
			free(v->clusters.name[k]);
	if (status == CTL_DONE) {
		v->clusters.name[0] = v->clusters.name[i];
		v->clusters.n = 1;
	}
	free(words);
	return status;
}

int view_open(struct view *v)
{
	struct target t;
	char source[4096];
	int status;

	v->mount = target_mount(v->mount);
	if (!ctl_mount_source(v->mount, source))
		return ctl_fail(CTL_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT", v->mount);
	t.path = (char *)(uintptr_t)v->mount;
	status = target_names(&t, true, &v->clusters);
	if (v->clusters.n > 0)
		qsort(v->clusters.name, v->clusters.n, sizeof *v->clusters.name, compare_names);
	if (status == CTL_DONE && v->cluster != NULL)
		status = choose_cluster(v);
	return status;
}

void view_close(struct view *v)
{
	names_free(&v->clusters);
}

int view_lines(const struct view *v, const char *cluster, const char *file, int (*fn)(void *arg, char *line), void *arg)
{
	char *path = NULL, *line = NULL;
	int status = CTL_DONE;
	size_t room = 0;
	FILE *f = NULL;

	if (asprintf(&path, "%s/%s/.ipam/%s", v->mount, cluster, file) >= 0)
		f = fopen(path, "re");
	if (f == NULL && errno == ENOENT)
		goto out; /* removed since its name was read */
	if (f == NULL)
		status = ctl_fail(CTL_REFUSED, "%s: %s", path != NULL ? path : file, strerror(errno));
	while (status == CTL_DONE && (errno = 0, getline(&line, &room, f)) > 0) {
		line[strcspn(line, "\n")] = 0;
		status = fn(arg, line);
	}
	if (status == CTL_DONE && f != NULL && ferror(f))
		status = ctl_fail(CTL_REFUSED, "%s: %s", path, strerror(errno));
out:
	if (f != NULL)
		fclose(f);
	free(path);
	free(line);
	return status;
}

/* ---- blocks: "CIDR NODE USED CAPACITY", of which the node's name may have blanks --------------------------------- */

struct blocks {
	const char *cluster;
	int (*fn)(void *arg, const struct view_block *b);
	void *arg;
};

static int take_block(void *arg, char *line)
{
	struct blocks *blocks = arg;
	struct view_block b = { .cluster = blocks->cluster };
	char *node = strchr(line, ' '), *total = strrchr(line, ' '), *used = NULL;

	if (node != NULL && total > node) {
		*total++ = 0;
		used = strrchr(line, ' ');
	}
	if (used == NULL || used <= node || (size_t)(node - line) >= sizeof b.text)
		return ctl_fail(CTL_REFUSED, "blocks of '%s': a line that isn't understood", blocks->cluster);
	*node++ = 0;
	*used++ = 0;
	strcpy(b.text, line);
	b.node = node;
	b.used = strtold(used, NULL);
	b.total = strtold(total, NULL);
	if (cidr_parse(line, strlen(line), &b.cidr) < 0)
		return ctl_fail(CTL_REFUSED, "blocks of '%s': '%s' is no block", blocks->cluster, line);
	return blocks->fn(blocks->arg, &b);
}

int view_blocks(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct view_block *b), void *arg)
{
	return view_lines(v, cluster, "blocks", take_block, &(struct blocks){ cluster, fn, arg });
}

/* ---- leases.json: an array, an object a line ------------------------------------------------------------------- */

struct leases {
	int (*fn)(void *arg, json_t *lease);
	void *arg;
};

static int take_lease(void *arg, char *line)
{
	struct leases *leases = arg;
	size_t n = strlen(line);
	json_t *lease;
	int status;

	if (line[0] != '{')
		return CTL_DONE; /* the brackets */
	if (line[n - 1] == ',')
		n--;
	lease = json_loadb(line, n, 0, NULL);
	status = lease == NULL ? ctl_fail(CTL_REFUSED, "leases.json: a line that isn't understood") : leases->fn(leases->arg, lease);
	json_decref(lease);
	return status;
}

int view_leases(const struct view *v, const char *cluster, int (*fn)(void *arg, json_t *lease), void *arg)
{
	return view_lines(v, cluster, "leases.json", take_lease, &(struct leases){ fn, arg });
}

/* ---- reserved --------------------------------------------------------------------------------------------------- */

struct ranges {
	int (*fn)(void *arg, const struct cidr_range *r);
	void *arg;
};

static int take_range(void *arg, char *line)
{
	struct ranges *ranges = arg;
	struct cidr_range r;

	return cidr_parse_range(line, strlen(line), &r) == 0 ? ranges->fn(ranges->arg, &r) : CTL_DONE;
}

int view_reserved(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct cidr_range *r), void *arg)
{
	return view_lines(v, cluster, "reserved", take_range, &(struct ranges){ fn, arg });
}
