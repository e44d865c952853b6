/* node_make — a node that is being made, in c->cluster, whose gate is entered; c->owner says whose it will be. */
#ifndef IPAM_CHANGE_NODE_MAKE_H
#define IPAM_CHANGE_NODE_MAKE_H

#include <stddef.h>

struct change;
struct cidr;
struct ipam;
struct node;

/* Pending, without blocks. labels: canonical, or NULL. -EEXIST, -ENOMEM. */
int node_begin(struct ipam *ipam, const struct change *c, const char *name, const char *labels, struct node **out);
/* A block of each family that the cluster has, from CIDRs for its labels: all, or -ENOSPC. */
int node_take_free(struct ipam *ipam, struct node *n);
/* Exactly these; *refused: which was not to be had. -EADDRINUSE, -EADDRNOTAVAIL, -ENOMEM. */
int node_take_these(struct ipam *ipam, struct node *n, const struct cidr *cidr, size_t count, size_t *refused);
/* Its rows and events; c->node is it then. */
int node_store(struct ipam *ipam, struct change *c, struct node *n, const char *reason);
/* It is made; or it is not, and gone. */
void node_finish(struct change *c, struct node *n);
void node_unmake(struct ipam *ipam, struct node *n);
/* Give all its blocks back. */
void node_give_back(struct ipam *ipam, struct node *n);

#endif
