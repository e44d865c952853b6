/* cover — CIDRs that would hold the dump's podCIDRs. */
#ifndef IPAMCTL_KUBE_COVER_H
#define IPAMCTL_KUBE_COVER_H

#include "ipamctl/kube/kube.h"

void kube_cover(struct kube *k); /* fills in hint */

#endif
