/* Numbers, and settings as they are in effect. */
#include "ipam.h"

#include "engine/engine.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "text/settings.h"
#include "view/view.h"

#include <errno.h>
#include <pthread.h>

static u128 add(u128 a, u128 b)
{
	return a > U128_MAX - b ? U128_MAX : a + b;
}

static void count_block(const struct block *b, struct ipam_family *out)
{
	out->addresses = add(out->addresses, pool_capacity(&b->pool));
	out->used = add(out->used, b->pool.used - b->resting);
	out->resting = add(out->resting, b->resting);
}

/* Of so many leases that there are addresses for. */
static u128 within_quota(const struct node *n, u128 free)
{
	uint64_t most = node_setting(n, IPAM_MAX_LEASES), left = most > n->leases ? most - n->leases : 0;

	return most > 0 && left < free ? left : free;
}

/* Of one node: its numbers are added to *out; *scarce is the family that decides. */
static void count_node(const struct node *n, struct ipam_stats *out, struct ipam_usage *scarce)
{
	struct ipam_usage family[CIDR_FAMILIES] = { 0 };
	bool has[CIDR_FAMILIES] = { false }, any = false;

	out->nodes++;
	out->leases += n->leases;
	for (uint32_t i = 0; i < n->blocks; i++) {
		const struct block *b = n->block[i];
		struct ipam_usage *u = &family[b->pool.prefix.family];

		has[b->pool.prefix.family] = true;
		count_block(b, &out->family[b->pool.prefix.family]);
		out->blocks_used++;
		out->addresses = add(out->addresses, pool_capacity(&b->pool));
		out->addresses_used = add(out->addresses_used, b->pool.used - b->resting);
		out->addresses_resting = add(out->addresses_resting, b->resting);
		u->total = add(u->total, pool_capacity(&b->pool));
		u->used = add(u->used, b->pool.used);
		u->free = add(u->free, pool_free(&b->pool));
	}
	*scarce = (struct ipam_usage){ 0 };
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (has[f] && (!any || family[f].free < scarce->free)) {
			*scarce = family[f];
			any = true;
		}
	out->leases_free = add(out->leases_free, within_quota(n, scarce->free));
}

static void count_cluster(const struct cluster *c, struct ipam_stats *out)
{
	struct ipam_usage family[CIDR_FAMILIES] = { 0 }, ignored;
	bool has[CIDR_FAMILIES] = { false }, any = false;

	for (size_t i = 0; i < c->cidrs; i++) {
		const struct pool *p = &c->cidr[i]->pool;
		struct ipam_usage *u = &family[p->prefix.family];

		has[p->prefix.family] = true;
		out->family[p->prefix.family].blocks = add(out->family[p->prefix.family].blocks, pool_capacity(p));
		out->family[p->prefix.family].blocks_used = add(out->family[p->prefix.family].blocks_used, p->used);
		out->blocks = add(out->blocks, pool_capacity(p));
		u->total = add(u->total, pool_capacity(p));
		u->used = add(u->used, p->used);
		u->free = add(u->free, pool_free(p));
	}
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (has[f] && (!any || family[f].free < out->usage.free)) {
			out->usage = family[f];
			any = true;
		}
	for (const struct node *n = c->first; n != NULL; n = n->next)
		if (!n->pending)
			count_node(n, out, &ignored);
}

static int count(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;

	if (n != NULL) {
		count_node(n, out, &out->usage);
		out->blocks = out->blocks_used;
	} else if (c != NULL) {
		out->clusters = 1;
		count_cluster(c, out);
	} else if (kind == IPAM_ROOT) {
		for (c = ipam->registry.first; c != NULL; c = c->next) {
			if (c->pending)
				continue;
			out->clusters++;
			count_cluster(c, out);
		}
		out->usage = (struct ipam_usage){ add(out->leases, out->leases_free), out->leases, out->leases_free };
	} else {
		return -ENOENT;
	}
	return 0;
}

int ipam_view_stats(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out)
{
	*out = (struct ipam_stats){ 0 };
	return count(ipam, kind, id, out);
}

int ipam_stats(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out)
{
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	rc = ipam_view_stats(ipam, kind, id, out);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_setting(struct ipam *ipam, enum ipam_kind kind, uint64_t id, enum ipam_setting setting, char out[32], bool *inherited)
{
	const struct cluster *c = kind == IPAM_CLUSTER ? view_visible_cluster(ipam, id) : NULL;
	const struct node *n = kind == IPAM_NODE ? view_visible_node(ipam, id) : NULL;
	const struct settings *own = c != NULL ? &c->settings : n != NULL ? &n->settings : NULL;

	if (own == NULL)
		return -ENOENT;
	*inherited = (own->set & 1u << setting) == 0;
	settings_print(setting, settings_value(own, n != NULL ? &n->cluster->settings : NULL, setting), out);
	return 0;
}
