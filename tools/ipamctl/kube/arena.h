/* arena — the memory of an import. Where there is no more the program ends: it has changed nothing until kube_store. */
#ifndef IPAMCTL_KUBE_ARENA_H
#define IPAMCTL_KUBE_ARENA_H

#include "ipamctl/kube/kube.h"

#include <stddef.h>

const char *kube_keep(struct kube *k, const char *s);
const char *kube_format(struct kube *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for one more of a list that doubles; zeroed. */
void *kube_more(void *list, size_t *n, size_t size);
#define KUBE_ADD(l) (((l).list = kube_more((l).list, &(l).n, sizeof *(l).list)), &(l).list[(l).n - 1])
void kube_conflict(struct kube *k, const char *who, const char *pod, const char *address, const char *why);
void kube_free(struct kube *k);

#endif
