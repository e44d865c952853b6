#include "change.h"

#include "delegate.h"
#include "publish.h"
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NANOSECONDS = 1000000000 };

/* ---- shared: what a lease's change does to its addresses ---------------------------------------------------- */

/* Note what storing needs of the release of one address: next-fit's mark if it goes with it, and its rest. A rest is
 * promised; drop_notes takes that back. */
static int note_release(struct ipam *ipam, struct change *c, const struct lease *l, unsigned family)
{
	u128 addr = lease_addr(l, family);
	struct block *b = node_block_of(c->node, family, addr);
	uint64_t delay = node_setting(c->node, IPAM_REUSE_DELAY);
	int rc;

	if (b->given_lease == l->id && b->pool.given && b->pool.cursor == addr - b->pool.prefix.base)
		c->given[c->givens++] = (struct change_given){ b->id, l->id, addr, (uint8_t)family };
	if (delay == 0 || c->what == IPAM_LEASE_FIRST)
		return 0;
	rc = rest_promise(ipam);
	if (rc == 0)
		c->rests[c->rest_count++] = (struct store_rest){ c->cluster->id, (uint8_t)family, addr,
								 c->now + (int64_t)delay * NANOSECONDS };
	return rc;
}

static void drop_notes(struct ipam *ipam, struct change *c)
{
	for (; c->rest_count > 0; c->rest_count--)
		rest_unpromise(ipam);
	c->givens = 0;
}

static int store_notes(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < c->givens; i++)
		rc = store_put_given(ipam->store, c->given[i].block, c->given[i].family, c->given[i].addr, c->given[i].lease);
	for (unsigned i = 0; rc == 0 && i < c->rest_count; i++)
		rc = store_put_rest(ipam->store, &c->rests[i]);
	return rc;
}

/* The address is no longer the lease's: it rests, or is free. */
static void let_go(struct ipam *ipam, struct change *c, unsigned family, u128 addr)
{
	struct block *b = node_block_of(c->node, family, addr);

	for (unsigned i = 0; i < c->rest_count; i++)
		if (c->rests[i].family == family) {
			rest_begin(ipam, &c->rests[i], b);
			return;
		}
	pool_release(&b->pool, addr - b->pool.prefix.base);
}

void lease_row(const struct ipam *ipam, const struct change *c, const struct lease *l, const char *name, struct store_lease *row)
{
	const struct registry *r = &ipam->registry;

	*row = (struct store_lease){
		.id = l->id,
		.cluster = c->cluster->id,
		.node = c->node->id,
		.boot = r->boot[l->boot].id,
		.name = name,
		.attr = { l->uid, l->gid, l->mode, l->atime, l->mtime, l->ctime, l->btime },
		.generation = l->generation,
		.ephemeral = l->ephemeral,
	};
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		row->has[f] = lease_has(l, f);
		row->addr[f] = row->has[f] ? lease_addr(l, f) : 0;
	}
}

/* ---- make ------------------------------------------------------------------------------------------------- */

/* The next free address of a family: the node's blocks in turn, from the one that gave last. */
static int claim_next(struct ipam *ipam, struct change *c, unsigned family, struct block **out, u128 *slot)
{
	struct node *n = c->node;
	uint32_t have = 0, start = 0;
	uint64_t newest = 0;
	int rc = -ENOSPC;

	for (uint32_t i = 0; i < n->blocks; i++) {
		const struct block *b = n->block[i];

		have += b->pool.prefix.family == family;
		if (b->pool.prefix.family == family && b->given_lease > newest) {
			newest = b->given_lease;
			start = i;
		}
	}
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

static int claim_this(struct change *c, unsigned family, u128 addr, struct block **out, u128 *slot)
{
	*out = node_block_of(c->node, family, addr);
	if (*out == NULL || (*out)->pending)
		return -EADDRNOTAVAIL;
	*slot = addr - (*out)->pool.prefix.base;
	return pool_claim(&(*out)->pool, *slot);
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
		rc = claim_this(c, family, *wanted, &b, &slot);
	else
		rc = claim_next(ipam, c, family, &b, &slot);
	if (rc != 0)
		return rc;
	rc = registry_set_addr(&ipam->registry, c->lease, family, b->pool.prefix.base + slot);
	if (rc < 0) {
		pool_release(&b->pool, slot);
		return rc;
	}
	if (wanted == NULL)
		b->given_lease = l->id;
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
	l->gid = c->owner.gid;
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
			rc = store_add_block(ipam->store, c->grown[f]->id, c->row.cluster, c->row.node,
					     &c->grown[f]->pool.prefix);
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
	object_of_lease(&ipam->registry, l, &c->object);
	c->object.created = c->has_object = true;
}

const struct change_type change_lease_make = {
	.reserve = make_reserve, .apply = make_apply, .settle = make_settle, .several = true
};

/* ---- release ---------------------------------------------------------------------------------------------- */

/* By id, or by name in a node. */
static int find(struct ipam *ipam, struct change *c, uint32_t *out)
{
	struct registry *r = &ipam->registry;
	struct node *n;

	if (c->name == NULL) {
		*out = registry_find_lease(r, c->id);
	} else {
		n = registry_node(r, c->parent);
		*out = n == NULL ? 0 : registry_lease_named(r, n, c->name);
	}
	if (*out == 0 || registry_lease(r, *out)->pending)
		return -ENOENT;
	return may_change(c, lease_node(r, registry_lease(r, *out)));
}

static bool expired(const struct node *n, const struct lease *l, int64_t now)
{
	uint64_t ttl = node_setting(n, IPAM_TTL);

	if (l->dropped && l->ephemeral)
		return true;
	return ttl > 0 && l->mtime + (int64_t)ttl * NANOSECONDS <= now;
}

static int remove_reserve(struct ipam *ipam, struct change *c)
{
	struct lease *l;
	struct node *n;
	uint32_t h;
	int rc = find(ipam, c, &h);

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
			rc = note_release(ipam, c, l, f);
	if (rc == 0 && c->expiry && c->name == NULL)
		rc = (c->name = strdup(l->name)) == NULL ? -ENOMEM : 0; /* for the notice */
	if (rc < 0) {
		drop_notes(ipam, c);
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
	int rc = store_notes(ipam, c);

	if (rc == 0)
		rc = store_delete_lease(ipam->store, c->id);
	if (rc == 0)
		rc = history_add_lease(ipam, c, &(struct history_event){ .event = "release", .reason = c->reason,
									 .since = c->row.attr.btime });
	return rc;
}

static void remove_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node(c);
	if (c->error < 0) {
		l->busy = false;
		drop_notes(ipam, c);
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
		let_go(ipam, c, f, addr);
	}
	registry_remove_lease(&ipam->registry, c->lease);
	publish_lease(ipam, c->node, c->id);
	touch_attr(&c->node->attr, c->now);
}

const struct change_type change_lease_remove = {
	.reserve = remove_reserve, .apply = remove_apply, .settle = remove_settle, .several = true
};

/* ---- rename ----------------------------------------------------------------------------------------------- */

static int rename_reserve(struct ipam *ipam, struct change *c)
{
	struct registry *r = &ipam->registry;
	struct node *n = registry_node(r, c->parent);
	uint32_t h, target;
	int rc = ipam_check_name(IPAM_LEASE, c->new_name);

	if (n == NULL || n->pending)
		return -ENOENT;
	if (c->new_parent != c->parent)
		return -EXDEV;
	if (rc == 0)
		rc = may_change(c, n);
	if (rc < 0)
		return rc;
	/* No lease of the node comes or goes meanwhile, so the new name stays free. */
	rc = enter_node_exclusive(ipam, c, n);
	if (rc != 0)
		return rc;
	h = registry_lease_named(r, n, c->name);
	target = registry_lease_named(r, n, c->new_name);
	if (h == 0)
		rc = -ENOENT;
	else if (h == target)
		rc = CHANGE_DONE;
	else if (target != 0)
		rc = -EEXIST;
	if (rc != 0) {
		leave_node_exclusive(c);
		return rc;
	}
	c->lease = h;
	c->id = registry_lease(r, h)->id;
	registry_lease(r, h)->busy = true;
	return 0;
}

static int rename_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_rename_lease(ipam->store, c->id, c->new_name, c->now);

	return rc < 0 ? rc : history_add_lease(ipam, c, &(struct history_event){ .event = "rename", .name = c->new_name,
										 .from = c->name });
}

static void rename_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node_exclusive(c);
	l->busy = false;
	if (c->error < 0)
		return;
	snapshot_keep(ipam, c->lease);
	engine_must(ipam, registry_rename_lease(&ipam->registry, c->lease, c->new_name), "rename");
	l->ctime = c->now;
	l->generation++;
	publish_lease(ipam, c->node, l->id);
	touch_attr(&c->node->attr, c->now);
	object_of_lease(&ipam->registry, l, &c->object);
	c->has_object = true;
}

const struct change_type change_lease_rename = {
	.reserve = rename_reserve, .apply = rename_apply, .settle = rename_settle, .several = true
};

/* ---- write: other addresses --------------------------------------------------------------------------------- */

/* Claims what is new; c->row gets all addresses, as they will be. */
static int write_claim(struct ipam *ipam, struct change *c, const struct lease *l, unsigned family,
		       const struct text_lease *text)
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
	rc = claim_this(c, family, addr, &b, &slot);
	if (rc == 0) {
		c->row.has[family] = true;
		c->row.addr[family] = addr;
		if (lease_has(l, family))
			rc = note_release(ipam, c, l, family);
	}
	return rc;
}

/* The next free address of the alternatives for a family, in their order; the one that the lease has will do. */
static int write_choose(struct ipam *ipam, struct change *c, struct lease *l, unsigned family, const struct text_lease *text)
{
	u128 have = lease_has(l, family) ? lease_addr(l, family) : 0;
	int rc = -EADDRNOTAVAIL;

	for (size_t i = 0; i < text->ranges; i++)
		if (text->range[i].family == family && lease_has(l, family) && have >= text->range[i].first &&
		    have <= text->range[i].last)
			return 0;
	for (size_t i = 0; i < text->ranges; i++) {
		const struct cidr_range *r = &text->range[i];

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
			if (rc < 0)
				return rc;
			b->given_lease = l->id;
			c->row.has[family] = true;
			c->row.addr[family] = all.first + slot;
			return lease_has(l, family) ? note_release(ipam, c, l, family) : 0;
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
	rc = find(ipam, c, &h);
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
		drop_notes(ipam, c);
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
	int rc = store_notes(ipam, c);

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
		drop_notes(ipam, c);
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
			let_go(ipam, c, f, old);
		engine_must(ipam, registry_set_addr(&ipam->registry, c->lease, f, c->row.addr[f]), "writing a lease");
	}
	l->mtime = l->ctime = c->now;
	l->generation = c->row.generation;
	timer_lease(ipam, c->node, l);
	publish_lease(ipam, c->node, l->id);
	object_of_lease(&ipam->registry, l, &c->object);
	c->has_object = true;
}

const struct change_type change_lease_write = {
	.reserve = write_reserve, .apply = write_apply, .settle = write_settle, .several = true
};
