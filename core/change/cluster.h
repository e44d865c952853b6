/* cluster — clusters: made, removed and renamed; their CIDRs and reserved ranges. */
#ifndef IPAM_CHANGE_CLUSTER_H
#define IPAM_CHANGE_CLUSTER_H

#include "engine/change.h"

struct cluster;

extern const struct change_type change_cluster_make, change_cluster_remove, change_cluster_rename, change_cidrs, change_reserved;

/* For a change of the thing itself: 0, CHANGE_DEFER, or (the cluster is looked up by c->id) -ENOENT. */
int enter_cluster_exclusive(struct ipam *ipam, struct change *c);

/* No lease of the cluster holds an address of the range, no block lies wholly inside, or of services' meets it: 0, -EBUSY. */
int cluster_check_unused(const struct ipam *ipam, const struct cluster *cluster, const struct ipam_reserved *r);

#endif
