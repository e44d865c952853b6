#include "room.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

bool cni_cluster_has_block(const struct cni_node *n)
{
	int fd = openat(n->mount, n->cluster, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs st;
	bool none = fd >= 0 && fstatfs(fd, &st) == 0 && st.f_ffree == 0; /* of the scarcest family */

	if (fd >= 0)
		close(fd);
	return !none;
}

bool cni_node_may_grow(const struct cni_node *n)
{
	char settings[4096], value[64];
	unsigned have[CIDR_FAMILIES] = { 0 }, most;
	struct cni_error ignored = { 0 };
	struct cidr *block;
	int blocks;

	if (cni_read_at(n->dir, ".ipam/settings", settings, sizeof settings) < 0 || !cni_value(settings, "max-blocks", value, sizeof value))
		return false;
	blocks = cni_node_blocks(n, &block, &ignored);
	if (blocks < 0)
		return false;
	for (int i = 0; i < blocks; i++)
		have[block[i].family]++;
	free(block);
	most = have[CIDR_V4] > have[CIDR_V6] ? have[CIDR_V4] : have[CIDR_V6];
	return strtoul(value, NULL, 10) > most && cni_cluster_has_block(n);
}

/* ---- where the ranges lie ------------------------------------------------------------------------------------------- */

/* What ranges are compared with: the node's blocks and, where it may grow, its cluster's CIDRs. */
struct ground {
	struct cidr *block, *cidr;
	int blocks, cidrs;
};

static int ground_read(const struct cni_node *n, struct ground *g, struct cni_error *e)
{
	*g = (struct ground){ 0 };
	g->blocks = cni_node_blocks(n, &g->block, e);
	return g->blocks < 0 ? CNI_FAILED : 0;
}

/* Few have ranges outside their blocks, so that few ask whether the node may grow. */
static int ground_widen(const struct cni_node *n, struct ground *g, struct cni_error *e)
{
	char path[NAME_MAX + 32];

	if (!cni_node_may_grow(n))
		return 0;
	snprintf(path, sizeof path, "%s/.ipam/cidrs", n->cluster);
	free(g->cidr);
	g->cidrs = cni_cidrs_at(n->mount, path, &g->cidr, e);
	return g->cidrs < 0 ? CNI_FAILED : 0;
}

static void ground_free(struct ground *g)
{
	free(g->block);
	free(g->cidr);
}

static bool meets(const struct cni_range *r, const struct cidr *list, int n)
{
	struct cidr_range range = { r->first, r->last, r->subnet.family };

	for (int i = 0; i < n; i++) {
		struct cidr_range all = cidr_range_of(&list[i]);

		if (cidr_range_overlap(&range, &all))
			return true;
	}
	return false;
}

static int outside(const struct cni_range *r, const struct ground *g, const struct cni_node *n, struct cni_error *e)
{
	char text[CIDR_TEXT];

	cidr_print(&r->subnet, text);
	cni_fail(e, CNI_BAD_CONFIG, "the range of subnet %s is outside the blocks of node '%s'%s", text, n->name,
		 meets(r, g->cidr, g->cidrs) ? ", which may grow, but doesn't choose where; write a block of this range to its cidrs" : "");
	for (int i = 0; i < g->blocks; i++) {
		cidr_print(&g->block[i], text);
		if (strlen(e->details) + strlen(text) + 16 < sizeof e->details)
			sprintf(e->details + strlen(e->details), "%s%s", i > 0 ? ", " : "its blocks: ", text);
	}
	return CNI_FAILED;
}

static int check_set(const struct cni_set *s, const struct ground *g, const struct cni_node *n, struct cni_error *e)
{
	bool some = false;

	for (size_t i = 0; i < s->ranges; i++)
		some |= meets(&s->range[i], g->block, g->blocks);
	for (size_t i = 0; i < s->ranges; i++)
		if (!meets(&s->range[i], g->block, g->blocks) && !(some && meets(&s->range[i], g->cidr, g->cidrs)))
			return outside(&s->range[i], g, n, e);
	return 0;
}

static bool all_meet(const struct cni_conf *c, const struct ground *g)
{
	for (size_t i = 0; i < c->sets.sets; i++)
		for (size_t k = 0; k < c->sets.set[i].ranges; k++)
			if (!meets(&c->sets.set[i].range[k], g->block, g->blocks))
				return false;
	return true;
}

static int check_ranges(const struct cni_conf *c, const struct cni_node *n, struct ground *g, struct cni_error *e)
{
	int rc = ground_read(n, g, e);

	if (rc < 0 || all_meet(c, g))
		return rc;
	rc = ground_widen(n, g, e);
	for (size_t i = 0; rc == 0 && i < c->sets.sets; i++)
		rc = check_set(&c->sets.set[i], g, n, e);
	return rc;
}

int cni_ranges_check(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e)
{
	struct ground g;
	int rc;

	if (c->sets.sets == 0)
		return 0;
	rc = check_ranges(c, n, &g, e);
	ground_free(&g);
	return rc;
}

/* ---- what is left of them --------------------------------------------------------------------------------------------- */

/* Could the range be met by another block than the node has? */
static bool reaches_out(const struct cni_range *r, const struct ground *g)
{
	for (int i = 0; i < g->blocks; i++)
		if (cidr_has(&g->block[i], r->subnet.family, r->first) && cidr_has(&g->block[i], r->subnet.family, r->last))
			return false;
	return meets(r, g->cidr, g->cidrs);
}

/* How many addresses of the blocks a set may give; the blocks' gateways and what is held are counted with them. */
static u128 extent(const struct cni_set *s, const struct ground *g)
{
	u128 sum = 0;

	for (size_t i = 0; i < s->ranges; i++)
		for (int k = 0; k < g->blocks; k++) {
			const struct cni_range *r = &s->range[i];
			u128 first = g->block[k].base + 1, last = cidr_last(&g->block[k]) - (s->family == CIDR_V4);

			if (g->block[k].family != s->family || r->first > last || r->last < first)
				continue;
			first = r->first > first ? r->first : first;
			last = r->last < last ? r->last : last;
			sum += last - first + 1;
			sum -= r->gateway >= first && r->gateway <= last;
		}
	return sum;
}

/* Of a set's addresses those which stand in a file, or are the names of a directory's entries. */
static u128 count_words(const struct cni_set *s, char *text)
{
	u128 count = 0, addr;
	uint8_t family;
	char *word;

	while ((word = strsep(&text, " \n")) != NULL)
		count += cidr_parse_addr(word, strlen(word), &family, &addr) == 0 && cni_set_has(s, family, addr);
	return count;
}

static u128 count_entries(const struct cni_set *s, DIR *d)
{
	const struct dirent *entry;
	u128 count = 0, addr;
	uint8_t family;

	while ((entry = readdir(d)) != NULL)
		count += cidr_parse_addr(entry->d_name, strlen(entry->d_name), &family, &addr) == 0 && cni_set_has(s, family, addr);
	return count;
}

/* Do its leases, and the blocks' gateways, leave nothing of it? */
static bool is_full(const struct cni_set *s, const struct cni_node *n, u128 extent)
{
	int fd = openat(n->dir, ".ipam/by-ip", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char gateways[65536];
	u128 gone = 0;

	if (d == NULL)
		return false;
	gone = count_entries(s, d);
	closedir(d);
	if (cni_read_at(n->dir, ".ipam/gateway", gateways, sizeof gateways) > 0)
		gone += count_words(s, gateways);
	return gone >= extent;
}

int cni_ranges_have_room(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e)
{
	struct ground g;
	int rc;

	if (c->sets.sets == 0)
		return 0;
	rc = check_ranges(c, n, &g, e);
	if (rc == 0)
		rc = ground_widen(n, &g, e);
	for (size_t i = 0; rc == 0 && i < c->sets.sets; i++) {
		const struct cni_set *s = &c->sets.set[i];
		bool more = false;

		for (size_t k = 0; k < s->ranges; k++)
			more |= reaches_out(&s->range[k], &g);
		if (!more && is_full(s, n, extent(s, &g)))
			rc = cni_fail(e, CNI_NOT_AVAILABLE, "no address of the configured ranges is left on node '%s'", n->name);
	}
	ground_free(&g);
	return rc;
}
