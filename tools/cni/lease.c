/* The leases of one attachment: files in the node's directory. */
#include "lease.h"

#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

int cni_lease_name(const struct cni_env *env, unsigned i, char out[NAME_MAX + 1], struct cni_error *e)
{
	int n = i == 0 ? snprintf(out, NAME_MAX + 1, "%s.%s", env->container, env->ifname) :
			 snprintf(out, NAME_MAX + 1, "%s.%s+%u", env->container, env->ifname, i);

	if (n > NAME_MAX)
		return cni_fail(e, CNI_BAD_ENVIRONMENT, "CNI_CONTAINERID and CNI_IFNAME are together too long for a lease's name");
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static void parse_lease(const char *text, struct cni_lease *l)
{
	for (const char *line = text; *line != 0;) {
		size_t size = strcspn(line, "\n");
		uint8_t family, len;
		u128 addr;

		if (cidr_parse_host(line, size, &family, &addr, &len) == 0) {
			l->has[family] = true;
			l->addr[family] = addr;
			l->len[family] = len;
		}
		line += size;
		line += *line == '\n';
	}
}

/* The gateways of its blocks: absent where the node's setting says that there are none. */
static void parse_gateways(char *text, struct cni_lease *l)
{
	char *word;

	while ((word = strsep(&text, " ")) != NULL) {
		uint8_t family;
		u128 addr;

		if (cidr_parse_addr(word, strlen(word), &family, &addr) == 0) {
			l->has_gateway[family] = true;
			l->gateway[family] = addr;
		}
	}
}

int cni_lease_read(int fd, struct cni_lease *l, struct cni_error *e)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	*l = (struct cni_lease){ 0 };
	if (n <= 0)
		return cni_fail_errno(e, CNI_TRY_AGAIN, n < 0 ? errno : ESTALE, "the lease can't be read");
	text[n] = 0;
	parse_lease(text, l);
	n = fgetxattr(fd, "user.ipam.gateway", text, sizeof text - 1);
	if (n > 0) {
		text[n] = 0;
		parse_gateways(text, l);
	}
	return 0;
}

/* ---- whose it is ---------------------------------------------------------------------------------------------------- */

/* Not said is not another. */
static bool attribute_is(int fd, const char *name, const char *wanted)
{
	char value[512];
	ssize_t n = fgetxattr(fd, name, value, sizeof value);

	if (n < 0)
		return errno != ERANGE;
	return (size_t)n == strlen(wanted) && memcmp(value, wanted, (size_t)n) == 0;
}

bool cni_lease_is_ours(int fd, const struct cni_env *env)
{
	return attribute_is(fd, "user.container-id", env->container) && attribute_is(fd, "user.ifname", env->ifname);
}

/* "a.b.c" is b.c of a, or c of a.b; "a.b+1" is b+1 of a, or the second one of b. Other names can be read in one way alone. */
static bool is_ambiguous(const struct cni_env *env, unsigned i)
{
	return i > 0 || strchr(env->container, '.') != NULL || strpbrk(env->ifname, ".+") != NULL;
}

/* Is there a lease of this name, and of this attachment? */
static bool has_lease(const struct cni_env *env, const struct cni_node *n, unsigned i, const char *name)
{
	bool ours;
	int fd;

	if (!is_ambiguous(env, i))
		return faccessat(n->dir, name, F_OK, 0) == 0;
	fd = openat(n->dir, name, O_RDONLY | O_CLOEXEC);
	ours = fd >= 0 && cni_lease_is_ours(fd, env);
	if (fd >= 0)
		close(fd);
	return ours;
}

int cni_leases_read(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, struct cni_leases *l,
		    struct cni_error *e)
{
	struct cni_error too_long = { 0 };
	char name[NAME_MAX + 1];
	bool more = true;
	int rc = 0;

	*l = (struct cni_leases){ 0 };
	while (rc == 0 && more && l->n < CNI_LEASES_MAX) {
		int fd;

		if (cni_lease_name(env, l->n, name, &too_long) < 0)
			break; /* then there is none */
		fd = openat(n->dir, name, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return l->n == 0 ? cni_node_check(c, n, e) : 0;
		if (fd < 0)
			return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "lease %s can't be opened", name);
		more = cni_lease_is_ours(fd, env);
		if (more)
			rc = cni_lease_read(fd, &l->lease[l->n++], e);
		close(fd);
	}
	return rc;
}

/* ---- releasing ------------------------------------------------------------------------------------------------------ */

/* Unless it has changed: where the runtime gave up on us and asked again, the lease is the next call's by now. */
static void release_unchanged(const struct cni_node *n, uint64_t inode, unsigned generation, bool told)
{
	char line[56];
	int size = snprintf(line, sizeof line, "%" PRIu64 " %u%s\n", inode, generation, told ? "" : " unused");
	int fd = openat(n->dir, ".ipam/release", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, line, (size_t)size);
	close(fd);
}

void cni_lease_undo(const struct cni_node *n, struct cni_leases *l, unsigned i, bool told)
{
	if (l->made[i])
		release_unchanged(n, l->inode[i], l->generation[i], told);
	l->made[i] = false;
}

void cni_leases_undo(const struct cni_node *n, struct cni_leases *l, bool told)
{
	for (unsigned i = 0; i < l->n; i++)
		cni_lease_undo(n, l, i, told);
}

static int release_one(struct cni_call *c, unsigned i, struct cni_error *e)
{
	const struct cni_node *n = &c->node;
	char name[NAME_MAX + 1];

	if (cni_lease_name(&c->env, i, name, e) < 0)
		return CNI_FAILED;
	if (is_ambiguous(&c->env, i) && !has_lease(&c->env, n, i, name))
		return cni_node_check(&c->conf, n, e);
	/* Late, it would hit the lease of whoever came with the same name since. */
	if (!c->wanted(c->arg))
		return cni_fail(e, CNI_TRY_AGAIN, "nobody waits any more");
	if (unlinkat(n->dir, name, 0) == 0)
		return 0;
	if (errno == ENOENT)
		return cni_node_check(&c->conf, n, e);
	return cni_fail_errno(e, cni_code_of(errno), errno, "lease %s can't be released", name);
}

/* The first one last: while it is there, whoever comes again finds the others. */
int cni_leases_release(struct cni_call *c, struct cni_error *e)
{
	struct cni_error too_long = { 0 };
	char name[NAME_MAX + 1];
	unsigned count = 1;
	int rc = 0;

	while (count < CNI_LEASES_MAX && cni_lease_name(&c->env, count, name, &too_long) == 0 && has_lease(&c->env, &c->node, count, name))
		count++;
	while (rc == 0 && count-- > 0)
		rc = release_one(c, count, e);
	return rc;
}
