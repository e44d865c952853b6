/* claims — the addresses and blocks that somebody wants, sorted and searched. */
#ifndef IPAMCTL_KUBE_CLAIMS_H
#define IPAMCTL_KUBE_CLAIMS_H

#include "base/cidr.h"
#include "ipamctl/kube/kube.h"

#include <stddef.h>

struct kube_claim *kube_find_claim(struct kube_claim *list, size_t n, const struct cidr *key);
size_t kube_sort_claims(struct kube_claim *list, size_t n); /* and leaves each key once: how many */
struct cidr kube_host(unsigned family, u128 addr);

#endif
