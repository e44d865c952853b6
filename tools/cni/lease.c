/* The leases of one attachment: files in the node's directory. */
#include "cni.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int read_lease(int fd, struct cni_lease *l, struct cni_error *e)
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

static bool is_ours(int fd, const struct cni_env *env)
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
	ours = fd >= 0 && is_ours(fd, env);
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
		more = is_ours(fd, env);
		if (more)
			rc = read_lease(fd, &l->lease[l->n++], e);
		close(fd);
	}
	return rc;
}

/* ---- claiming ------------------------------------------------------------------------------------------------------- */

/* What the configuration wants of one lease, in one family. */
struct want {
	const struct cni_set *set;         /* NULL: any address */
	const struct cni_address *request; /* NULL: any of the set */
};

static void find_wants(const struct cni_conf *c, unsigned lease, struct want out[CIDR_FAMILIES])
{
	for (size_t i = 0; i < c->sets.sets; i++)
		if (c->sets.set[i].lease == lease)
			out[c->sets.set[i].family].set = &c->sets.set[i];
	for (size_t i = 0; i < c->requests; i++) {
		const struct cni_address *r = &c->requested[i];
		struct want *w = &out[r->family];

		if (c->sets.sets == 0 ? lease == 0 : w->set != NULL && cni_set_has(w->set, r->family, r->addr))
			w->request = r;
	}
}

static bool fits(const struct want want[CIDR_FAMILIES], const struct cni_lease *l)
{
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		const struct want *w = &want[f];

		if (w->request != NULL && (!l->has[f] || l->addr[f] != w->request->addr))
			return false;
		if (w->request == NULL && w->set != NULL && (!l->has[f] || !cni_set_has(w->set, (uint8_t)f, l->addr[f])))
			return false;
	}
	return true;
}

static void add_range(FILE *out, unsigned family, u128 first, u128 last)
{
	char a[CIDR_ADDR_TEXT], b[CIDR_ADDR_TEXT];

	if (first > last)
		return;
	cidr_print_addr(family, first, a);
	cidr_print_addr(family, last, b);
	fprintf(out, "%s-%s\n", a, b);
}

/* As the lease's file takes it: an address, or the alternatives without their gateways. */
static char *print_wants(const struct want want[CIDR_FAMILIES])
{
	char addr[CIDR_ADDR_TEXT], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned f = 0; out != NULL && f < CIDR_FAMILIES; f++) {
		const struct cni_set *s = want[f].set;

		if (want[f].request != NULL) {
			cidr_print_addr(f, want[f].request->addr, addr);
			fprintf(out, "%s\n", addr);
			continue;
		}
		for (size_t i = 0; s != NULL && i < s->ranges; i++) {
			const struct cni_range *r = &s->range[i];

			if (r->gateway >= r->first && r->gateway <= r->last) {
				if (r->gateway > r->first)
					add_range(out, f, r->first, r->gateway - 1);
				if (r->gateway < r->last)
					add_range(out, f, r->gateway + 1, r->last);
			} else {
				add_range(out, f, r->first, r->last);
			}
		}
	}
	if (out == NULL || fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int refused(int error, const struct want want[CIDR_FAMILIES], struct cni_error *e)
{
	bool request = want[CIDR_V4].request != NULL || want[CIDR_V6].request != NULL;

	if (error == EADDRINUSE)
		return cni_fail(e, CNI_ADDRESS_HELD, "the requested address is leased to another");
	if (error == EADDRNOTAVAIL && request)
		return cni_fail(e, CNI_ADDRESS_REFUSED, "the requested address can't be leased: it lies outside the node's blocks, "
							"or is a network's, a gateway's or reserved");
	if (error == ENOSPC)
		return cni_fail(e, CNI_NO_ADDRESS, "no address of the configured ranges is left");
	return cni_fail_errno(e, cni_code_of(error), error, "the lease's addresses can't be set");
}

/* An address that is held, or a range that is full, may be so for a moment alone: while another call, whose address it isn't to
 * be, still has it. */
static bool may_pass(int error)
{
	return error == EADDRINUSE || error == ENOSPC || error == ENOENT || error == ESTALE;
}

static int set_wants(int fd, const struct want want[CIDR_FAMILIES], struct cni_leases *all, bool *again, struct cni_error *e)
{
	struct cni_lease *l = &all->lease[all->n];
	char *text;
	ssize_t n;
	int rc;

	if (fits(want, l))
		return 0;
	text = print_wants(want);
	if (text == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	n = pwrite(fd, text, strlen(text), 0);
	*again = n < 0 && may_pass(errno);
	all->generation[all->n] += n >= 0;
	rc = n < 0 ? refused(errno, want, e) : read_lease(fd, l, e);
	if (rc == 0 && !fits(want, l))
		rc = cni_fail(e, CNI_IO, "the lease has other addresses than were asked for");
	free(text);
	return rc;
}

/* All at once, and durable before we answer, as the lease is from then on: a lease whose owner nobody knows couldn't be collected after a crash. */
static int set_attributes(int fd, const struct cni_conf *c, const struct cni_env *env, bool *again, struct cni_error *e)
{
	const struct {
		const char *name, *value;
	} list[] = {
		{ "container-id", env->container }, { "ifname", env->ifname }, { "netns", env->netns },
		{ "network", c->name },		    { "pod", env->pod },       { "pod-uid", env->pod_uid },
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
		*again = errno == ENOENT || errno == ESTALE;
		rc = cni_fail_errno(e, cni_code_of(errno), errno, "the lease's attributes can't be stored");
	}
	free(text);
	return rc;
}

static int create(const struct cni_conf *c, const struct cni_node *n, const char *name, bool *made, bool *again,
		  struct cni_error *e)
{
	char path[32 + NAME_MAX];
	int fd;

	/* Ephemeral until it has its attributes: what ends before that leaves nothing. */
	snprintf(path, sizeof path, ".ipam/ephemeral/%s", name);
	fd = openat(n->dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST) { /* asked again: the same answer */
		fd = openat(n->dir, name, O_RDWR | O_CLOEXEC);
		*again = fd < 0 && (errno == ENOENT || errno == ESTALE);
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

/* again: it failed for what was going on just then. */
static int try_claim(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, const char *name,
		     struct cni_leases *l, bool *again, struct cni_error *e)
{
	struct want want[CIDR_FAMILIES] = { { 0 } };
	unsigned i = l->n;
	struct stat st;
	bool complete;
	int fd, rc;

	find_wants(c, i, want);
	fd = create(c, n, name, &l->made[i], again, e);
	if (fd < 0)
		return CNI_FAILED;
	l->generation[i] = 1; /* as each lease begins; each change makes it one more */
	l->inode[i] = fstat(fd, &st) == 0 ? st.st_ino : 0;
	rc = !l->made[i] && !is_ours(fd, env) ?
		     cni_fail(e, CNI_BAD_ENVIRONMENT, "the lease's name %s, which CNI_CONTAINERID and CNI_IFNAME give, is that of another "
						      "container's interface", name) :
		     read_lease(fd, &l->lease[i], e);
	if (rc < 0)
		*again = !l->made[i] && e->code == CNI_TRY_AGAIN;
	/* One that was left half made, by a call that was killed, is finished now. */
	complete = !l->made[i] && fgetxattr(fd, "user.container-id", NULL, 0) > 0;
	if (rc == 0 && !complete)
		rc = set_wants(fd, want, l, again, e);
	if (rc == 0)
		rc = set_attributes(fd, c, env, again, e);
	l->generation[i] += rc == 0;
	close(fd);
	return rc;
}

static int claim_one(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l,
		     struct cni_error *e)
{
	enum { GOES = 12, PAUSE = 8000 /* microseconds, and up to twice that */ };
	char name[NAME_MAX + 1];
	int rc = cni_lease_name(env, l->n, name, e);
	bool again = rc == 0;

	for (int go = 0; again && go < GOES; go++) {
		if (go > 0)
			usleep(PAUSE + (unsigned)(getpid() + go) % 16 * (PAUSE / 16));
		*e = (struct cni_error){ 0 };
		again = false;
		rc = try_claim(c, env, n, name, l, &again, e);
	}
	l->n++;
	return rc;
}

/* A range in none of the node's blocks is a mistake of the configuration. */
static int check_ranges(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e)
{
	struct cidr block[1024];
	int blocks = c->sets.sets == 0 ? 0 : cni_node_blocks(n, block, 1024, e);

	if (blocks < 0)
		return CNI_FAILED;
	for (size_t i = 0; i < c->sets.sets; i++)
		for (size_t k = 0; k < c->sets.set[i].ranges; k++) {
			const struct cni_range *r = &c->sets.set[i].range[k];
			struct cidr_range range = { r->first, r->last, r->subnet.family };
			char text[CIDR_TEXT];
			bool inside = false;

			for (int b = 0; b < blocks; b++) {
				struct cidr_range all = cidr_range_of(&block[b]);

				inside |= cidr_range_overlap(&range, &all);
			}
			if (inside)
				continue;
			cidr_print(&r->subnet, text);
			cni_fail(e, CNI_BAD_CONFIG, "the range of subnet %s is outside the blocks of node '%s'", text, c->node);
			for (int b = 0; b < blocks; b++) {
				cidr_print(&block[b], text);
				if (strlen(e->details) + strlen(text) + 3 < sizeof e->details)
					sprintf(e->details + strlen(e->details), "%s%s", b > 0 ? ", " : "its blocks: ", text);
			}
			return CNI_FAILED;
		}
	return 0;
}

/* The one set that it can be of; NULL: none. */
static const struct cni_set *set_of(const struct cni_conf *c, const struct cni_address *r)
{
	for (size_t i = 0; i < c->sets.sets; i++)
		if (cni_set_has(&c->sets.set[i], r->family, r->addr))
			return &c->sets.set[i];
	return NULL;
}

/* Each requested address must have a place. */
static int check_requests(const struct cni_conf *c, struct cni_error *e)
{
	for (size_t i = 0; i < c->requests; i++) {
		const struct cni_address *r = &c->requested[i];
		char text[CIDR_ADDR_TEXT];

		cidr_print_addr(r->family, r->addr, text);
		if (c->sets.sets > 0 && set_of(c, r) == NULL)
			return cni_fail(e, CNI_ADDRESS_REFUSED, "the requested address %s is in none of the configured ranges", text);
		for (size_t k = 0; k < i; k++)
			if (c->requested[k].addr != r->addr && set_of(c, &c->requested[k]) == set_of(c, r) &&
			    c->requested[k].family == r->family)
				return cni_fail(e, CNI_BAD_CONFIG, "two addresses of one family are requested; configure a set of ranges for each");
	}
	return 0;
}

int cni_leases_claim(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l,
		     struct cni_error *e)
{
	unsigned wanted = 1;
	int rc;

	*l = (struct cni_leases){ 0 };
	for (size_t i = 0; i < c->sets.sets; i++)
		if (c->sets.set[i].lease + 1 > wanted)
			wanted = c->sets.set[i].lease + 1;
	rc = check_requests(c, e);
	if (rc == 0)
		rc = check_ranges(c, n, e);
	while (rc == 0 && l->n < wanted)
		rc = claim_one(c, env, n, l, e);
	if (rc < 0)
		cni_leases_undo(n, l);
	return rc;
}

/* ---- releasing ------------------------------------------------------------------------------------------------------ */

/* Unless it has changed: where the runtime gave up on us and asked again, the lease is the next call's by now. */
static void release_unchanged(const struct cni_node *n, uint64_t inode, unsigned generation)
{
	char line[48];
	int size = snprintf(line, sizeof line, "%" PRIu64 " %u\n", inode, generation);
	int fd = openat(n->dir, ".ipam/release", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, line, (size_t)size);
	close(fd);
}

void cni_leases_undo(const struct cni_node *n, struct cni_leases *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->made[i])
			release_unchanged(n, l->inode[i], l->generation[i]);
		l->made[i] = false;
	}
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

	while (count < CNI_LEASES_MAX && cni_lease_name(&c->env, count, name, &too_long) == 0 &&
	       has_lease(&c->env, &c->node, count, name))
		count++;
	while (rc == 0 && count-- > 0)
		rc = release_one(c, count, e);
	return rc;
}
