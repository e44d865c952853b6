#include "cni.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* The only cluster there is. */
static int only_cluster(const struct cni_conf *c, bool make, struct cni_node *n, struct cni_error *e)
{
	int fd = openat(n->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	char names[256] = "";
	size_t used = 0, size;
	int found = 0;

	if (d == NULL)
		return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "%s can't be listed", c->mount);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
			continue;
		if (found++ == 0)
			strcpy(n->cluster, entry->d_name);
		size = strlen(entry->d_name);
		if (used + size + 3 >= sizeof names)
			continue;
		if (used > 0)
			names[used++] = ' ';
		memcpy(names + used, entry->d_name, size + 1);
		used += size;
	}
	closedir(d);
	if (found == 0 && make)
		return cni_fail(e, CNI_BAD_CONFIG, "%s has no cluster yet; mkdir %s/NAME, and write its cidrs", c->mount, c->mount);
	if (found > 1)
		return cni_fail(e, CNI_BAD_CONFIG, "%s has several clusters (%s); set 'cluster' in the plugin's configuration", c->mount,
				names);
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
	if (c->cluster == NULL && only_cluster(c, make, n, e) < 0)
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
				c->node);
	if (mkdirat(cluster, c->node, 0755) == 0)
		n->made = true;
	else if (errno == ENOSPC)
		return cni_fail(e, CNI_NO_ADDRESS, "cluster '%s' has no block left for node '%s'", n->cluster, c->node);
	else if (errno != EEXIST)
		return cni_fail_errno(e, cni_code_of(errno), errno, "node '%s' can't be made in cluster '%s'", c->node, n->cluster);
	n->dir = open_directory(cluster, c->node);
	return 0;
}

int cni_node_open(const struct cni_conf *c, bool make, struct cni_node *n, struct cni_error *e)
{
	int cluster = -1, rc;

	*n = (struct cni_node){ .dir = -1, .mount = -1 };
	rc = open_mount(c, n, e);
	if (rc == 0)
		rc = open_cluster(c, make, n, &cluster, e);
	if (rc == 0 && cluster >= 0) {
		n->dir = open_directory(cluster, c->node);
		if (n->dir == -ENOENT)
			rc = cni_node_check(c, n, e);
		if (rc == 0 && n->dir == -ENOENT && make)
			rc = make_node(c, cluster, n, e);
		if (rc == 0 && n->dir < 0 && n->dir != -ENOENT)
			rc = cni_fail_errno(e, CNI_TRY_AGAIN, -n->dir, "%s/%s/%s", c->mount, n->cluster, c->node);
	}
	if (cluster >= 0)
		close(cluster);
	return rc;
}

void cni_node_close(struct cni_node *n)
{
	if (n->dir >= 0)
		close(n->dir);
	if (n->mount >= 0)
		close(n->mount);
	n->dir = n->mount = -1;
}

void cni_node_undo(const struct cni_conf *c, struct cni_node *n)
{
	char path[2 * NAME_MAX + 2];

	if (!n->made)
		return;
	snprintf(path, sizeof path, "%s/%s", n->cluster, c->node);
	unlinkat(n->mount, path, AT_REMOVEDIR); /* with leases in it, it stays */
	n->made = false;
}

int cni_node_blocks(const struct cni_node *n, struct cidr *out, int max, struct cni_error *e)
{
	char text[65536];
	int have = 0, rc = cni_read_at(n->dir, ".ipam/cidrs", text, sizeof text);

	if (rc < 0)
		return cni_fail_errno(e, CNI_TRY_AGAIN, -rc, "the node's blocks can't be read");
	for (const char *line = text; *line != 0 && have < max;) {
		size_t size = strcspn(line, "\n");

		if (cidr_parse(line, size, &out[have]) == 0)
			have++;
		line += size;
		line += *line == '\n';
	}
	return have;
}
