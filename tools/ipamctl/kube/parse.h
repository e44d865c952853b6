/* parse — of Nodes and Pods what an import needs. */
#ifndef IPAMCTL_KUBE_PARSE_H
#define IPAMCTL_KUBE_PARSE_H

#include "ipamctl/kube/kube.h"
#include "ipamctl/kube/read.h"

#include <stddef.h>

kube_taker kube_take;
extern const struct kube_wanted kube_wanted[]; /* what it looks at */
/* NAMESPACE_POD, or where that is too long for a lease as much as fits and the uid. */
const char *kube_lease_name(struct kube *k, const char *space, size_t space_size, const char *name, const char *uid);
void kube_sort(struct kube *k); /* after reading: by name, each once */

struct kube_node *kube_find_node(const struct kube *k, const char *name);
struct kube_pod *kube_find_pod(const struct kube *k, const char *node, const char *lease);

#endif
