/* record_key — the keys of what machines share, and the ids in them. Pure functions, thread-safe. */
#ifndef IPAM_SHARED_RECORD_KEY_H
#define IPAM_SHARED_RECORD_KEY_H

#include "shared/record.h"

/* Keys: their length, in a buffer of RECORD_KEY. */
size_t record_key(const char *prefix, const char *kind, char out[RECORD_KEY]); /* PREFIX/KIND */
size_t record_key_cluster(const char *prefix, const char *name, char out[RECORD_KEY]);
size_t record_key_node(const char *prefix, uint64_t cluster, const char *name, char out[RECORD_KEY]);
size_t record_key_block(const char *prefix, uint64_t cluster, const struct cidr *block, char out[RECORD_KEY]);
/* The range of the keys of all blocks inside a CIDR. */
void record_key_blocks(const char *prefix, uint64_t cluster, const struct cidr *cidr, char first[RECORD_KEY], char end[RECORD_KEY]);
size_t record_key_of(const char *prefix, const char *kind, uint64_t id, char out[RECORD_KEY]); /* PREFIX/KIND/ID */

/* What a key is about: "cluster", "node" or "block" with what it names, or -EPROTO. */
struct record_name {
	enum { RECORD_CLUSTER, RECORD_NODE, RECORD_BLOCK, RECORD_ALIVE, RECORD_LEASES, RECORD_PUBLISHED } what;
	uint64_t id; /* of the cluster, or of the node */
	uint64_t bucket;
	struct cidr cidr; /* of a block */
	const char *name; /* inside the key, no NUL */
	size_t name_size;
};
int record_parse_key(const char *prefix, const char *key, size_t size, struct record_name *out);

#endif
