/* node — nodes: made, removed and renamed; their blocks. */
#ifndef IPAM_CHANGE_NODE_H
#define IPAM_CHANGE_NODE_H

#include "engine/change.h"

struct block;
struct node;

extern const struct change_type change_node_make, change_node_remove, change_node_rename, change_node_cidrs, change_shrink;

/* All leases of the node lie in these: 0, -EBUSY. */
int node_check_leases(const struct ipam *ipam, const struct node *n, const struct cidr *cidr, size_t count);

/* The node's block of exactly this prefix, or NULL. */
struct block *node_block(const struct node *n, const struct cidr *cidr);
/* All of a node's blocks but this one, in text: how many, 0 where it isn't one of them, or isn't empty. *out is the caller's. */
size_t node_blocks_but(const struct node *n, const char *text, size_t size, struct cidr **out);

#endif
