/* record — what machines share of clusters, nodes and blocks, as it lies in the engine: its keys, and its values of JSON.
 *
 *   PREFIX/schema                           the version of all that follows
 *   PREFIX/state/cluster/NAME               a cluster
 *   PREFIX/state/node/CLUSTER/NAME          a node; CLUSTER, NODE: ids, 16 hexadecimal digits, random, never used again
 *   PREFIX/state/block/CLUSTER/BLOCK        who has a block, or until when it rests; BLOCK sorts by family and address
 *   PREFIX/machine/MACHINE                  a machine is there (presence.h): bound to an etcd lease
 *   PREFIX/alive/NODE                       its machine is there: bound to an etcd lease
 *   PREFIX/leases/NODE/BUCKET               the leases that its machine published
 *   PREFIX/published/NODE                   when it did so last
 *
 * Pure functions, thread-safe. Lists are kept as the text that the files of the mount have: one parser serves both.
 */
#ifndef IPAM_SHARED_RECORD_H
#define IPAM_SHARED_RECORD_H

#include "ipam.h"

#include <jansson.h>

struct cluster;
struct node;
struct settings;
struct text_cidr;

enum {
	RECORD_SCHEMA = 3,          /* the newest that is known here; */
	RECORD_SCHEMA_FIRST = 1,    /* of a prefix that has nothing of what came later: */
	RECORD_SCHEMA_LABELS = 2,   /* selectors, labels */
	RECORD_SCHEMA_SERVICES = 3, /* services' ranges */
	RECORD_PREFIX_MAX = 255,
	RECORD_KEY = RECORD_PREFIX_MAX + 320, /* room for any key */
	RECORD_MACHINE = 33,                  /* of an instance's id, with its NUL */
};

/* A cluster or a node. */
struct record {
	enum ipam_kind kind;
	uint64_t id, cluster; /* cluster: of a node */
	int64_t revision;
	char name[IPAM_NAME_MAX + 1];
	char machine[RECORD_MACHINE]; /* of a node: the instance whose it is; "": nobody's yet */
	uint32_t uid, gid, mode;
	int64_t made;
	char *cidrs;    /* of a cluster its CIDRs, of a node its blocks: a line each */
	char *reserved; /* of a cluster */
	char *labels;   /* of a node, as label.h has them */
	char *settings;
};

struct record_block {
	uint64_t cluster, node; /* node 0: it rests */
	struct cidr cidr;
	int64_t until, revision; /* until: seconds since the epoch */
};

/* The lines that the files show. The caller's to free; NULL: no memory. */
char *record_cidrs(const struct text_cidr *line, size_t n); /* a cluster's, as they were written */
char *record_node_cidrs(const struct node *n);
char *record_ranges(const struct ipam_reserved *range, size_t n);
char *record_settings(const struct settings *s);

/* As it is in memory; machine is left to the caller. -ENOMEM. */
int record_of_cluster(const struct cluster *c, struct record *out);
int record_of_node(const struct node *n, struct record *out);
void record_free(struct record *r); /* what it holds */
/* One more block, the youngest. -ENOMEM. */
int record_add_block(struct record *r, const struct cidr *cidr);
/* The first schema that has all that is in it. */
int record_schema(const struct record *r);

/* The value, the caller's to free; NULL: no memory. */
char *record_encode(const struct record *r);
char *record_encode_block(const struct record_block *b);
/* -EPROTO: none of ours. name: the last part of the key. */
int record_decode(enum ipam_kind kind, const char *name, size_t name_size, const char *value, size_t size, struct record *out);
/* Of `out` the cluster, the CIDR and the revision, which are the key's, are 0. */
int record_decode_block(const char *value, size_t size, struct record_block *out);

/* 64 random bits, never 0, positive as a signed number; 128 as text. -EIO. */
int record_new_id(uint64_t *out);
/* As good as a random one, and the same each time for the same: the index-th of a request, by numbers that are random themselves. */
uint64_t record_id_of(const uint64_t requests[2], uint64_t request, uint64_t index);
int record_new_machine(char out[RECORD_MACHINE]);

#endif
