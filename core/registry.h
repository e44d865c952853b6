/* registry — clusters, nodes, blocks and leases in memory, with their indexes: by id, by name, by address.
 *
 * This is bookkeeping alone: no policy, no disk, no threads. Whoever calls holds the lock of struct ipam (engine.h), for
 * writing where something changes. Pointers to clusters, nodes, blocks and leases stay valid until they are removed.
 */
#ifndef IPAM_REGISTRY_H
#define IPAM_REGISTRY_H

#include "index.h"
#include "pool.h"
#include "settings.h"

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

struct xattr {
	struct xattr *next;
	uint32_t value_size;
	uint16_t name_size;
	char data[]; /* name, NUL, value */
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

/* What host-local's layout keeps with a node: see ipam.h. */
struct network_last {
	u128 addr;
	uint8_t range, family;
};
struct network {
	uint64_t id;
	struct node *node;
	bool pending, busy;
	char *name;
	struct network_last *last;
	uint32_t lasts;
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
/* The CIDR of the cluster that holds this one, or NULL. */
struct cluster_cidr *cluster_cidr_of(const struct cluster *c, const struct cidr *cidr);
/* A list of CIDRs with pools of their own: make, free; cluster_exclude applies the cluster's reserved ranges to one. */
int cluster_cidr_new(const struct cidr *cidr, unsigned node_mask, struct cluster_cidr **out);
void cluster_cidr_free(struct cluster_cidr *cc);
/* Exclude from the CIDR's blocks those wholly inside the union of these ranges, and those that services' ranges meet. -ENOMEM. */
int cluster_cidr_exclude(struct cluster_cidr *cc, const struct ipam_reserved *range, size_t n);
/* Is the first host address of this block, which would be its gateway's, reserved? */
bool cluster_reserves_gateway(const struct cluster *c, const struct cidr *block);
/* The slots of the CIDR that keep out of the range, first..last: those wholly inside, or of services' those that it meets. false: none. */
bool cluster_cidr_span(const struct cluster_cidr *cc, const struct ipam_reserved *r, struct pool_span *out);
/* Make the order of choice anew, or put one more into it: those with the most requirements first, else as they are listed. */
void cluster_order_cidrs(struct cluster *c);
void cluster_order_cidr(struct cluster *c, struct cluster_cidr *cc);
/* The families of its CIDRs, in the order of the list: how many. A node's first block is of the first. */
unsigned cluster_families(const struct cluster *c, uint8_t out[CIDR_FAMILIES]);
/* From `cc` on (of the order of choice, may be NULL), the first of the family whose selector these labels match; or NULL. */
struct cluster_cidr *cluster_cidr_for(struct cluster_cidr *cc, unsigned family, const char *labels);

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

/* ---- blocks: of a node, from a CIDR of the cluster whose slot the caller has claimed */
int block_new(struct node *n, uint64_t id, struct cluster_cidr *from, const struct cidr *cidr, struct block **out);
void block_free(struct block *b);
int node_add_block(struct node *n, struct block *b);                           /* -ENOMEM; the node owns it then */
void node_take_block(struct node *n, struct block *b);                         /* the caller owns it again */
struct block *node_block_of(const struct node *n, unsigned family, u128 addr); /* or NULL */
/* The block's first host address. */
u128 block_gateway(const struct block *b);
/* Exclude network, broadcast, anycast and gateway addresses and these reserved ranges. -ENOMEM. */
int block_exclude(struct block *b, bool gateway, const struct ipam_reserved *reserved, size_t n);
struct block *cluster_block_of(const struct cluster *c, unsigned family, u128 addr); /* or NULL: slow, walks the nodes */

/* ---- networks (network.c): ids must grow with each call */
int registry_add_network(struct registry *r, struct node *n, uint64_t id, const char *name, struct network **out); /* -ENOMEM */
void registry_remove_network(struct registry *r, struct network *w);
void registry_remove_networks(struct registry *r, const struct node *n); /* NULL: all there are */
struct network *registry_network(const struct registry *r, uint64_t id);
struct network *registry_network_named(const struct registry *r, const struct node *n, const char *name);
/* Room for one more range, so that network_set_last can't fail. -ENOMEM. */
int network_room(struct network *w);
void network_set_last(struct network *w, unsigned range, uint8_t family, u128 addr);
void network_forget_last(struct network *w, unsigned range);
const struct network_last *network_last(const struct network *w, unsigned range);

/* ---- leases: the addresses' slots are the caller's */
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

/* ---- attributes of a lease; names without "user." */
struct xattr *lease_xattr(const struct lease *l, const char *name);
size_t lease_xattr_bytes(const struct lease *l);
int lease_xattr_put(struct lease *l, const char *name, const void *value, size_t size); /* -ENOMEM */
/* The two steps of it, of which the second can't fail: the lease owns it then. */
struct xattr *xattr_new(const char *name, const void *value, size_t size); /* NULL: no memory */
void lease_xattr_link(struct lease *l, struct xattr *x);
void xattr_free_all(struct xattr *x);
struct xattr *xattr_copy_all(const struct xattr *from); /* NULL: no memory, or there are none */
bool lease_xattr_drop(struct lease *l, const char *name);

static inline const char *xattr_value(const struct xattr *x)
{
	return x->data + x->name_size + 1;
}

#endif
