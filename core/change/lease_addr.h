/* lease_addr — how a lease comes by its addresses, and lets them go. Under the lock, for changing. */
#ifndef IPAM_CHANGE_LEASE_ADDR_H
#define IPAM_CHANGE_LEASE_ADDR_H

#include "base/cidr.h"

struct block;
struct change;
struct ipam;
struct lease;
struct node;
struct store_lease;

/* What storing it needs. name lives as long as row. */
void lease_row(const struct ipam *ipam, const struct change *c, const struct lease *l, const char *name, struct store_lease *row);

/* The lease that is meant, by id, or by name in a node. -ENOENT, -EROFS. */
int lease_find(struct ipam *ipam, struct change *c, uint32_t *out);
/* Take this address in c->node. -EADDRNOTAVAIL: of none of its blocks; or as pool_claim says. */
int lease_claim_this(struct change *c, unsigned family, u128 addr, struct block **out, u128 *slot);
/* Which of the node's blocks gave an address of the family last, and when (given_lease). */
uint64_t node_given_last(const struct node *n, unsigned family, uint32_t *block);
/* The node's block gave this slot to the lease: next-fit goes on after it, and does so after a restart, too. */
void lease_gave(struct ipam *ipam, struct change *c, struct block *b, const struct lease *l, u128 slot);
/* Note what storing needs of the release of one address: next-fit's mark if it goes with it, and its rest. A rest is promised: */
int lease_note_release(struct ipam *ipam, struct change *c, const struct lease *l, unsigned family);
/* takes that back. */
void lease_drop_notes(struct ipam *ipam, struct change *c);
/* In the committer, without the lock. */
int lease_store_notes(struct ipam *ipam, struct change *c);
/* The address is no longer the lease's: it rests, or is free. */
void lease_let_go(struct ipam *ipam, struct change *c, unsigned family, u128 addr);

#endif
