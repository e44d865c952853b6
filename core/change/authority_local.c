#include "change/authority_local.h"

#include "engine/cooldown.h"
#include "engine/engine.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "text/settings.h"

#include <errno.h>

/* The block of a slot that is claimed already. */
static int make_block(struct ipam *ipam, struct node *n, struct cluster_cidr *from, u128 slot, struct block **out)
{
	struct cidr cidr = pool_cidr(&from->pool, slot);
	bool gateway = node_setting(n, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST;
	struct block *b = NULL;
	int rc = block_new(n, engine_id(ipam), from, &cidr, &b);

	if (rc == 0)
		rc = block_exclude(b, gateway, n->cluster->reserved, n->cluster->reserveds);
	if (rc == 0)
		rc = rest_apply(ipam, b);
	if (rc < 0) {
		block_free(b);
		return rc;
	}
	b->pending = true;
	*out = b;
	return 0;
}

/* The next slot whose block has a gateway that may be one. A cycle through what is free has come to its end where it comes again to
 * the first that was passed over. */
static int claim(const struct node *n, struct cluster_cidr *from, u128 *slot)
{
	bool gateway = node_setting(n, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST, passed = false;
	u128 first = 0;

	for (;;) {
		struct cidr cidr;
		int rc = pool_claim_next(&from->pool, slot);

		if (rc < 0)
			return rc;
		cidr = pool_cidr(&from->pool, *slot);
		if (!gateway || !cluster_reserves_gateway(n->cluster, &cidr))
			return 0;
		pool_release(&from->pool, *slot);
		if (passed && *slot == first)
			return -ENOSPC;
		if (!passed)
			first = *slot;
		passed = true;
	}
}

static int local_next(struct ipam *ipam, struct node *n, unsigned family, struct block **out)
{
	struct cluster_cidr *from = cluster_cidr_for(n->cluster->choice, family, n->labels);
	int rc = -ENOSPC;

	for (; from != NULL && rc == -ENOSPC; from = cluster_cidr_for(from->next, family, n->labels)) {
		u128 slot;

		rc = claim(n, from, &slot);
		if (rc < 0)
			continue;
		rc = make_block(ipam, n, from, slot, out);
		if (rc == 0 && (rc = node_add_block(n, *out)) < 0)
			block_free(*out);
		if (rc < 0)
			pool_release(&from->pool, slot);
	}
	return rc;
}

/* restored: somebody has delegated it already, whatever is reserved. */
static int take_this(struct ipam *ipam, struct node *n, const struct cidr *cidr, bool restored, struct block **out)
{
	struct cluster_cidr *from = cluster_cidr_of(n->cluster, cidr);
	u128 slot;
	int rc;

	if (from == NULL || from->node_mask != cidr->len)
		return -EADDRNOTAVAIL;
	rc = pool_slot(&from->pool, cidr->base, &slot);
	if (rc == 0)
		rc = restored ? pool_restore(&from->pool, slot) : pool_claim(&from->pool, slot);
	if (rc < 0)
		return rc;
	rc = make_block(ipam, n, from, slot, out);
	if (rc < 0)
		pool_release(&from->pool, slot);
	return rc;
}

static int delegate_local_this(struct ipam *ipam, struct node *n, const struct cidr *cidr, struct block **out)
{
	return take_this(ipam, n, cidr, false, out);
}

int delegate_restore_this(struct ipam *ipam, struct node *n, const struct cidr *cidr, struct block **out)
{
	return take_this(ipam, n, cidr, true, out);
}

void delegate_local_back(struct ipam *ipam, struct block *b)
{
	u128 slot;

	engine_must(ipam, pool_slot(&b->from->pool, b->pool.prefix.base, &slot), "a block outside its CIDR");
	pool_release(&b->from->pool, slot);
	block_free(b);
}

const struct delegate delegate_local = {
	.name = "local",
	.next = local_next,
	.this = delegate_local_this,
	.back = delegate_local_back,
};
