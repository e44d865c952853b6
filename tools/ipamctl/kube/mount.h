/* mount — what the mount has already. */
#ifndef IPAMCTL_KUBE_MOUNT_H
#define IPAMCTL_KUBE_MOUNT_H

#include "ipamctl/kube/kube.h"

#include <stdbool.h>

int kube_mount_find(struct kube *k);
int kube_mount_read(struct kube *k);                             /* cidrs, reserved, settings, blocks */
int kube_mount_leases(struct kube *k);                           /* marks pods that are there, addresses that are held */
bool kube_mount_gateway(const struct kube *k, const char *node); /* whether the node's blocks have one */

#endif
