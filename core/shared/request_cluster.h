/* request_cluster — what changes of clusters ask of the engine. */
#ifndef IPAM_SHARED_REQUEST_CLUSTER_H
#define IPAM_SHARED_REQUEST_CLUSTER_H

struct ask;
struct change;
struct ipam;

int share_cluster_make(struct ipam *ipam, const struct change *c, struct ask *a);
int share_cluster_remove(struct ipam *ipam, const struct change *c, struct ask *a);
int share_cluster_rename(struct ipam *ipam, const struct change *c, struct ask *a);
int share_cluster_text(struct ipam *ipam, const struct change *c, struct ask *a); /* cidrs, reserved, settings */

#endif
