/* request_node — what changes of nodes ask of the engine. */
#ifndef IPAM_SHARED_REQUEST_NODE_H
#define IPAM_SHARED_REQUEST_NODE_H

struct ask;
struct change;
struct ipam;

int share_node_remove(struct ipam *ipam, const struct change *c, struct ask *a);
int share_node_rename(struct ipam *ipam, const struct change *c, struct ask *a);
int share_node_cidrs(struct ipam *ipam, const struct change *c, struct ask *a);
int share_shrink(struct ipam *ipam, const struct change *c, struct ask *a);
int share_node_labels(struct ipam *ipam, const struct change *c, struct ask *a);
int share_node_settings(struct ipam *ipam, const struct change *c, struct ask *a);
int share_attr(struct ipam *ipam, const struct change *c, struct ask *a);
int share_grow(struct ipam *ipam, const struct change *c, struct ask *a);
int share_attach(struct ipam *ipam, const struct change *c, struct ask *a);
int share_force(struct ipam *ipam, const struct change *c, struct ask *a);

#endif
