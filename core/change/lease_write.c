/* A lease gets other addresses. */
#include "change/lease_write.h"

#include "base/index.h"
#include "change/lease_addr.h"
#include "engine/alarm.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "shared/publish.h"
#include "text/text.h"
#include "view/snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* The lease will have this slot, which is claimed. */
static int write_take(struct ipam *ipam, struct change *c, const struct lease *l, struct block *b, u128 slot)
{
	unsigned family = b->pool.prefix.family;

	c->row.has[family] = true;
	c->row.addr[family] = b->pool.prefix.base + slot;
	lease_gave(ipam, c, b, l, slot);
	return lease_has(l, family) ? lease_note_release(ipam, c, l, family) : 0;
}

/* Claims what is new; c->row gets all addresses, as they will be. */
static int write_claim(struct ipam *ipam, struct change *c, const struct lease *l, unsigned family, const struct text_lease *text)
{
	u128 addr = text->addr[family], slot;
	struct block *b = node_block_of(c->node, family, addr);
	int rc;

	if (b == NULL)
		return -EADDRNOTAVAIL;
	if (text->len[family] != b->pool.prefix.len && text->len[family] != cidr_bits(family))
		return -EINVAL;
	if (lease_has(l, family) && lease_addr(l, family) == addr)
		return 0;
	rc = lease_claim_this(c, family, addr, &b, &slot);
	return rc < 0 ? rc : write_take(ipam, c, l, b, slot);
}

static bool lies_in(const struct lease *l, const struct cidr_range *r)
{
	return lease_has(l, r->family) && lease_addr(l, r->family) >= r->first && lease_addr(l, r->family) <= r->last;
}

/* The next free address of the alternatives for a family, in their order. One that the lease has will do, wherever it lies; but one
 * that it only got by being made is as free as the others. */
static int write_choose(struct ipam *ipam, struct change *c, struct lease *l, unsigned family, const struct text_lease *text)
{
	int rc = -EADDRNOTAVAIL;

	for (size_t i = 0; !c->unused && i < text->ranges; i++)
		if (text->range[i].family == family && lies_in(l, &text->range[i]))
			return 0;
	for (size_t i = 0; i < text->ranges; i++) {
		const struct cidr_range *r = &text->range[i];

		if (r->family == family && lies_in(l, r))
			return 0;
		for (uint32_t k = 0; r->family == family && k < c->node->blocks; k++) {
			struct block *b = c->node->block[k];
			struct cidr_range all = cidr_range_of(&b->pool.prefix);
			u128 slot;

			if (b->pending || !cidr_range_overlap(r, &all))
				continue;
			rc = pool_claim_between(&b->pool, r->first > all.first ? r->first - all.first : 0,
						(r->last < all.last ? r->last : all.last) - all.first, &slot);
			if (rc == -ENOSPC)
				continue;
			return rc < 0 ? rc : write_take(ipam, c, l, b, slot);
		}
	}
	return rc;
}

static bool has_range(const struct text_lease *text, unsigned family)
{
	for (size_t i = 0; i < text->ranges; i++)
		if (text->range[i].family == family)
			return true;
	return false;
}

/* The slots that c->row has and the lease hasn't. */
static void write_unclaim(struct change *c, const struct lease *l)
{
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		struct block *b;

		if (!c->row.has[f] || (lease_has(l, f) && lease_addr(l, f) == c->row.addr[f]))
			continue;
		b = node_block_of(c->node, f, c->row.addr[f]);
		pool_release(&b->pool, c->row.addr[f] - b->pool.prefix.base);
	}
}

static int write_reserve(struct ipam *ipam, struct change *c)
{
	struct text_lease text;
	struct lease *l;
	uint32_t h;
	int rc = text_lease(c->text, c->size, &text);

	if (rc < 0)
		return rc;
	rc = lease_find(ipam, c, &h);
	if (rc < 0)
		goto out;
	l = registry_lease(&ipam->registry, h);
	rc = may_lease(c, lease_node(&ipam->registry, l));
	if (rc != 0)
		goto out;
	if (l->busy || !enter_node(ipam, c, lease_node(&ipam->registry, l))) {
		rc = CHANGE_DEFER;
		goto out;
	}
	c->lease = h;
	lease_row(ipam, c, l, NULL, &c->row);
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (text.has[f])
			rc = write_claim(ipam, c, l, f, &text);
		else if (has_range(&text, f))
			rc = write_choose(ipam, c, l, f, &text);
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		rc = index_reserve(&c->cluster->by_addr[f], 1);
	if (rc < 0) {
		write_unclaim(c, l);
		lease_drop_notes(ipam, c);
		leave_node(c);
		goto out;
	}
	c->row.attr.mtime = c->row.attr.ctime = c->now;
	c->row.generation++;
	l->busy = true;
out:
	free(text.range);
	return rc;
}

/* In the history an address is held from its allocation to its release, so a write that replaces is both. */
static int write_record(struct ipam *ipam, struct change *c)
{
	struct history_event old = { .event = "release", .reason = "write", .since = c->row.attr.btime };
	struct history_event new = { .event = "allocate", .reason = "write" };
	const struct lease *l;
	int rc = 0;

	pthread_rwlock_rdlock(&ipam->lock);
	l = registry_lease(&ipam->registry, c->lease);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		old.addr[f] = lease_addr(l, f);
		new.addr[f] = c->row.addr[f];
		new.has[f] = c->row.has[f] && (!lease_has(l, f) || old.addr[f] != new.addr[f]);
		old.has[f] = new.has[f] && lease_has(l, f);
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (old.has[CIDR_V4] || old.has[CIDR_V6])
		rc = history_add_lease(ipam, c, &old);
	if (rc == 0 && (new.has[CIDR_V4] || new.has[CIDR_V6]))
		rc = history_add_lease(ipam, c, &new);
	return rc;
}

static int write_apply(struct ipam *ipam, struct change *c)
{
	int rc = lease_store_notes(ipam, c);

	if (rc == 0)
		rc = store_put_lease(ipam->store, &c->row);
	return rc < 0 ? rc : write_record(ipam, c);
}

static void write_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node(c);
	l->busy = false;
	if (c->error < 0) {
		write_unclaim(c, l);
		lease_drop_notes(ipam, c);
		return;
	}
	snapshot_keep(ipam, c->lease);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		u128 old = lease_addr(l, f);
		bool had = lease_has(l, f);

		if (!c->row.has[f] || (had && old == c->row.addr[f]))
			continue;
		registry_unset_addr(&ipam->registry, c->lease, f);
		if (had)
			lease_let_go(ipam, c, f, old);
		engine_must(ipam, registry_set_addr(&ipam->registry, c->lease, f, c->row.addr[f]), "writing a lease");
	}
	l->mtime = l->ctime = c->now;
	l->generation = c->row.generation;
	timer_lease(ipam, c->node, l);
	publish_lease(ipam, c->node, l->id);
	object_of_lease(&ipam->registry, l, &c->object);
	c->has_object = true;
}

const struct change_type change_lease_write = { .reserve = write_reserve, .apply = write_apply, .settle = write_settle, .several = true };
