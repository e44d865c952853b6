/* block — the two tiers of prefixes: a cluster's CIDRs cut into blocks, and a node's blocks cut into addresses. */
#ifndef IPAM_REGISTRY_BLOCK_H
#define IPAM_REGISTRY_BLOCK_H

#include "base/cidr.h"

struct block;
struct cluster;
struct cluster_cidr;
struct ipam_reserved;
struct node;
struct pool_span;

/* The CIDR of the cluster that holds this one, or NULL. */
struct cluster_cidr *cluster_cidr_of(const struct cluster *c, const struct cidr *cidr);
/* A list of CIDRs with pools of their own: make, free; cluster_exclude applies the cluster's reserved ranges to one. */
int cluster_cidr_new(const struct cidr *cidr, unsigned node_mask, struct cluster_cidr **out);
void cluster_cidr_free(struct cluster_cidr *cc);
/* Exclude from the CIDR's blocks those wholly inside the union of these ranges, and those that services' ranges meet. -ENOMEM. */
int cluster_cidr_exclude(struct cluster_cidr *cc, const struct ipam_reserved *range, size_t n);
/* Is the first host address of this block, which would be its gateway's, reserved? */
bool cluster_reserves_gateway(const struct cluster *c, const struct cidr *block);
/* The slots of the CIDR that keep out of the range, first..last: those wholly inside, or of services' those that it meets. false: none. */
bool cluster_cidr_span(const struct cluster_cidr *cc, const struct ipam_reserved *r, struct pool_span *out);
/* Make the order of choice anew, or put one more into it: those with the most requirements first, else as they are listed. */
void cluster_order_cidrs(struct cluster *c);
void cluster_order_cidr(struct cluster *c, struct cluster_cidr *cc);
/* The families of its CIDRs, in the order of the list: how many. A node's first block is of the first. */
unsigned cluster_families(const struct cluster *c, uint8_t out[CIDR_FAMILIES]);
/* From `cc` on (of the order of choice, may be NULL), the first of the family whose selector these labels match; or NULL. */
struct cluster_cidr *cluster_cidr_for(struct cluster_cidr *cc, unsigned family, const char *labels);

/* A block of a node, from a CIDR of the cluster whose slot the caller has claimed. */
int block_new(struct node *n, uint64_t id, struct cluster_cidr *from, const struct cidr *cidr, struct block **out);
void block_free(struct block *b);
int node_add_block(struct node *n, struct block *b);                           /* -ENOMEM; the node owns it then */
void node_take_block(struct node *n, struct block *b);                         /* the caller owns it again */
struct block *node_block_of(const struct node *n, unsigned family, u128 addr); /* or NULL */
/* The block's first host address. */
u128 block_gateway(const struct block *b);
/* Exclude network, broadcast, anycast and gateway addresses and these reserved ranges. -ENOMEM. */
int block_exclude(struct block *b, bool gateway, const struct ipam_reserved *reserved, size_t n);
struct block *cluster_block_of(const struct cluster *c, unsigned family, u128 addr); /* or NULL: slow, walks the nodes */

#endif
