/* pool — a prefix cut into equal slots, each free, taken or excluded.
 *
 * Serves both tiers: a cluster's CIDR cut into blocks, and a block cut into single addresses. Slots are numbered from 0.
 * Claims are next-fit: the search begins after the slot given last, wraps once, and so reuses a slot as late as possible.
 *
 * Not thread-safe: the owner's lock protects it. Errors are negative errnos and leave the pool as it was.
 */
#ifndef IPAM_REGISTRY_POOL_H
#define IPAM_REGISTRY_POOL_H

#include "base/bitset.h"

/* A closed range of slots. */
struct pool_span {
	u128 first, last;
};

struct pool {
	struct cidr prefix;
	uint8_t slot_len;       /* prefix length of one slot; prefix.len <= slot_len <= cidr_bits */
	bool given;             /* cursor is valid */
	uint32_t spans;         /* number of excluded spans */
	struct pool_span *span; /* excluded: sorted, disjoint, not touching; owned */
	u128 cursor;            /* the slot that was given last */
	u128 used;              /* taken slots */
	u128 excluded;          /* excluded slots that are not taken as well */
	struct bitset taken;
};

/* -EINVAL unless prefix.len <= slot_len <= bits of the family. No allocation. */
int pool_init(struct pool *p, const struct cidr *prefix, unsigned slot_len);
void pool_close(struct pool *p);

/* Replace the excluded slots by n spans, in any order, overlapping allowed; they are clipped to the pool. Taken slots may
 * lie inside: they stay taken, and are not given again once released. -ENOMEM. */
int pool_exclude(struct pool *p, const struct pool_span *span, size_t n);
bool pool_excluded(const struct pool *p, u128 slot);

/* Claim the next free slot after the cursor: 0, -ENOSPC, -ENOMEM. */
int pool_claim_next(struct pool *p, u128 *slot);
/* Likewise, but of first..last alone (clipped to the pool). */
int pool_claim_between(struct pool *p, u128 first, u128 last, u128 *slot);
/* Claim this one: 0, -EADDRINUSE taken, -EADDRNOTAVAIL excluded or outside, -ENOMEM. The cursor stays: pool_set_cursor. */
int pool_claim(struct pool *p, u128 slot);
/* As pool_claim, though it be excluded: for what was taken before the exclusion, at load. */
int pool_restore(struct pool *p, u128 slot);
/* 0, or -ENOENT if it wasn't taken. */
int pool_release(struct pool *p, u128 slot);
bool pool_taken(const struct pool *p, u128 slot);
/* Say where the next search starts: after this slot. */
void pool_set_cursor(struct pool *p, u128 slot);

u128 pool_last(const struct pool *p);     /* number of the last slot */
u128 pool_capacity(const struct pool *p); /* slots that can ever be given: all less the excluded, saturating at U128_MAX */
u128 pool_free(const struct pool *p);     /* slots that can be given now */

/* Between slots and prefixes. pool_slot: -EADDRNOTAVAIL unless addr (of the pool's family) is inside. */
int pool_slot(const struct pool *p, u128 addr, u128 *slot);
struct cidr pool_cidr(const struct pool *p, u128 slot);

#endif
