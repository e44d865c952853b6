/* shrink — blocks that a node has grown to, and that are empty, go back.
 *
 * One may stay in reserve where blocks come from afar (remote_grow_early); it goes when the cluster has none left for others. Only nodes
 * that may grow (max-blocks) and have leases are looked at: what was delegated to others, whose leases are kept elsewhere, stays.
 */
#ifndef IPAM_CHANGE_SHRINK_H
#define IPAM_CHANGE_SHRINK_H

#include "base/cidr.h"

struct block;
struct ipam;
struct node;

/* What of a family a node has left: for growth, too. */
struct shrink_left {
	uint32_t blocks;
	u128 left;           /* addresses that can be given */
	u128 capacity;       /* of the youngest block */
	struct block *empty; /* the youngest that nothing is taken of, and that isn't the family's oldest; or NULL */
};
void shrink_left(const struct node *n, unsigned family, struct shrink_left *out);
/* With so much left a node soon needs another block. */
bool shrink_is_scarce(const struct shrink_left *left);
/* How many blocks of a family are free for the node, of how many there are. */
void shrink_cluster(const struct node *n, unsigned family, u128 *left, u128 *all);

/* For the timer: gives back what is due, and says when to look again; INT64_MAX: not before a lease is made or released. */
int64_t shrink_round(struct ipam *ipam, int64_t now);
/* A lease of the node was made or released. Under the lock. */
void shrink_lease(struct ipam *ipam, const struct node *n);

#endif
