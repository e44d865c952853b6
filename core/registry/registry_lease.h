/* registry_lease — leases by id, name and address; their addresses' slots are the caller's. As registry.h has it. */
#ifndef IPAM_REGISTRY_REGISTRY_LEASE_H
#define IPAM_REGISTRY_REGISTRY_LEASE_H

#include "base/cidr.h"

struct cluster;
struct node;
struct registry;

/* A lease with this id and name in the node, without addresses: -ENOMEM, -EEXIST. Ids must grow with each call within a
 * node, so that its list is in their order. */
int registry_add_lease(struct registry *r, struct node *n, uint64_t id, const char *name, uint32_t *out);
/* Without its addresses (lease_unset_addr first). */
void registry_remove_lease(struct registry *r, uint32_t handle);
int registry_rename_lease(struct registry *r, uint32_t handle, const char *name);
uint32_t registry_find_lease(const struct registry *r, uint64_t id); /* 0: none */
uint32_t registry_lease_named(const struct registry *r, const struct node *n, const char *name);
uint32_t registry_holder(const struct registry *r, const struct cluster *c, unsigned family, u128 addr);
int registry_set_addr(struct registry *r, uint32_t handle, unsigned family, u128 addr); /* -ENOMEM, -EADDRINUSE */
void registry_unset_addr(struct registry *r, uint32_t handle, unsigned family);

#endif
