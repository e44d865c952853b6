/* GC: release what the runtime no longer knows, of this network and this node. */
#include "call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ALIVE_EVERY = 64 };

static bool get_attribute(int dir, const char *file, const char *name, char *out, size_t room)
{
	char path[64 + NAME_MAX];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, file);
	n = getxattr(path, name, out, room - 1);
	out[n > 0 ? n : 0] = 0;
	return n > 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct cni_valid {
	char **key; /* "CONTAINER.IFNAME", sorted */
	size_t n;
};

static int read_valid(const json_t *list, struct cni_valid *v, struct cni_error *e)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list))
		return cni_fail(e, CNI_BAD_CONFIG, "'cni.dev/valid-attachments' is no list");
	v->key = calloc(json_array_size(list) + 1, sizeof *v->key);
	if (v->key == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	json_array_foreach(list, i, item) {
		const char *container = json_string_value(json_object_get(item, "containerID"));
		const char *ifname = json_string_value(json_object_get(item, "ifname"));

		/* A list that can't be read whole must not release what it may name. */
		if (container == NULL || ifname == NULL)
			return cni_fail(e, CNI_BAD_CONFIG, "'cni.dev/valid-attachments': item %zu has no containerID and ifname", i);
		if (asprintf(&v->key[v->n], "%s.%s", container, ifname) < 0)
			return cni_fail(e, CNI_IO, "out of memory");
		v->n++;
	}
	qsort(v->key, v->n, sizeof *v->key, compare);
	return 0;
}

static void valid_free(struct cni_valid *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->key[i]);
	free(v->key);
}

static bool is_stale(const struct cni_call *c, const struct cni_valid *v, const char *file)
{
	char network[NAME_MAX + 1], container[512], ifname[64], key[640], *p = key;

	if (!get_attribute(c->node.dir, file, "user.network", network, sizeof network) || strcmp(network, c->conf.name) != 0)
		return false;
	if (!get_attribute(c->node.dir, file, "user.container-id", container, sizeof container) ||
	    !get_attribute(c->node.dir, file, "user.ifname", ifname, sizeof ifname))
		return false;
	snprintf(key, sizeof key, "%s.%s", container, ifname);
	return bsearch(&p, v->key, v->n, sizeof *v->key, compare) == NULL;
}

static int sweep(struct cni_call *c, DIR *d, struct cni_error *e)
{
	const struct dirent *entry;
	size_t seen = 0, failed = 0;
	int error = 0;

	while ((entry = readdir(d)) != NULL) {
		if (++seen % ALIVE_EVERY == 0)
			c->alive(c->arg);
		if (entry->d_name[0] == '.' || !is_stale(c, c->valid, entry->d_name))
			continue;
		/* The runtime makes leases again, once it has given up on us, that its list doesn't name. */
		if (!c->wanted(c->arg))
			return cni_fail(e, CNI_TRY_AGAIN, "nobody waits any more");
		if (unlinkat(c->node.dir, entry->d_name, 0) < 0 && errno != ENOENT) {
			error = errno;
			failed++;
		}
	}
	if (failed > 0)
		return cni_fail_errno(e, CNI_GC_INCOMPLETE, error, "%zu leases of node '%s' could not be released", failed, c->node.name);
	return 0;
}

static int collect(struct cni_call *c, struct cni_error *e)
{
	int fd = openat(c->node.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d == NULL)
		return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "node '%s' can't be listed", c->node.name);
	rc = sweep(c, d, e);
	closedir(d);
	return rc;
}

int cni_gc(struct cni_call *c, struct cni_error *e)
{
	struct cni_valid valid = { 0 };
	int rc;

	if (c->conf.valid == NULL || json_is_null(c->conf.valid))
		return 0;
	rc = read_valid(c->conf.valid, &valid, e);
	c->valid = &valid;
	if (rc == 0)
		rc = cni_nodes_each(c, collect, e);
	c->valid = NULL;
	valid_free(&valid);
	return rc;
}
