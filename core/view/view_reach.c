/* What the owner of a cluster writes there may tell of leases in others' nodes, by being refused, or end them. */
#include "ipam.h"

#include "engine/engine.h"
#include "registry/registry.h"
#include "text/settings.h"
#include "text/text.h"
#include "view/view.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { SEES = 5, CHANGES = 3 };

/* Reserved already: it tells nothing, as nothing is leased of it. */
static bool is_old(const struct cluster *c, const struct cidr_range *r)
{
	for (size_t i = 0; i < c->reserveds; i++)
		if (c->reserved[i].range.family == r->family && c->reserved[i].range.first == r->first &&
		    c->reserved[i].range.last == r->last)
			return true;
	return false;
}

/* Into a block: what meets all of it is refused for the block's sake, which all may see. */
static bool cuts(const struct block *b, const struct ipam_reserved *r)
{
	struct cidr_range all = cidr_range_of(&b->pool.prefix);

	return !r->services && cidr_range_overlap(&all, &r->range) && (r->range.first > all.first || r->range.last < all.last);
}

static int check_ranges(const struct cluster *c, const char *text, size_t size, ipam_may *may, void *arg)
{
	struct ipam_reserved *range = NULL;
	size_t n = 0;
	int rc = text_ranges(text, size, &range, &n) < 0 ? 0 : 1;

	for (const struct node *node = rc == 0 ? NULL : c->first; rc > 0 && node != NULL; node = node->next) {
		bool into = false;

		for (uint32_t k = 0; k < node->blocks; k++)
			for (size_t i = 0; i < n; i++)
				into |= cuts(node->block[k], &range[i]) && !is_old(c, &range[i].range);
		if (into && !may(arg, &node->attr, SEES))
			rc = -EACCES;
	}
	free(range);
	return rc < 0 ? rc : 0;
}

static bool changes(const struct cluster *c, const struct settings *s, enum ipam_setting setting)
{
	return s->set & 1u << setting && settings_value(s, NULL, setting) != settings_value(&c->settings, NULL, setting);
}

static int check_settings(const struct cluster *c, const char *text, size_t size, ipam_may *may, void *arg)
{
	struct settings s;
	bool ttl, gateway;

	if (text_settings(text, size, &s) < 0)
		return 0;
	ttl = changes(c, &s, IPAM_TTL) && s.value[IPAM_TTL] > 0;
	gateway = changes(c, &s, IPAM_GATEWAY); /* refused where the address is leased */
	for (const struct node *n = c->first; n != NULL; n = n->next) {
		if (ttl && !(n->settings.set & 1u << IPAM_TTL) && !may(arg, &n->attr, CHANGES))
			return -EACCES;
		if (gateway && !(n->settings.set & 1u << IPAM_GATEWAY) && !may(arg, &n->attr, SEES))
			return -EACCES;
	}
	return 0;
}

int ipam_check_reach(struct ipam *ipam, enum ipam_text what, uint64_t cluster, const char *text, size_t size, ipam_may *may, void *arg)
{
	const struct cluster *c;
	int rc = 0;

	pthread_rwlock_rdlock(&ipam->lock);
	c = view_visible_cluster(ipam, cluster);
	if (c == NULL)
		rc = -ENOENT;
	else if (what == IPAM_CLUSTER_RESERVED)
		rc = check_ranges(c, text, size, may, arg);
	else if (what == IPAM_CLUSTER_SETTINGS)
		rc = check_settings(c, text, size, may, arg);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}
