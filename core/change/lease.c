/* A lease is made. */
#include "change/lease.h"

#include "change/lease_addr.h"
#include "change/shrink.h"
#include "engine/alarm.h"
#include "engine/authority.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "shared/publish.h"
#include "shared/remote.h"
#include "text/text.h"
#include "view/snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* The next free address of a family: the node's blocks in turn, from the one that gave last. */
static int claim_next(struct ipam *ipam, struct change *c, unsigned family, struct block **out, u128 *slot)
{
	struct node *n = c->node;
	uint32_t have = 0, start;
	int rc = -ENOSPC;

	node_given_last(n, family, &start);
	for (uint32_t i = 0; i < n->blocks; i++)
		have += n->block[i]->pool.prefix.family == family;
	for (uint32_t i = 0; i < n->blocks && rc == -ENOSPC; i++) {
		*out = n->block[(start + i) % n->blocks];
		if ((*out)->pool.prefix.family == family && !(*out)->pending)
			rc = pool_claim_next(&(*out)->pool, slot);
	}
	if (rc != -ENOSPC || have == 0)
		return rc;
	if (n->growing)
		return CHANGE_DEFER;
	if (have >= node_setting(n, IPAM_MAX_BLOCKS))
		return -ENOSPC;
	rc = ipam->delegate->next(ipam, n, family, out);
	if (rc != 0)
		return rc;
	c->grown[family] = *out;
	return pool_claim_next(&(*out)->pool, slot);
}

static bool node_has_family(const struct node *n, unsigned family)
{
	for (uint32_t i = 0; i < n->blocks; i++)
		if (n->block[i]->pool.prefix.family == family)
			return true;
	return false;
}

static int claim_addr(struct ipam *ipam, struct change *c, unsigned family, const u128 *wanted)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);
	struct block *b;
	u128 slot;
	int rc;

	if (wanted != NULL)
		rc = lease_claim_this(c, family, *wanted, &b, &slot);
	else
		rc = claim_next(ipam, c, family, &b, &slot);
	if (rc != 0)
		return rc;
	rc = registry_set_addr(&ipam->registry, c->lease, family, b->pool.prefix.base + slot);
	if (rc < 0) {
		pool_release(&b->pool, slot);
		return rc;
	}
	lease_gave(ipam, c, b, l, slot);
	return 0;
}

int lease_begin(struct ipam *ipam, struct change *c, const char *name, uint32_t *out)
{
	struct lease *l;
	int rc = registry_add_lease(&ipam->registry, c->node, engine_id(ipam), name, out);

	if (rc < 0)
		return rc;
	l = registry_lease(&ipam->registry, *out);
	l->pending = l->busy = true;
	l->uid = c->owner.uid;
	l->gid = owner_in(&c->node->attr, c->owner, false).gid;
	l->mode = (uint16_t)(c->owner.mode & 07777);
	l->atime = l->mtime = l->ctime = l->btime = c->now;
	l->generation = 1;
	l->boot = ipam->boot;
	return 0;
}

void lease_unbegin(struct ipam *ipam, uint32_t handle)
{
	struct lease *l = registry_lease(&ipam->registry, handle);

	snapshot_remove(ipam, handle);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		u128 addr = lease_addr(l, f);
		struct block *b;

		if (!lease_has(l, f))
			continue;
		b = node_block_of(lease_node(&ipam->registry, l), f, addr);
		registry_unset_addr(&ipam->registry, handle, f);
		pool_release(&b->pool, addr - b->pool.prefix.base);
	}
	registry_remove_lease(&ipam->registry, handle);
}

static void unmake(struct ipam *ipam, struct change *c)
{
	lease_unbegin(ipam, c->lease);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (c->grown[f] != NULL) {
			node_take_block(c->node, c->grown[f]);
			ipam->delegate->back(ipam, c->grown[f]);
			c->grown[f] = NULL;
			c->node->growing = false;
		}
}

static int make_claims(struct ipam *ipam, struct change *c)
{
	uint8_t family = 0;
	u128 addr = 0;
	bool named = text_is_address(c->name, &family, &addr);
	int rc = -ENOSPC;

	if (c->alone && !named)
		return -EINVAL;
	if (named && !node_has_family(c->node, family))
		return -EADDRNOTAVAIL;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		if (!node_has_family(c->node, f) || (c->alone && f != family))
			continue;
		rc = claim_addr(ipam, c, f, named && family == f ? &addr : NULL);
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* An existing name decides, but for what is in flight on it. */
static int make_existing(struct ipam *ipam, struct change *c, uint32_t held)
{
	struct lease *l = registry_lease(&ipam->registry, held);

	if (l->busy || l->dropped) /* the timer is about to release that one */
		return CHANGE_DEFER;
	if (c->exclusive || (c->ephemeral && !l->ephemeral))
		return -EEXIST;
	object_of_lease(&ipam->registry, l, &c->object);
	c->has_object = true;
	return CHANGE_DONE;
}

static int make_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->parent);
	uint64_t max_leases;
	struct lease *l;
	uint32_t held;
	int rc = ipam_check_name(IPAM_LEASE, c->name);

	if (rc < 0)
		return rc;
	if (n == NULL || n->pending)
		return -ENOENT;
	held = registry_lease_named(&ipam->registry, n, c->name);
	if (held != 0)
		return make_existing(ipam, c, held);
	rc = may_lease(c, n);
	if (rc != 0)
		return rc;
	if (!enter_node(ipam, c, n))
		return CHANGE_DEFER;
	max_leases = node_setting(n, IPAM_MAX_LEASES);
	if (max_leases > 0 && n->leases >= max_leases) {
		leave_node(c);
		return -EDQUOT;
	}
	rc = lease_begin(ipam, c, c->name, &c->lease);
	if (rc < 0) {
		leave_node(c);
		return rc;
	}
	l = registry_lease(&ipam->registry, c->lease);
	l->ephemeral = c->ephemeral;
	rc = make_claims(ipam, c);
	if (rc != 0) {
		unmake(ipam, c);
		leave_node(c);
		return rc;
	}
	n->growing |= c->grown[CIDR_V4] != NULL || c->grown[CIDR_V6] != NULL;
	lease_row(ipam, c, l, c->name, &c->row);
	/* Its holder doesn't outlive what it would be lost in, unless a change that is durable keeps it. */
	c->soft = c->ephemeral && c->grown[CIDR_V4] == NULL && c->grown[CIDR_V6] == NULL;
	return 0;
}

static int make_apply(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (c->grown[f] != NULL)
			rc = store_add_block(ipam->store, c->grown[f]->id, c->row.cluster, c->row.node, &c->grown[f]->pool.prefix);
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (c->grown[f] != NULL)
			rc = history_add_block(ipam, c, "delegate", "growth", c->grown[f]);
	if (rc == 0)
		rc = store_add_lease(ipam->store, &c->row);
	if (rc == 0)
		rc = history_add_lease(ipam, c, &(struct history_event){ .event = "allocate" });
	return rc;
}

static void make_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node(c);
	if (c->error < 0) {
		unmake(ipam, c);
		return;
	}
	snapshot_appear(ipam, c->lease);
	l->pending = l->busy = false;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (c->grown[f] != NULL) {
			c->grown[f]->pending = false;
			c->node->growing = false;
		}
	touch_attr(&c->node->attr, c->now);
	timer_lease(ipam, c->node, l);
	publish_lease(ipam, c->node, l->id);
	if (ipam->remote != NULL)
		remote_grow_early(ipam, c->node);
	shrink_lease(ipam, c->node);
	object_of_lease(&ipam->registry, l, &c->object);
	c->object.created = c->has_object = true;
}

const struct change_type change_lease_make = {
	.reserve = make_reserve, .apply = make_apply, .settle = make_settle, .several = true, .yields = true
};
