/* The leases of one attachment: files in the node's directory. */
#include "cni.h"

#include <errno.h>
#include <fcntl.h>
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
		return cni_fail_errno(e, CNI_TRY_AGAIN, n < 0 ? errno : EIO, "the lease can't be read");
	text[n] = 0;
	parse_lease(text, l);
	n = fgetxattr(fd, "user.ipam.gateway", text, sizeof text - 1);
	if (n > 0) {
		text[n] = 0;
		parse_gateways(text, l);
	}
	return 0;
}

int cni_leases_read(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, struct cni_leases *l,
		    struct cni_error *e)
{
	char name[NAME_MAX + 1];
	int rc = 0;

	*l = (struct cni_leases){ 0 };
	while (rc == 0 && l->n < CNI_LEASES_MAX) {
		int fd;

		if (cni_lease_name(env, l->n, name, e) < 0)
			return CNI_FAILED;
		fd = openat(n->dir, name, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return l->n == 0 ? cni_node_check(c, n, e) : 0;
		if (fd < 0)
			return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "lease %s can't be opened", name);
		rc = read_lease(fd, &l->lease[l->n], e);
		close(fd);
		l->n++;
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
	return cni_fail_errno(e, CNI_IO, error, "the lease's addresses can't be set");
}

static int set_wants(int fd, const struct want want[CIDR_FAMILIES], struct cni_lease *l, struct cni_error *e)
{
	char *text;
	ssize_t n;
	int rc;

	if (fits(want, l))
		return 0;
	text = print_wants(want);
	if (text == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	n = pwrite(fd, text, strlen(text), 0);
	rc = n < 0 ? refused(errno, want, e) : read_lease(fd, l, e);
	if (rc == 0 && !fits(want, l))
		rc = cni_fail(e, CNI_IO, "the lease has other addresses than were asked for");
	free(text);
	return rc;
}

/* All at once, and durable before we answer, as the lease is from then on: a lease whose owner nobody knows couldn't be collected after a crash. */
static int set_attributes(int fd, const struct cni_conf *c, const struct cni_env *env, struct cni_error *e)
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
	else if (fsetxattr(fd, "user.ipam.attributes", text, size, 0) < 0)
		rc = cni_fail_errno(e, CNI_IO, errno, "the lease's attributes can't be stored");
	free(text);
	return rc;
}

static int create(const struct cni_conf *c, const struct cni_node *n, const char *name, bool *made, struct cni_error *e)
{
	char path[32 + NAME_MAX];
	int fd;

	/* Ephemeral until it has its attributes: what ends before that leaves nothing. */
	snprintf(path, sizeof path, ".ipam/ephemeral/%s", name);
	fd = openat(n->dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST) /* asked again: the same answer */
		fd = openat(n->dir, name, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOSPC)
		return cni_fail(e, CNI_NO_ADDRESS, "no address is left in the node's blocks");
	if (errno == EDQUOT)
		return cni_fail(e, CNI_NO_ADDRESS, "the node holds as many leases as its max-leases allows");
	fd = errno;
	if (fd == ENOENT && cni_node_check(c, n, e) < 0)
		return CNI_FAILED;
	return cni_fail_errno(e, fd == ENOENT || fd == ESTALE ? CNI_TRY_AGAIN : CNI_IO, fd, "lease %s can't be made", name);
}

static int claim_one(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l,
		     struct cni_error *e)
{
	struct want want[CIDR_FAMILIES] = { { 0 } };
	char name[NAME_MAX + 1];
	bool complete;
	int fd, rc = cni_lease_name(env, l->n, name, e);

	if (rc < 0)
		return rc;
	find_wants(c, l->n, want);
	fd = create(c, n, name, &l->made[l->n], e);
	if (fd < 0)
		return CNI_FAILED;
	rc = read_lease(fd, &l->lease[l->n], e);
	/* One that was left half made, by a call that was killed, is finished now. */
	complete = !l->made[l->n] && fgetxattr(fd, "user.container-id", NULL, 0) > 0;
	if (rc == 0 && !complete)
		rc = set_wants(fd, want, &l->lease[l->n], e);
	if (rc == 0)
		rc = set_attributes(fd, c, env, e);
	close(fd);
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

/* Each requested address must have a place. */
static int check_requests(const struct cni_conf *c, struct cni_error *e)
{
	for (size_t i = 0; i < c->requests; i++) {
		const struct cni_address *r = &c->requested[i];
		char text[CIDR_ADDR_TEXT];
		bool placed = c->sets.sets == 0;

		for (size_t k = 0; !placed && k < c->sets.sets; k++)
			placed = cni_set_has(&c->sets.set[k], r->family, r->addr);
		cidr_print_addr(r->family, r->addr, text);
		if (!placed)
			return cni_fail(e, CNI_ADDRESS_REFUSED, "the requested address %s is in none of the configured ranges", text);
		for (size_t k = 0; k < i; k++)
			if (c->sets.sets == 0 && c->requested[k].family == r->family && c->requested[k].addr != r->addr)
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
		cni_leases_undo(env, n, l);
	return rc;
}

/* ---- releasing ------------------------------------------------------------------------------------------------------ */

void cni_leases_undo(const struct cni_env *env, const struct cni_node *n, struct cni_leases *l)
{
	struct cni_error ignored = { 0 };
	char name[NAME_MAX + 1];

	for (unsigned i = 0; i < l->n; i++) {
		if (l->made[i] && cni_lease_name(env, i, name, &ignored) == 0)
			unlinkat(n->dir, name, 0);
		l->made[i] = false;
	}
}

int cni_leases_release(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, struct cni_error *e)
{
	char name[NAME_MAX + 1];

	/* The first one last: while it is there, whoever comes again finds the others. */
	unsigned count = 1;

	for (; count < CNI_LEASES_MAX; count++)
		if (cni_lease_name(env, count, name, e) < 0 || faccessat(n->dir, name, F_OK, 0) < 0)
			break;
	if (e->code != 0)
		return CNI_FAILED;
	while (count-- > 0) {
		if (cni_lease_name(env, count, name, e) < 0)
			return CNI_FAILED;
		if (unlinkat(n->dir, name, 0) == 0)
			continue;
		if (errno == ENOENT && cni_node_check(c, n, e) < 0)
			return CNI_FAILED;
		if (errno != ENOENT && e->code == 0)
			return cni_fail_errno(e, errno == ENOTCONN || errno == ESHUTDOWN ? CNI_TRY_AGAIN : CNI_IO, errno,
					      "lease %s can't be released", name);
	}
	return 0;
}
