/* store — what was planned, written to the mount. */
#ifndef IPAMCTL_KUBE_STORE_H
#define IPAMCTL_KUBE_STORE_H

#include "ipamctl/kube/kube.h"

int kube_store(struct kube *k);

#endif
