/* registry — clusters, nodes, blocks and leases in memory, with their indexes: by id, by name, by address.
 *
 * This is bookkeeping alone: no policy, no disk, no threads. Whoever calls holds the lock of struct ipam (engine.h), for
 * writing where something changes. Pointers to clusters, nodes, blocks and leases stay valid until they are removed.
 */
#ifndef IPAM_REGISTRY_REGISTRY_H
#define IPAM_REGISTRY_REGISTRY_H

#include "base/index.h"
#include "registry/pool.h"
#include "text/settings.h"

struct node;
struct registry;

struct network;
struct xattr;

/* Who may begin a change of a cluster or a node: many shared ones at a time (in it), or one exclusive one (of it). */
struct gate {
	uint32_t shared; /* changes in flight inside */
	bool exclusive;  /* a change of the thing itself is in flight */
	uint64_t wanted; /* the round in which an exclusive one began to wait: no new shared ones then, lest it starve */
};

struct cluster_cidr {
	struct cidr cidr;
	uint8_t node_mask;
	char *selector;            /* which nodes get blocks of it, canonical (label.h); NULL: any */
	struct cluster_cidr *next; /* in the order of choice */
	struct pool pool;          /* its blocks */
};

struct cluster {
	uint64_t id;
	uint64_t shared;  /* the engine's id of it, where machines share one (remote.h); 0 none */
	int64_t revision; /* as of which it is mirrored */
	uint32_t handle;
	bool pending; /* being made: not visible yet */
	char *name;
	struct ipam_attr attr;
	int64_t changed, widely; /* when anything in it changed last; and what all its nodes share (engine_changed) */
	struct settings settings;
	struct gate gate;
	struct cluster_cidr **cidr; /* in the order written */
	size_t cidrs;
	struct cluster_cidr *choice; /* in the order in which they are looked at for a block */
	struct ipam_reserved *reserved;
	size_t reserveds;
	struct node *first, *last; /* in the order made */
	uint32_t nodes;
	uint64_t leases;
	struct index by_addr[CIDR_FAMILIES]; /* lease handles */
	struct registry *registry;
	struct cluster *prev, *next;
};

struct block {
	uint64_t id;
	struct node *node;
	struct cluster_cidr *from;
	struct pool pool; /* its addresses; taken: leased or resting */
	u128 resting;
	/* When pool.cursor was given, as an id: of the lease that got it where that was the newest, else one of its own. 0: unknown. */
	int64_t idle_since; /* when it was seen to be empty first (shrink.h); 0: it isn't, or nobody looked */
	uint64_t given_lease;
	bool pending; /* being delegated: not to be leased from yet */
};

/* Whose a node is, where machines share an engine. */
enum ipam_held {
	NODE_HELD_HERE,  /* this machine's, or there are no others */
	NODE_HELD_NOT,   /* nobody's yet: delegated, its machine has not come */
	NODE_HELD_THERE, /* another machine's */
};

/* Why no address of a node may be given, though it is this machine's. */
enum node_doubt {
	NODE_SURE,
	NODE_UNSETTLED, /* its blocks may have been given back: the engine is to say */
	NODE_ORPHANED,  /* its blocks were taken away while leases ran: they go on, none is made */
	NODE_DOUBLED,   /* another machine goes by the same state */
};

/* What is known of this machine, where machines share an engine: whether it may lease from its own nodes, whatever is known of each. */
enum own_standing {
	OWN_SURE,
	OWN_ASKED,   /* the engine is being asked whether another goes by the same state: for a moment, which leases wait for */
	OWN_UNTOLD,  /* and hasn't said so */
	OWN_DOUBLED, /* another does */
	OWN_ASTRAY,  /* the engine isn't the one that it was, or not as far as it was */
};

struct node {
	uint64_t id;
	uint64_t shared; /* as a cluster's */
	int64_t revision;
	uint8_t held, doubt;
	uint16_t asking;    /* changes that ask the engine to take blocks back: lease nothing until it has answered */
	bool unknown;       /* of one of them it isn't known whether it did */
	uint32_t doubts;    /* how often one began: a doubt is ended only by who knows of all */
	int grow_error;     /* how growing failed last; */
	int64_t grow_after; /* not tried again before */
	int64_t published;  /* when its machine told of its leases last, seconds since the epoch; 0 never */
	int64_t told;       /* the engine's lease with which this machine said that it is there (presence.h); 0: it didn't */
	int64_t written;    /* the pulse's: revision of what was published of it last; 0: nothing is, as far as is known */
	uint32_t handle;
	bool pending;
	char *name;
	char *labels; /* canonical (label.h); NULL: none */
	struct cluster *cluster;
	struct ipam_attr attr;
	int64_t changed; /* as the cluster's */
	struct settings settings;
	struct gate gate;
	struct block **block; /* oldest first */
	uint32_t blocks;
	bool growing;             /* a block of it is pending */
	uint32_t first, last;     /* lease handles, in the order made */
	uint32_t leases;          /* pending ones included */
	int64_t next_expiry;      /* no lease expires before; INT64_MAX: none */
	struct node *prev, *next; /* in the cluster */
};

/* 100 bytes a lease and its name; there are millions. */
struct lease {
	uint64_t id;
	uint64_t ip6[2]; /* high, low */
	uint32_t ip4;
	uint32_t node;       /* handle */
	uint32_t prev, next; /* in the node */
	int64_t atime, mtime, ctime, btime;
	char *name;
	struct xattr *xattr;
	uint32_t uid, gid;
	uint32_t generation;
	uint16_t mode;
	uint16_t boot;      /* index into registry.boot */
	uint8_t has;        /* bit per family */
	bool pending : 1;   /* being made: not visible yet */
	bool busy : 1;      /* a change of it is in flight */
	bool behind : 1;    /* attributes to be written: in the list of the engine */
	bool described : 1; /* and these are not times alone */
	bool failed : 1;    /* writing them failed since the last sync told so */
	bool ephemeral : 1; /* lasts while someone holds it */
	bool dropped : 1;   /* nobody does any more */
	uint32_t bucket;    /* another machine's: with which of its publications it came (publish.h) */
};

struct boot {
	uint64_t id;
	char boot_id[IPAM_BOOT_ID];
};

enum { LEASE_CHUNK = 4096 };

struct registry {
	uint64_t seed;
	struct cluster *first, *last;
	uint32_t clusters;
	uint64_t leases; /* pending ones included */
	uint32_t nodes;
	enum own_standing standing;
	struct cluster **cluster; /* by handle; [0] unused */
	uint32_t cluster_handles, cluster_free;
	struct node **node; /* by handle */
	uint32_t node_handles;
	uint32_t *node_free; /* a stack of handles */
	uint32_t node_frees;
	struct lease **chunk; /* leases by handle: chunk[h / LEASE_CHUNK][h % LEASE_CHUNK] */
	uint32_t chunks, lease_handles;
	uint32_t lease_free; /* head of the free list, through .next */
	struct boot *boot;
	uint32_t boots;
	struct network **network; /* by id, which is the order they are made in */
	uint32_t networks;
	struct index cluster_by_id, cluster_by_name, node_by_id, node_by_name, node_by_shared, lease_by_id, lease_by_name;
};

void registry_init(struct registry *r, uint64_t seed);
void registry_close(struct registry *r);

/* Boots: find or add; -ENOMEM, -EOVERFLOW past 65,535. */
int registry_boot(struct registry *r, uint64_t id, const char *boot_id, uint16_t *out);

/* ---- clusters: -ENOMEM, -EEXIST (id or name held) */
int registry_add_cluster(struct registry *r, uint64_t id, const char *name, struct cluster **out);
void registry_remove_cluster(struct registry *r, struct cluster *c);
int registry_rename_cluster(struct registry *r, struct cluster *c, const char *name);
struct cluster *registry_cluster(const struct registry *r, uint64_t id);
struct cluster *registry_cluster_named(const struct registry *r, const char *name);

/* ---- nodes */
int registry_add_node(struct registry *r, struct cluster *c, uint64_t id, const char *name, struct node **out);
void registry_remove_node(struct registry *r, struct node *n); /* frees its blocks; their slots in the CIDRs stay taken */
int registry_rename_node(struct registry *r, struct node *n, const char *name);
struct node *registry_node(const struct registry *r, uint64_t id);
struct node *registry_node_named(const struct registry *r, const struct cluster *c, const char *name);
/* Give it the engine's id, once. -ENOMEM. */
int registry_share_node(struct registry *r, struct node *n, uint64_t shared);
struct node *registry_node_shared(const struct registry *r, uint64_t shared);
struct cluster *registry_cluster_shared(const struct registry *r, uint64_t shared);
/* May what is in it be changed by this machine: 0, -EROFS. And may a lease be made: also -EHOSTUNREACH while the engine has
 * not said whose its blocks are. */
int node_writable(const struct node *n);
int node_leasable(const struct node *n);
uint64_t node_setting(const struct node *n, enum ipam_setting setting);

static inline struct lease *registry_lease(const struct registry *r, uint32_t handle)
{
	return &r->chunk[handle / LEASE_CHUNK][handle % LEASE_CHUNK];
}

static inline struct node *lease_node(const struct registry *r, const struct lease *l)
{
	return r->node[l->node];
}

static inline bool lease_has(const struct lease *l, unsigned family)
{
	return l->has & 1u << family;
}

static inline u128 lease_addr(const struct lease *l, unsigned family)
{
	return family == CIDR_V4 ? l->ip4 : (u128)l->ip6[0] << 64 | l->ip6[1];
}

#endif
