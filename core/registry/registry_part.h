/* registry_part — what registry.c and registry_lease.c share with nobody else. */
#ifndef IPAM_REGISTRY_REGISTRY_PART_H
#define IPAM_REGISTRY_REGISTRY_PART_H

#include "registry/registry.h"

#include <string.h>

struct cluster;
struct node;
struct registry;

/* What an index of names under a parent is asked for. */
struct registry_name {
	uint64_t parent;
	const char *name;
};

static inline uint64_t registry_hash_name(const struct registry *r, uint64_t parent, const char *name)
{
	return index_hash_bytes(r->seed ^ parent, name, strlen(name));
}

static inline uint64_t registry_hash_id(const struct registry *r, uint64_t id)
{
	return index_hash_u64(r->seed, id);
}

/* The indexes of leases, and those of a cluster's addresses. */
void registry_init_leases(struct registry *r);
void registry_init_addresses(struct cluster *c);
/* The leases of a node that goes, without their indexes; and then these, and all room. */
void registry_free_leases(struct registry *r, struct node *n);
void registry_close_leases(struct registry *r);

#endif
