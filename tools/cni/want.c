/* Which addresses the configuration wants of a lease, and asking the mount for them. */
#include "want.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cni_wants_find(const struct cni_conf *c, unsigned lease, struct cni_want out[CIDR_FAMILIES])
{
	for (size_t i = 0; i < c->sets.sets; i++)
		if (c->sets.set[i].lease == lease)
			out[c->sets.set[i].family].set = &c->sets.set[i];
	for (size_t i = 0; i < c->requests; i++) {
		const struct cni_address *r = &c->requested[i];
		struct cni_want *w = &out[r->family];

		if (c->sets.sets == 0 ? lease == 0 : w->set != NULL && cni_set_has(w->set, r->family, r->addr))
			w->request = r;
	}
}

/* fresh: the address is what came with the making of the lease, which says nothing about the order of the alternatives; of the first
 * of them it will do. */
static bool fits(const struct cni_want want[CIDR_FAMILIES], const struct cni_lease *l, bool fresh)
{
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		const struct cni_want *w = &want[f];
		struct cni_set set;

		if (w->request != NULL && (!l->has[f] || l->addr[f] != w->request->addr))
			return false;
		if (w->request != NULL || w->set == NULL)
			continue;
		set = *w->set;
		if (fresh)
			set.ranges = 1;
		if (!l->has[f] || !cni_set_has(&set, (uint8_t)f, l->addr[f]))
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
static char *print_wants(const struct cni_want want[CIDR_FAMILIES])
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

static int refused(int error, const struct cni_want want[CIDR_FAMILIES], struct cni_error *e)
{
	bool request = want[CIDR_V4].request != NULL || want[CIDR_V6].request != NULL;

	if (error == EADDRINUSE)
		return cni_fail(e, CNI_ADDRESS_HELD, "the requested address is leased to another, or rests since its release");
	if (error == EADDRNOTAVAIL && request)
		return cni_fail(e, CNI_ADDRESS_REFUSED,
				"the requested address can't be leased: it lies outside the node's blocks, "
				"or is a network's, a gateway's or reserved");
	if (error == ENOSPC)
		return cni_fail(e, CNI_NO_ADDRESS, "no address of the configured ranges is left");
	return cni_fail_errno(e, cni_code_of(error), error, "the lease's addresses can't be set");
}

/* Leases are ephemeral until they have the addresses that they are to have. */
static bool is_passing(const struct cni_node *n, const char *name)
{
	char path[32 + NAME_MAX];

	snprintf(path, sizeof path, ".ipam/ephemeral/%s", name);
	return faccessat(n->dir, path, F_OK, 0) == 0;
}

/* How often to ask for an address that is held; if nobody holds it, it may just have been let go, but rather it rests. */
static int goes_for(const struct cni_node *n, const struct cni_address *a)
{
	char path[32 + CIDR_ADDR_TEXT] = ".ipam/by-ip/", lease[64 + 2 * NAME_MAX];
	const char *name;
	ssize_t size;

	cidr_print_addr(a->family, a->addr, path + strlen(path));
	size = readlinkat(n->dir, path, lease, sizeof lease - 1);
	lease[size < 0 ? 0 : size] = 0;
	name = strrchr(lease, '/');
	if (name == NULL)
		return CNI_GOES_BLIND;
	return is_passing(n, name + 1) ? CNI_GOES : 0;
}

static bool has_passing(const struct cni_node *n)
{
	int fd = openat(n->dir, ".ipam/ephemeral", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool found = false;

	while (d != NULL && !found && (entry = readdir(d)) != NULL)
		found = entry->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return found;
}

/* An address that is held, or a range that is full, may be so for a moment alone: while another call has it whose address it
 * isn't to be. How many goes that is worth; what is held for good isn't asked for again. */
static int goes_after(int error, const struct cni_node *n, const struct cni_want want[CIDR_FAMILIES])
{
	int goes = error == EADDRINUSE ? CNI_GOES : 0;

	if (error == ENOENT || error == ESTALE || (error == ENOSPC && has_passing(n)))
		return CNI_GOES;
	for (unsigned f = 0; goes > 0 && f < CIDR_FAMILIES; f++)
		if (want[f].request != NULL) {
			int most = goes_for(n, want[f].request);

			goes = most < goes ? most : goes;
		}
	return goes;
}

int cni_wants_set(const struct cni_node *n, int fd, const struct cni_want want[CIDR_FAMILIES], struct cni_leases *all, int *goes,
		  struct cni_error *e)
{
	struct cni_lease *l = &all->lease[all->n];
	int rc, error;
	char *text;

	if (fits(want, l, all->made[all->n]))
		return 0;
	text = print_wants(want);
	if (text == NULL)
		return cni_fail(e, CNI_IO, "out of memory");
	error = pwrite(fd, text, strlen(text), 0) < 0 ? errno : 0;
	*goes = error != 0 ? goes_after(error, n, want) : 0;
	all->generation[all->n] += error == 0;
	rc = error != 0 ? refused(error, want, e) : cni_lease_read(fd, l, e);
	if (rc == 0 && !fits(want, l, false))
		rc = cni_fail(e, CNI_IO, "the lease has other addresses than were asked for");
	free(text);
	return rc;
}

/* ---- before anything is asked for ------------------------------------------------------------------------------------- */

/* The one set that it can be of; NULL: none. */
static const struct cni_set *set_of(const struct cni_conf *c, const struct cni_address *r)
{
	for (size_t i = 0; i < c->sets.sets; i++)
		if (cni_set_has(&c->sets.set[i], r->family, r->addr))
			return &c->sets.set[i];
	return NULL;
}

int cni_requests_check(const struct cni_conf *c, struct cni_error *e)
{
	for (size_t i = 0; i < c->requests; i++) {
		const struct cni_address *r = &c->requested[i];
		char text[CIDR_ADDR_TEXT];

		cidr_print_addr(r->family, r->addr, text);
		if (c->sets.sets > 0 && set_of(c, r) == NULL)
			return cni_fail_more(e, CNI_ADDRESS_REFUSED, "it is in none of the configured ranges",
					     "failed to allocate all requested IPs: %s", text);
		for (size_t k = 0; k < i; k++)
			if (c->requested[k].addr != r->addr && set_of(c, &c->requested[k]) == set_of(c, r) &&
			    c->requested[k].family == r->family)
				return cni_fail_more(e, CNI_BAD_CONFIG,
						     "two addresses of one family are requested; configure a set of ranges for each",
						     "failed to allocate all requested IPs: %s", text);
	}
	return 0;
}
