/* plan — who gets what. */
#ifndef IPAMCTL_KUBE_PLAN_H
#define IPAMCTL_KUBE_PLAN_H

#include "base/cidr.h"
#include "ipamctl/kube/kube.h"

#include <stdbool.h>

/* Whether it is a block that the cluster can delegate. */
bool kube_is_slot(const struct kube *k, const struct cidr *c);

void kube_plan_nodes(struct kube *k);
void kube_plan_pods(struct kube *k);

#endif
