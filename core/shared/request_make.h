/* request_make — what the making of nodes asks of the engine. */
#ifndef IPAM_SHARED_REQUEST_MAKE_H
#define IPAM_SHARED_REQUEST_MAKE_H

struct ask;
struct change;
struct ipam;

int share_node_make(struct ipam *ipam, const struct change *c, struct ask *a);
int share_delegate(struct ipam *ipam, const struct change *c, struct ask *a);

#endif
