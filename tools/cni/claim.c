/* Making the leases of an attachment, all or none. */
#include "claim.h"

#include "room.h"
#include "want.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* All at once, and durable before we answer, as the lease is from then on: one whose owner nobody knows couldn't be collected
 * after a crash. */
static int set_attributes(int fd, const struct cni_conf *c, const struct cni_env *env, int *goes, struct cni_error *e)
{
	const struct {
		const char *name, *value;
	} list[] = {
		{ "container-id", env->container },
		{ "ifname", env->ifname },
		{ "netns", env->netns },
		{ "network", c->name },
		{ "pod", env->pod },
		{ "pod-uid", env->pod_uid },
	};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int rc = 0;

	for (size_t i = 0; out != NULL && i < sizeof list / sizeof *list; i++)
		if (list[i].value != NULL && list[i].value[0] != 0)
			fprintf(out, "%s=%s%c", list[i].name, list[i].value, 0);
	if (out == NULL || fclose(out) != 0)
		rc = cni_fail(e, CNI_IO, "out of memory");
	else if (fsetxattr(fd, "user.ipam.attributes", text, size, 0) < 0) {
		*goes = errno == ENOENT || errno == ESTALE ? CNI_GOES : 0;
		rc = cni_fail_errno(e, cni_code_of(errno), errno, "the lease's attributes can't be stored");
	}
	free(text);
	return rc;
}

static int create(const struct cni_conf *c, const struct cni_node *n, const char *name, bool *made, int *goes, struct cni_error *e)
{
	char path[32 + NAME_MAX];
	int fd;

	/* Ephemeral until it has its attributes: what ends before that leaves nothing. */
	snprintf(path, sizeof path, ".ipam/ephemeral/%s", name);
	fd = openat(n->dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST) { /* asked again: the same answer */
		fd = openat(n->dir, name, O_RDWR | O_CLOEXEC);
		*goes = fd < 0 && (errno == ENOENT || errno == ESTALE) ? CNI_GOES : 0;
	}
	if (fd >= 0)
		return fd;
	if (errno == ENOSPC)
		return cni_fail(e, CNI_NO_ADDRESS, "no address is left in the node's blocks");
	if (errno == EDQUOT)
		return cni_fail(e, CNI_NO_ADDRESS, "the node holds as many leases as its max-leases allows");
	fd = errno;
	if (fd == ENOENT && cni_node_check(c, n, e) < 0)
		return CNI_FAILED;
	return cni_fail_errno(e, cni_code_of(fd), fd, "lease %s can't be made", name);
}

/* goes: how many of them it is worth, where it failed for what was going on just then. */
static int try_claim(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, const char *name, struct cni_leases *l,
		     int *goes, struct cni_error *e)
{
	struct cni_want want[CIDR_FAMILIES] = { { 0 } };
	unsigned i = l->n;
	struct stat st;
	bool complete;
	int fd, rc;

	cni_wants_find(c, i, want);
	fd = create(c, n, name, &l->made[i], goes, e);
	if (fd < 0)
		return CNI_FAILED;
	l->generation[i] = 1; /* as each lease begins; each change makes it one more */
	l->inode[i] = fstat(fd, &st) == 0 ? st.st_ino : 0;
	rc = !l->made[i] && !cni_lease_is_ours(fd, env) ?
		     cni_fail(e, CNI_BAD_ENVIRONMENT,
			      "the lease's name %s, which CNI_CONTAINERID and CNI_IFNAME give, is that of another "
			      "container's interface",
			      name) :
		     cni_lease_read(fd, &l->lease[i], e);
	if (rc < 0 && !l->made[i] && e->code == CNI_TRY_AGAIN)
		*goes = CNI_GOES;
	/* One that was left half made, by a call that was killed, is finished now. */
	complete = !l->made[i] && fgetxattr(fd, "user.container-id", NULL, 0) > 0;
	if (rc == 0 && !complete)
		rc = cni_wants_set(n, fd, want, l, goes, e);
	if (rc == 0)
		rc = set_attributes(fd, c, env, goes, e);
	l->generation[i] += rc == 0;
	if (rc < 0) /* before it is closed: an ephemeral lease that ends so rests */
		cni_lease_undo(n, l, i, false);
	close(fd);
	return rc;
}

static int claim_one(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l, struct cni_error *e)
{
	enum { PAUSE = 8000 /* microseconds, and up to twice that */ };
	char name[NAME_MAX + 1];
	int rc = cni_lease_name(env, l->n, name, e), goes = rc == 0;

	for (int go = 0; go < goes; go++) {
		if (go > 0)
			usleep(PAUSE + (unsigned)(getpid() + go) % 16 * (PAUSE / 16));
		*e = (struct cni_error){ 0 };
		goes = 0;
		rc = try_claim(c, env, n, name, l, &goes, e);
	}
	l->n++;
	return rc;
}

int cni_leases_claim(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l, struct cni_error *e)
{
	unsigned wanted = 1;
	int rc;

	*l = (struct cni_leases){ 0 };
	for (size_t i = 0; i < c->sets.sets; i++)
		if (c->sets.set[i].lease + 1 > wanted)
			wanted = c->sets.set[i].lease + 1;
	rc = cni_requests_check(c, e);
	if (rc == 0)
		rc = cni_ranges_check(c, n, e);
	while (rc == 0 && l->n < wanted)
		rc = claim_one(c, env, n, l, e);
	if (rc < 0)
		cni_leases_undo(n, l, false);
	return rc;
}
