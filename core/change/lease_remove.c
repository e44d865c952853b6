/* A lease is released. */
#include "change/lease_remove.h"

#include "change/lease_addr.h"
#include "change/shrink.h"
#include "engine/alarm.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "shared/publish.h"
#include "view/snapshot.h"

#include <errno.h>
#include <string.h>

static bool expired(const struct node *n, const struct lease *l, int64_t now)
{
	uint64_t ttl = node_setting(n, IPAM_TTL);

	if (l->dropped && l->ephemeral)
		return true;
	return ttl > 0 && engine_after(l->mtime, ttl) <= now;
}

static int remove_reserve(struct ipam *ipam, struct change *c)
{
	struct lease *l;
	struct node *n;
	uint32_t h;
	int rc = lease_find(ipam, c, &h);

	if (rc < 0)
		return rc;
	l = registry_lease(&ipam->registry, h);
	n = lease_node(&ipam->registry, l);
	if (l->busy || !enter_node(ipam, c, n))
		return CHANGE_DEFER;
	if ((c->generation != 0 && l->generation != c->generation) || (c->expiry && !expired(n, l, c->now)))
		rc = -ESTALE;
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (lease_has(l, f))
			rc = lease_note_release(ipam, c, l, f);
	if (rc == 0 && c->expiry && c->name == NULL)
		rc = (c->name = strdup(l->name)) == NULL ? -ENOMEM : 0; /* for the notice */
	if (rc < 0) {
		lease_drop_notes(ipam, c);
		leave_node(c);
		return rc;
	}
	l->busy = true;
	c->lease = h;
	c->id = l->id;
	c->parent = n->id;
	c->soft = l->ephemeral; /* should it come back, the next mount releases it */
	c->row.attr.btime = l->btime;
	if (c->expiry)
		c->reason = l->dropped && l->ephemeral ? "closed" : "expired";
	return 0;
}

static int remove_apply(struct ipam *ipam, struct change *c)
{
	int rc = lease_store_notes(ipam, c);

	if (rc == 0)
		rc = store_delete_lease(ipam->store, c->id);
	if (rc == 0)
		rc = history_add_lease(ipam, c,
				       &(struct history_event){ .event = "release", .reason = c->reason, .since = c->row.attr.btime });
	return rc;
}

static void remove_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node(c);
	if (c->error < 0) {
		l->busy = false;
		lease_drop_notes(ipam, c);
		if (c->expiry) {
			/* Not tried again at once: the disk is to get better first. */
			c->node->next_expiry = c->now + NANOSECONDS;
			timer_at(ipam, c->node->next_expiry);
		}
		return;
	}
	snapshot_remove(ipam, c->lease);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		u128 addr = lease_addr(l, f);

		if (!lease_has(l, f))
			continue;
		registry_unset_addr(&ipam->registry, c->lease, f);
		lease_let_go(ipam, c, f, addr);
	}
	registry_remove_lease(&ipam->registry, c->lease);
	publish_lease(ipam, c->node, c->id);
	shrink_lease(ipam, c->node);
	touch_attr(&c->node->attr, c->now);
}

const struct change_type change_lease_remove = {
	.reserve = remove_reserve, .apply = remove_apply, .settle = remove_settle, .several = true
};
