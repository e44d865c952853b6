/* How a lease comes by its addresses, and lets them go. */
#include "change/lease_addr.h"

#include "engine/change.h"
#include "engine/cooldown.h"
#include "engine/engine.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "store/store.h"

#include <errno.h>

uint64_t node_given_last(const struct node *n, unsigned family, uint32_t *block)
{
	uint64_t newest = 0;

	*block = 0;
	for (uint32_t i = 0; i < n->blocks; i++)
		if (n->block[i]->pool.prefix.family == family && n->block[i]->given_lease > newest) {
			newest = n->block[i]->given_lease;
			*block = i;
		}
	return newest;
}

void lease_gave(struct ipam *ipam, struct change *c, struct block *b, const struct lease *l, u128 slot)
{
	unsigned family = b->pool.prefix.family;
	uint32_t last;
	uint64_t newest = node_given_last(c->node, family, &last);

	pool_set_cursor(&b->pool, slot);
	/* Who loads the database takes the newest lease for the last that was given an address. Where it isn't, that is stored. */
	if (l->id > newest || (l->id == newest && c->node->block[last] == b)) {
		b->given_lease = l->id;
		return;
	}
	b->given_lease = engine_id(ipam);
	c->given[c->givens++] = (struct change_given){ b->id, b->given_lease, b->pool.prefix.base + slot, (uint8_t)family };
}

int lease_note_release(struct ipam *ipam, struct change *c, const struct lease *l, unsigned family)
{
	u128 addr = lease_addr(l, family);
	struct block *b = node_block_of(c->node, family, addr);
	uint64_t delay = node_setting(c->node, IPAM_REUSE_DELAY);
	int rc;

	if (b->given_lease == l->id && b->pool.given && b->pool.cursor == addr - b->pool.prefix.base)
		c->given[c->givens++] = (struct change_given){ b->id, l->id, addr, (uint8_t)family };
	if (delay == 0 || c->unused)
		return 0;
	rc = rest_promise(ipam);
	if (rc == 0)
		c->rests[c->rest_count++] = (struct store_rest){ c->cluster->id, (uint8_t)family, addr, engine_after(c->now, delay), 0 };
	return rc;
}

void lease_drop_notes(struct ipam *ipam, struct change *c)
{
	for (; c->rest_count > 0; c->rest_count--)
		rest_unpromise(ipam);
	c->givens = 0;
}

int lease_store_notes(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < c->givens; i++)
		rc = store_put_given(ipam->store, c->given[i].block, c->given[i].family, c->given[i].addr, c->given[i].lease);
	for (unsigned i = 0; rc == 0 && i < c->rest_count; i++)
		rc = store_put_rest(ipam->store, &c->rests[i]);
	return rc;
}

void lease_let_go(struct ipam *ipam, struct change *c, unsigned family, u128 addr)
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

int lease_claim_this(struct change *c, unsigned family, u128 addr, struct block **out, u128 *slot)
{
	*out = node_block_of(c->node, family, addr);
	if (*out == NULL || (*out)->pending)
		return -EADDRNOTAVAIL;
	*slot = addr - (*out)->pool.prefix.base;
	return pool_claim(&(*out)->pool, *slot);
}

int lease_find(struct ipam *ipam, struct change *c, uint32_t *out)
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
