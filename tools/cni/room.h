/* room — whether an ADD would find addresses: in a node's blocks, in further ones, in the configured ranges. */
#ifndef IPAMFS_CNI_ROOM_H
#define IPAMFS_CNI_ROOM_H

#include "mount.h"

/* Has the cluster a block left, of each family that it has? */
bool cni_cluster_has_block(const struct cni_node *n);
/* May a node that is full take another block? */
bool cni_node_may_grow(const struct cni_node *n);
/* CNI_BAD_CONFIG unless each range meets one of the node's blocks. One in the cluster's CIDRs will do where the node may grow and
 * another range of its set meets a block. */
int cni_ranges_check(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e);
/* CNI_NOT_AVAILABLE where a set has no address left, nor may get any by growth. What rests or is reserved counts as free. */
int cni_ranges_have_room(const struct cni_conf *c, const struct cni_node *n, struct cni_error *e);

#endif
