#include "mount.h"

#include "call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FUSE_MAGIC = 0x65735546 };

int cni_read_at(int dir, const char *path, char *out, size_t room)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && have + 1 < room) {
		n = read(fd, out + have, room - 1 - have);
		if (n > 0)
			have += (size_t)n;
	}
	if (n < 0)
		n = -errno;
	close(fd);
	out[have] = 0;
	return n < 0 ? (int)n : (int)have;
}

const char *cni_why_no_block(int dir, const char *cidrs)
{
	char first[2];

	return cni_read_at(dir, cidrs, first, sizeof first) == 0 ? "has no CIDRs yet (its .ipam/cidrs takes them), so no block" :
								   "has no block left";
}

bool cni_value(const char *text, const char *key, char *out, size_t room)
{
	size_t size = strlen(key);

	for (const char *line = text; *line != 0; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *p = line + (strncmp(line, "# ", 2) == 0 ? 2 : 0); /* inherited settings are shown so */

		if (strncmp(p, key, size) == 0 && p[size] == ' ') {
			snprintf(out, room, "%.*s", (int)strcspn(p + size + 1, " \n"), p + size + 1);
			return true;
		}
	}
	return false;
}

static int open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* fn for the cluster that the configuration names, or for each that there is, as long as it returns 0. */
static int each_cluster(const struct cni_conf *c, const struct cni_node *n, int (*fn)(void *arg, const char *cluster), void *arg,
			struct cni_error *e)
{
	const struct dirent *entry;
	DIR *d = NULL;
	int fd, rc = 0;

	if (c->cluster != NULL)
		return fn(arg, c->cluster);
	fd = openat(n->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL)
		return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "%s can't be listed", c->mount);
	while (rc == 0 && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			rc = fn(arg, entry->d_name);
	closedir(d);
	return rc;
}

/* The cluster's directory of the node, under the host's name as it is or as the kubelet has it. */
static int open_node_in(const struct cni_conf *c, struct cni_node *n, int cluster)
{
	int fd;

	n->name = c->node;
	fd = open_directory(cluster, n->name);
	if (fd != -ENOENT || c->lower[0] == 0)
		return fd;
	n->name = c->lower;
	return open_directory(cluster, n->name);
}

/* Which of several clusters is meant. */
struct choice {
	const struct cni_conf *conf;
	struct cni_node *node;
	unsigned clusters, homes; /* how many there are, and in how many of them the node is */
	char home[NAME_MAX + 1];  /* the last of these */
	char names[256];          /* of all, for a person */
};

static int consider(void *arg, const char *cluster)
{
	struct choice *c = arg;
	size_t used = strlen(c->names);
	int at = open_directory(c->node->mount, cluster), fd = at < 0 ? at : open_node_in(c->conf, c->node, at);

	if (c->clusters++ == 0)
		strcpy(c->node->cluster, cluster);
	if (fd >= 0) {
		c->homes++;
		strcpy(c->home, cluster);
		close(fd);
	}
	if (at >= 0)
		close(at);
	snprintf(c->names + used, sizeof c->names - used, "%s%s", used > 0 ? " " : "", cluster);
	return 0;
}

/* The only cluster there is, or the only one in which the node is. */
static int choose_cluster(const struct cni_conf *c, bool make, struct cni_node *n, struct cni_error *e)
{
	struct choice choice = { .conf = c, .node = n };

	if (each_cluster(c, n, consider, &choice, e) < 0)
		return CNI_FAILED;
	if (choice.clusters == 0 && make)
		return cni_fail(e, CNI_BAD_CONFIG, "%s has no cluster yet; mkdir %s/NAME, and write its cidrs", c->mount, c->mount);
	if (choice.clusters > 1 && choice.homes != 1)
		return cni_fail(e, CNI_BAD_CONFIG,
				"%s has several clusters (%s), and node '%s' is in %s of them; set 'cluster' in the "
				"plugin's configuration",
				c->mount, choice.names, c->node, choice.homes == 0 ? "none" : "more than one");
	if (choice.homes == 1)
		strcpy(n->cluster, choice.home);
	return 0;
}

/* Asked where something isn't there, since then it may be for want of the mount. */
int cni_node_check(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e)
{
	struct statfs st;

	if (fstatfs(n->mount, &st) < 0)
		return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "ipamfs on %s doesn't answer", c->mount);
	if (st.f_type != FUSE_MAGIC || faccessat(n->mount, ".ipam/version", F_OK, 0) < 0)
		return cni_fail(e, CNI_TRY_AGAIN, "ipamfs is not mounted on %s", c->mount);
	return 0;
}

static int open_mount(const struct cni_conf *c, struct cni_node *n, struct cni_error *e)
{
	n->mount = open_directory(AT_FDCWD, c->mount);
	if (n->mount < 0)
		return cni_fail_errno(e, CNI_TRY_AGAIN, -n->mount, "ipamfs is not mounted on %s", c->mount);
	return c->cluster == NULL ? cni_node_check(c, n, e) : 0;
}

static int open_cluster(const struct cni_conf *c, bool make, struct cni_node *n, int *out, struct cni_error *e)
{
	if (c->cluster == NULL && choose_cluster(c, make, n, e) < 0)
		return CNI_FAILED;
	if (c->cluster != NULL)
		strcpy(n->cluster, c->cluster); /* its length was checked */
	if (n->cluster[0] == 0)
		return 0; /* none, so there is nothing in it either */
	*out = open_directory(n->mount, n->cluster);
	if (*out == -ENOENT && cni_node_check(c, n, e) < 0)
		return CNI_FAILED;
	if (*out == -ENOENT && !make)
		return 0;
	if (*out == -ENOENT)
		return cni_fail(e, CNI_BAD_CONFIG, "%s has no cluster '%s'", c->mount, n->cluster);
	if (*out < 0)
		return cni_fail_errno(e, CNI_TRY_AGAIN, -*out, "%s/%s", c->mount, n->cluster);
	return 0;
}

static int make_node(const struct cni_conf *c, int cluster, struct cni_node *n, struct cni_error *e)
{
	if (!c->create_node)
		return cni_fail(e, CNI_NO_NODE, "cluster '%s' has no node '%s', and createNode is false; mkdir it first", n->cluster,
				n->name);
	if (mkdirat(cluster, n->name, 0755) == 0)
		n->made = true;
	else if (errno == ENOSPC)
		return cni_fail(e, CNI_NO_ADDRESS, "cluster '%s' %s for node '%s'", n->cluster, cni_why_no_block(cluster, ".ipam/cidrs"),
				n->name);
	else if (errno != EEXIST)
		return cni_fail_errno(e, cni_code_of(errno), errno, "node '%s' can't be made in cluster '%s'", n->name, n->cluster);
	n->dir = open_directory(cluster, n->name);
	return 0;
}

/* The node's directory in n->cluster, if there is one. */
static int open_node(const struct cni_conf *c, bool make, struct cni_node *n, int cluster, struct cni_error *e)
{
	int rc = 0;

	n->dir = open_node_in(c, n, cluster);
	if (n->dir == -ENOENT)
		rc = cni_node_check(c, n, e);
	if (rc == 0 && n->dir == -ENOENT && make)
		rc = make_node(c, cluster, n, e);
	if (rc == 0 && n->dir < 0 && n->dir != -ENOENT)
		rc = cni_fail_errno(e, CNI_TRY_AGAIN, -n->dir, "%s/%s/%s", c->mount, n->cluster, n->name);
	return rc;
}

int cni_node_open(const struct cni_conf *c, bool make, struct cni_node *n, struct cni_error *e)
{
	int cluster = -1, rc;

	*n = (struct cni_node){ .dir = -1, .mount = -1, .name = c->node };
	rc = open_mount(c, n, e);
	if (rc == 0)
		rc = open_cluster(c, make, n, &cluster, e);
	if (rc == 0 && cluster >= 0)
		rc = open_node(c, make, n, cluster, e);
	if (cluster >= 0)
		close(cluster);
	return rc;
}

struct visit {
	struct cni_call *call;
	int (*fn)(struct cni_call *c, struct cni_error *e);
	struct cni_error *error;
};

/* What fails in one cluster keeps nobody from what is in the others. */
static int visit(void *arg, const char *name)
{
	struct visit *v = arg;
	struct cni_node *n = &v->call->node;
	int cluster = open_directory(n->mount, name), rc;

	snprintf(n->cluster, sizeof n->cluster, "%s", name);
	if (cluster == -ENOENT)
		return cni_node_check(&v->call->conf, n, v->error);
	if (cluster < 0) {
		cni_fail_errno(v->error, CNI_TRY_AGAIN, -cluster, "%s/%s", v->call->conf.mount, name);
		return 0;
	}
	rc = open_node(&v->call->conf, false, n, cluster, v->error);
	if (rc == 0 && n->dir >= 0)
		v->fn(v->call, v->error);
	if (n->dir >= 0)
		close(n->dir);
	n->dir = -1;
	close(cluster);
	return 0;
}

int cni_nodes_each(struct cni_call *c, int (*fn)(struct cni_call *c, struct cni_error *e), struct cni_error *e)
{
	struct visit v = { c, fn, e };

	c->node = (struct cni_node){ .dir = -1, .mount = -1, .name = c->conf.node };
	if (open_mount(&c->conf, &c->node, e) == 0)
		each_cluster(&c->conf, &c->node, visit, &v, e);
	return e->code == 0 ? 0 : CNI_FAILED;
}

void cni_node_close(struct cni_node *n)
{
	if (n->dir >= 0)
		close(n->dir);
	if (n->mount >= 0)
		close(n->mount);
	n->dir = n->mount = -1;
}

void cni_node_undo(struct cni_node *n)
{
	char path[2 * NAME_MAX + 2];

	if (!n->made)
		return;
	snprintf(path, sizeof path, "%s/%s", n->cluster, n->name);
	unlinkat(n->mount, path, AT_REMOVEDIR); /* with leases in it, it stays */
	n->made = false;
}

int cni_cidrs_at(int dir, const char *path, struct cidr **out, struct cni_error *e)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), have = 0, error;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	*out = NULL;
	if (f == NULL)
		return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "%s can't be read", path);
	errno = 0;
	while (getline(&line, &room, f) > 0) {
		struct cidr *bigger = reallocarray(*out, (size_t)have + 1, sizeof *bigger);

		if (bigger == NULL)
			break;
		*out = bigger;
		have += cidr_parse(line, strcspn(line, " \n"), &bigger[have]) == 0;
	}
	error = feof(f) ? 0 : errno;
	free(line);
	fclose(f);
	if (error == 0)
		return have;
	free(*out);
	*out = NULL;
	return cni_fail_errno(e, error == ENOMEM ? CNI_IO : CNI_TRY_AGAIN, error, "%s can't be read", path);
}

int cni_node_blocks(const struct cni_node *n, struct cidr **out, struct cni_error *e)
{
	return cni_cidrs_at(n->dir, ".ipam/cidrs", out, e);
}
