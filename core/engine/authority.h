/* authority — who hands out blocks: an interface with a side an engine.
 *
 * The local side claims from the cluster's pools in memory, and the block becomes durable with the change that asked. All
 * functions are called under the lock of struct ipam, for writing.
 */
#ifndef IPAM_ENGINE_AUTHORITY_H
#define IPAM_ENGINE_AUTHORITY_H

struct block;
struct cidr;
struct ipam;
struct node;

struct delegate {
	const char *name;
	/* Claim the next free block of a family for a node: pending, added to it. -ENOSPC, -ENOMEM; CHANGE_DEFER: it is asked for,
	 * and will come by itself. */
	int (*next)(struct ipam *ipam, struct node *n, unsigned family, struct block **out);
	/* Claim this one, not yet added to the node: -EADDRNOTAVAIL no block of the cluster's, -EADDRINUSE. */
	int (*this)(struct ipam *ipam, struct node *n, const struct cidr *cidr, struct block **out);
	/* Give a block back (no longer in a node's list) and free it. */
	void (*back)(struct ipam *ipam, struct block *b);
};

#endif
