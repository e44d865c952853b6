#include "fs/map/map_model.h"

#include "fs/map/map_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	PROBED = 65536, /* addresses of a block that are asked whether they rest */
	WINDOW = 8,     /* bits: of a larger block, those around the leases */
};

struct copying {
	struct fs *fs;
	struct map *map;
	size_t run_room, panel_room;
	size_t leases; /* of a node: runs that are leases, the first ones */
};

/* Room for another one, doubling. */
static void *another(void *list, size_t count, size_t *room, size_t size)
{
	size_t bigger = *room == 0 ? 64 : *room * 2;

	if (count < *room)
		return list;
	list = reallocarray(list, bigger, size);
	if (list != NULL)
		*room = bigger;
	return list;
}

static struct map_run *add_run(struct copying *c, unsigned family, u128 first, u128 last, enum map_state state)
{
	struct map *m = c->map;
	struct map_run *list = another(m->run, m->runs, &c->run_room, sizeof *list);

	if (list == NULL)
		return NULL;
	m->run = list;
	list += m->runs++;
	*list = (struct map_run){ .first = first, .last = last, .count = 1, .family = (uint8_t)family, .state = (uint8_t)state };
	return list;
}

static struct map_panel *add_panel(struct copying *c, const struct cidr *cidr, unsigned mask)
{
	struct map *m = c->map;
	struct map_panel *list = another(m->panel, m->panels, &c->panel_room, sizeof *list);

	if (list == NULL)
		return NULL;
	m->panel = list;
	list += m->panels++;
	*list = (struct map_panel){ .cidr = *cidr, .mask = (uint8_t)mask, .shift = (uint8_t)(cidr_bits(cidr->family) - mask) };
	return list;
}

/* Where it is in the text, behind which stands a NUL. */
static size_t add_text(struct copying *c, const char *s, size_t size)
{
	size_t at = c->map->text.size;

	buffer_add(&c->map->text, s, size);
	buffer_add(&c->map->text, "", 1);
	return at;
}

static int add_reserved(struct copying *c, const struct ipam_reserved *reserved, size_t n)
{
	c->map->reserved = calloc(n + 1, sizeof *c->map->reserved);
	if (c->map->reserved == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		c->map->reserved[i] = reserved[i].range;
	c->map->reserveds = n;
	return 0;
}

/* ---- a cluster -------------------------------------------------------------------------------------------- */

static int copy_node_numbers(void *arg, const struct ipam_node_view *v)
{
	struct map_numbers *n = arg;

	n->nodes++;
	n->leases += v->leases;
	return 0;
}

static int copy_delegated(void *arg, const struct ipam_block_view *v)
{
	struct copying *c = arg;
	struct map_run *r = add_run(c, v->cidr.family, v->cidr.base, cidr_last(&v->cidr), MAP_BLOCK);
	struct ipam_node_view node;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	rc = ipam_view_node(c->fs->ipam, v->node, &node);
	if (rc < 0)
		return rc;
	r->capacity = v->capacity;
	r->used = (uint64_t)v->used; /* no more than there are leases */
	r->resting = (uint64_t)v->resting;
	r->time = node.attr.btime;
	r->name = add_text(c, node.name, strlen(node.name));
	return 0;
}

static int copy_cluster(struct copying *c, uint64_t id)
{
	struct ipam *ipam = c->fs->ipam;
	struct ipam_cluster_view v;
	int rc = ipam_view_cluster(ipam, id, &v);

	if (rc < 0)
		return rc;
	add_text(c, v.name, strlen(v.name));
	c->map->since = v.attr.btime;
	rc = add_reserved(c, v.reserved_range, v.reserved);
	for (size_t i = 0; rc == 0 && i < v.cidrs; i++) {
		struct ipam_cidr_view cidr;
		struct map_panel *p;

		rc = ipam_view_cidr(ipam, id, i, &cidr);
		p = rc < 0 ? NULL : add_panel(c, &cidr.cidr, cidr.node_mask);
		if (p != NULL)
			p->blocks = cidr.blocks;
		else if (rc == 0)
			rc = -ENOMEM;
	}
	if (rc == 0)
		rc = ipam_each_node(ipam, id, copy_node_numbers, &c->map->numbers);
	if (rc == 0)
		rc = ipam_each_block(ipam, IPAM_CLUSTER, id, copy_delegated, c);
	return rc;
}

/* ---- a node ----------------------------------------------------------------------------------------------- */

static int copy_lease(void *arg, const struct ipam_lease_view *v)
{
	struct copying *c = arg;
	size_t name = add_text(c, v->name, strlen(v->name)), pod = 0, size = 0;
	const char *value = ipam_view_xattr(v, "pod", &size);

	if (value != NULL && size > 0)
		pod = add_text(c, value, size);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		struct map_run *r = v->has[f] ? add_run(c, f, v->addr[f], v->addr[f], MAP_LEASED) : NULL;

		if (!v->has[f])
			continue;
		if (r == NULL)
			return -ENOMEM;
		r->name = name;
		r->pod = pod;
		r->pod_size = (uint16_t)size;
		r->time = v->attr.btime;
		r->uid = v->attr.uid;
		r->used = 1;
	}
	return 0;
}

static int probe(struct copying *c, const struct ipam_block_view *v, u128 first, u128 last)
{
	for (u128 addr = first;; addr++) {
		if (ipam_block_state(c->fs->ipam, v, addr) == IPAM_SLOT_RESTING) {
			struct map_run *r = add_run(c, v->cidr.family, addr, addr, MAP_RESTING);

			if (r == NULL)
				return -ENOMEM;
			r->resting = 1;
		}
		if (addr == last)
			return 0;
	}
}

/* Nobody lists the resting addresses. In a large block they are looked for beside the leases, since addresses are given
 * in order; what isn't found is counted all the same. */
static int copy_resting(struct copying *c, const struct ipam_block_view *v)
{
	u128 base = v->cidr.base, last = cidr_last(&v->cidr), seen = U128_MAX;
	unsigned left = PROBED >> WINDOW;
	int rc = 0;

	if (last - base < PROBED)
		return probe(c, v, base, last);
	for (size_t i = 0; rc == 0 && left > 0 && i < c->leases; i++) {
		const struct map_run *r = &c->map->run[i];
		u128 window = r->first >> WINDOW;

		if (r->family != v->cidr.family || !cidr_has(&v->cidr, r->family, r->first) || window == seen)
			continue;
		seen = window;
		left--;
		rc = probe(c, v, window << WINDOW, (window << WINDOW) + ((1u << WINDOW) - 1));
	}
	if (rc == 0 && left == PROBED >> WINDOW)
		rc = probe(c, v, base, base + PROBED - 1);
	return rc;
}

/* An address that no reserved range and no lease tells of. */
static int copy_special(struct copying *c, const struct ipam_block_view *v, u128 addr)
{
	enum ipam_slot state = ipam_block_state(c->fs->ipam, v, addr);

	if (state != IPAM_SLOT_GATEWAY && state != IPAM_SLOT_RESERVED)
		return 0;
	return add_run(c, v->cidr.family, addr, addr, state == IPAM_SLOT_GATEWAY ? MAP_GATEWAY : MAP_RESERVED) == NULL ? -ENOMEM : 0;
}

static int copy_block(void *arg, const struct ipam_block_view *v)
{
	struct copying *c = arg;
	struct map_panel *p = add_panel(c, &v->cidr, cidr_bits(v->cidr.family));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->capacity = v->capacity;
	p->used = (uint64_t)v->used;
	p->resting = (uint64_t)v->resting;
	p->has_gateway = v->has_gateway;
	p->gateway = v->gateway;
	p->delegated = 1;
	rc = copy_special(c, v, v->cidr.base);
	if (rc == 0)
		rc = copy_special(c, v, cidr_last(&v->cidr));
	if (rc == 0 && v->has_gateway)
		rc = copy_special(c, v, v->gateway);
	if (rc == 0 && v->resting > 0)
		rc = copy_resting(c, v);
	return rc;
}

static int copy_node(struct copying *c, uint64_t id)
{
	struct ipam *ipam = c->fs->ipam;
	struct ipam_cluster_view cluster;
	struct ipam_node_view v;
	int rc = ipam_view_node(ipam, id, &v);

	if (rc == 0)
		rc = ipam_view_cluster(ipam, v.cluster, &cluster);
	if (rc < 0)
		return rc;
	add_text(c, v.name, strlen(v.name));
	add_text(c, cluster.name, strlen(cluster.name));
	c->map->since = v.attr.btime;
	c->map->numbers.nodes = 1;
	c->map->numbers.leases = v.leases;
	rc = add_reserved(c, cluster.reserved_range, cluster.reserved);
	if (rc == 0)
		rc = ipam_each_lease(ipam, IPAM_NODE, id, copy_lease, c);
	c->leases = c->map->runs;
	if (rc == 0)
		rc = ipam_each_block(ipam, IPAM_NODE, id, copy_block, c);
	return rc;
}

/* ---- both -------------------------------------------------------------------------------------------------- */

int map_make(struct fs *fs, enum ipam_kind kind, uint64_t id, struct map *out)
{
	struct copying c = { .fs = fs, .map = out };
	struct timespec now;
	int rc;

	*out = (struct map){ .kind = kind };
	buffer_add(&out->text, "", 1); /* an offset of 0 means none */
	ipam_read_begin(fs->ipam);
	rc = kind == IPAM_CLUSTER ? copy_cluster(&c, id) : copy_node(&c, id);
	ipam_read_end(fs->ipam);
	if (rc == 0 && out->text.failed)
		rc = -ENOMEM;
	if (rc < 0)
		return rc;
	clock_gettime(CLOCK_REALTIME, &now);
	out->now = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	out->name = out->text.data + 1;
	out->cluster = kind == IPAM_NODE ? out->name + strlen(out->name) + 1 : NULL;
	map_order(out);
	return 0;
}

void map_free(struct map *m)
{
	free(m->run);
	free(m->panel);
	free(m->reserved);
	free(m->text.data);
}
