/* map_model — the pictures of how full a cluster or node is: a copy of what they need, taken while nothing changes, and
 * what map.txt and map.svg make of it at leisure after.
 *
 * A *slot* is a block of a cluster's CIDR, or an address of a node's block. What is in use is kept, sorted; what isn't
 * listed is free. So memory goes with the blocks delegated or addresses leased, never with the size of a prefix.
 */
#ifndef IPAMFS_MAP_MODEL_H
#define IPAMFS_MAP_MODEL_H

#include "fs/base/buffer.h"
#include "fs/fs.h"

enum map_state { MAP_FREE, MAP_RESERVED, MAP_GATEWAY, MAP_RESTING, MAP_LEASED, MAP_BLOCK };

/* A slot in use, or several that were joined; or a range that is reserved. */
struct map_run {
	u128 first, last;       /* addresses */
	u128 capacity;          /* MAP_BLOCK: addresses that can be leased */
	uint64_t used, resting; /* addresses */
	uint64_t count;         /* how many slots in use were joined here */
	int64_t time;           /* since when the node or the lease exists */
	size_t name, pod;       /* offsets in the map's text; 0: none */
	uint16_t pod_size;
	uint32_t uid; /* of a lease */
	uint8_t family;
	uint8_t state; /* enum map_state */
};

/* One prefix: a CIDR of the cluster, or a block of the node. */
struct map_panel {
	struct cidr cidr;
	uint8_t mask;  /* length of a slot's prefix */
	uint8_t shift; /* bits of a slot */
	bool has_gateway;
	u128 gateway;
	u128 blocks;   /* of a cluster: that can be delegated */
	u128 capacity; /* addresses that can be leased in what is delegated */
	uint64_t delegated, used, resting;
	const struct map_run *run; /* what is in use, by address */
	size_t runs;
};

struct map_numbers {
	uint64_t nodes, leases, blocks_used;
	u128 blocks, addresses[CIDR_FAMILIES], used[CIDR_FAMILIES], resting[CIDR_FAMILIES];
};

struct map {
	enum ipam_kind kind;
	const char *name, *cluster; /* of a node: its cluster's name */
	int64_t since, now;
	struct map_numbers numbers;
	struct map_panel *panel;
	size_t panels;
	struct map_run *run;
	size_t runs;
	struct cidr_range *reserved; /* sorted, none touches another */
	size_t reserveds;
	struct buffer text;
};

/* A cluster or a node as it is now. -ENOENT, -ENOMEM. To be freed in any case. */
int map_make(struct fs *fs, enum ipam_kind kind, uint64_t id, struct map *out);
void map_free(struct map *m);

#endif
