/* Where a command works: --mount, --cluster, --node. */
#include "target.h"

#include "cli/say.h"
#include "mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int choose_cluster(struct target *t)
{
	DIR *d = opendir(t->mount);
	const struct dirent *entry;
	char *names = NULL;
	size_t size;
	FILE *list = open_memstream(&names, &size);
	int found = 0, status = CLI_DONE;

	if (d == NULL || list == NULL) {
		status = cli_fail(CLI_REFUSED, "%s: %s", t->mount, strerror(errno));
	} else {
		while (errno = 0, (entry = readdir(d)) != NULL)
			if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
				if (found++ == 0)
					strcpy(t->cluster_name, entry->d_name);
				fprintf(list, " '%s'", entry->d_name);
			}
		if (errno != 0)
			status = cli_fail(CLI_REFUSED, "%s: %s", t->mount, strerror(errno));
		fflush(list);
		if (status == CLI_DONE && found == 0)
			status = cli_fail(CLI_REFUSED, "%s has no cluster yet", t->mount);
		else if (status == CLI_DONE && found > 1)
			status = cli_fail(CLI_USAGE, "%s has several clusters; say which with --cluster:%s", t->mount, names);
		t->cluster = t->cluster_name;
	}
	if (list != NULL)
		fclose(list);
	free(names);
	if (d != NULL)
		closedir(d);
	return status;
}

const char *target_mount(const char *said)
{
	const char *mount = said != NULL ? said : getenv("IPAMFS_MOUNT");

	return mount == NULL || *mount == 0 ? "/run/ipamfs" : mount;
}

/* No such name among the directories of a directory, which is called `where`. */
static int missing(const char *directory, const char *where, const char *kind, const char *name, const char *otherwise)
{
	struct names names = { 0 };
	char message[1024];
	int status = names_read(directory, true, &names);

	snprintf(message, sizeof message, "%s has no %s '%s'", where, kind, name);
	if (status == CLI_DONE)
		status = names_missing(&names, name, message, otherwise);
	names_free(&names);
	return status;
}

static bool has_node(const struct target *t, const char *name)
{
	int fd = open(t->cluster_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool has = fd >= 0 && faccessat(fd, name, F_OK, 0) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/* This host's: called as it, or as the kubelet calls its Node, in lower case. */
static bool own_node(struct target *t)
{
	char lower[sizeof t->node_name] = "";

	if (gethostname(t->node_name, sizeof t->node_name - 1) < 0)
		return false;
	for (size_t i = 0; t->node_name[i] != 0; i++)
		lower[i] = (char)(t->node_name[i] >= 'A' && t->node_name[i] <= 'Z' ? t->node_name[i] - 'A' + 'a' : t->node_name[i]);
	if (!has_node(t, t->node_name) && has_node(t, lower))
		strcpy(t->node_name, lower);
	t->node = t->node_name;
	return true;
}

int target_find(struct target *t)
{
	char source[4096];
	struct stat st;
	int status = CLI_DONE;

	t->mount = target_mount(t->mount);
	if (!mountpoint_source(t->mount, source))
		return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT", t->mount);
	if (t->cluster == NULL)
		status = choose_cluster(t);
	if (status != CLI_DONE)
		return status;
	if (asprintf(&t->cluster_path, "%s/%s", t->mount, t->cluster) < 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (t->node == NULL && !own_node(t))
		return cli_fail(CLI_USAGE, "this host has no name; say which node with --node");
	if (asprintf(&t->path, "%s/%s/%s", t->mount, t->cluster, t->node) < 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (*t->cluster == 0 || *t->node == 0)
		return cli_fail(CLI_USAGE, "--cluster and --node want names");
	if (strchr(t->cluster, '/') != NULL || stat(t->cluster_path, &st) < 0 || t->cluster[0] == '.')
		return missing(t->mount, t->mount, "cluster", t->cluster, "");
	if (strchr(t->node, '/') != NULL || stat(t->path, &st) < 0 || t->node[0] == '.')
		return missing(t->cluster_path, t->cluster, "node", t->node, "; say which with --node");
	return CLI_DONE;
}

void target_free(struct target *t)
{
	free(t->path);
	free(t->cluster_path);
}

int target_leases(const struct target *t, struct names *out)
{
	*out = (struct names){ 0 };
	return names_read(t->path, false, out);
}
