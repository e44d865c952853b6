#include "view.h"

#include "base/cidr.h"
#include "cli/say.h"
#include "mountpoint.h"
#include "target.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- which clusters ---------------------------------------------------------------------------------------------- */

static bool has_node(const struct view *v, const char *cluster)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s/%s", v->mount, cluster, v->node);
	return v->node[0] != 0 && v->node[0] != '.' && strchr(v->node, '/') == NULL && stat(path, &st) == 0;
}

static bool is_meant(const struct view *v, const char *cluster)
{
	return (v->cluster == NULL || strcmp(v->cluster, cluster) == 0) && (v->node == NULL || has_node(v, cluster));
}

/* No cluster has it; it may be a slip of a name in any of them. */
static int no_node(const struct view *v, const struct names *clusters)
{
	struct names all = { 0 };
	char message[1024];
	int status = CLI_DONE;

	for (size_t i = 0; status == CLI_DONE && i < clusters->n; i++)
		if (v->cluster == NULL || strcmp(v->cluster, clusters->name[i]) == 0)
			status = view_names(v, clusters->name[i], true, &all);
	snprintf(message, sizeof message, "%s%s%s has no node '%s'", v->mount, v->cluster != NULL ? "/" : "",
		 v->cluster != NULL ? v->cluster : "", v->node);
	if (status == CLI_DONE)
		status = names_missing(&all, v->node, message, "");
	names_free(&all);
	return status;
}

static int nothing_meant(const struct view *v, const struct names *clusters)
{
	char message[1024];

	for (size_t i = 0; i < clusters->n; i++)
		if (v->cluster == NULL || strcmp(v->cluster, clusters->name[i]) == 0)
			return no_node(v, clusters);
	if (v->cluster == NULL)
		return cli_fail(CLI_REFUSED, "%s has no cluster yet", v->mount);
	snprintf(message, sizeof message, "%s has no cluster '%s'", v->mount, v->cluster);
	return names_missing(clusters, v->cluster, message, "");
}

/* Those that are meant come first and stay, the others are freed. */
static int choose(struct view *v)
{
	struct names *all = &v->clusters;
	size_t kept = 0;

	for (size_t i = 0; i < all->n; i++)
		if (is_meant(v, all->name[i])) {
			char *name = all->name[i];

			all->name[i] = all->name[kept];
			all->name[kept++] = name;
		}
	if (kept == 0)
		return nothing_meant(v, all);
	for (size_t i = kept; i < all->n; i++)
		free(all->name[i]);
	all->n = kept;
	return CLI_DONE;
}

int view_open(struct view *v)
{
	char source[4096];
	int status;

	v->clusters = (struct names){ 0 };
	v->mount = target_mount(v->mount);
	if (!mountpoint_source(v->mount, source))
		return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT", v->mount);
	status = view_names(v, "", true, &v->clusters);
	if (status == CLI_DONE && (v->cluster != NULL || v->node != NULL))
		status = choose(v);
	if (v->clusters.n > 0)
		qsort(v->clusters.name, v->clusters.n, sizeof *v->clusters.name, compare_names);
	return status;
}

void view_close(struct view *v)
{
	names_free(&v->clusters);
	v->clusters = (struct names){ 0 };
}

int view_names(const struct view *v, const char *below, bool directories, struct names *out)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", v->mount, below);
	return names_read(path, directories, out);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

int view_lines(const struct view *v, const char *below, const char *file, int (*fn)(void *arg, char *line), void *arg)
{
	char *path = NULL, *line = NULL;
	int status = CLI_DONE;
	size_t room = 0;
	FILE *f = NULL;
	ssize_t n;

	if (asprintf(&path, "%s/%s/.ipam/%s", v->mount, below, file) >= 0)
		f = fopen(path, "re");
	if (f == NULL && errno == ENOENT)
		goto out; /* removed since its name was read */
	if (f == NULL)
		status = cli_fail(CLI_REFUSED, "%s: %s", path != NULL ? path : file, strerror(errno));
	while (status == CLI_DONE && (errno = 0, n = getline(&line, &room, f)) > 0 && (line[n - 1] == '\n' || !ferror(f))) {
		line[strcspn(line, "\n")] = 0;
		status = fn(arg, line);
	}
	if (status == CLI_DONE && f != NULL && ferror(f))
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
out:
	if (f != NULL)
		fclose(f);
	free(path);
	free(line);
	return status;
}

/* ---- blocks: "CIDR NODE USED CAPACITY", of which the node's name may have blanks --------------------------------- */

struct blocks {
	const char *cluster, *only; /* only: of this node, or NULL */
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
		return cli_fail(CLI_REFUSED, "blocks of '%s': a line that isn't understood", blocks->cluster);
	*node++ = 0;
	*used++ = 0;
	if (blocks->only != NULL && strcmp(blocks->only, node) != 0)
		return CLI_DONE;
	strcpy(b.text, line);
	b.node = node;
	b.used = strtold(used, NULL);
	b.total = strtold(total, NULL);
	if (cidr_parse(line, strlen(line), &b.cidr) < 0)
		return cli_fail(CLI_REFUSED, "blocks of '%s': '%s' is no block", blocks->cluster, line);
	return blocks->fn(blocks->arg, &b);
}

int view_blocks(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct view_block *b), void *arg)
{
	return view_lines(v, cluster, "blocks", take_block, &(struct blocks){ cluster, v->node, fn, arg });
}

/* ---- leases.json: an array, an object a line ------------------------------------------------------------------- */

struct leases {
	const char *hint;
	struct progress *progress;
	int (*fn)(void *arg, json_t *lease, bool lossy);
	void *arg;
};

static int take_lease(void *arg, char *line)
{
	static const char replaced[] = "\xef\xbf\xbd"; /* U+FFFD */
	struct leases *leases = arg;
	size_t n = strlen(line);
	json_t *lease;
	int status;

	if (line[0] != '{')
		return CLI_DONE; /* the brackets */
	if (leases->progress != NULL)
		progress_step(leases->progress);
	if (leases->hint != NULL && strstr(line, leases->hint) == NULL)
		return CLI_DONE;
	if (line[n - 1] == ',')
		n--;
	lease = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	status = lease == NULL ? cli_fail(CLI_REFUSED, "leases.json: a line that isn't understood") :
				 leases->fn(leases->arg, lease, strstr(line, replaced) != NULL);
	json_decref(lease);
	return status;
}

int view_leases(const struct view *v, const char *below, const char *hint, int (*fn)(void *arg, json_t *lease, bool lossy), void *arg)
{
	return view_lines(v, below, "leases.json", take_lease, &(struct leases){ hint, v->progress, fn, arg });
}

static int take_count(void *arg, char *line)
{
	static const char key[] = "leases ";

	if (strncmp(line, key, sizeof key - 1) == 0)
		*(uint64_t *)arg += strtoull(line + sizeof key - 1, NULL, 10);
	return CLI_DONE;
}

uint64_t view_count(const struct view *v)
{
	uint64_t n = 0;
	char below[PATH_MAX];

	for (size_t i = 0; i < v->clusters.n; i++) {
		snprintf(below, sizeof below, "%s%s%s", v->clusters.name[i], v->node != NULL ? "/" : "", v->node != NULL ? v->node : "");
		view_lines(v, below, "stats", take_count, &n);
	}
	return n;
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

	return cidr_parse_range(line, strcspn(line, " "), &r) == 0 ? ranges->fn(ranges->arg, &r) : CLI_DONE;
}

int view_reserved(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct cidr_range *r), void *arg)
{
	return view_lines(v, cluster, "reserved", take_range, &(struct ranges){ fn, arg });
}

json_t *view_number(long double n)
{
	return n < 0x1p53L ? json_integer((json_int_t)n) : json_real((double)n);
}
