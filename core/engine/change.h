/* change — the record of one change, from the caller to the committer and back.
 *
 * A change goes through three steps, which its type supplies:
 *   reserve  under the lock: check, claim in memory, note what to store. 0: queue it; CHANGE_DONE: nothing to store,
 *            answer now; CHANGE_DEFER: something in flight decides, try again when it has; else an errno, nothing kept.
 *   apply    in the committer, without the lock: the statements. Only the change itself is read.
 *   settle   under the lock: make it visible (error 0), or undo the reservation.
 * Nothing that reserve claims is visible to others before settle.
 */
#ifndef IPAM_ENGINE_CHANGE_H
#define IPAM_ENGINE_CHANGE_H

#include "store/store.h"
#include "text/settings.h"

struct change;

struct block;
struct cluster;
struct cluster_cidr;
struct lease;
struct network;
struct node;
struct registry;
struct xattr;

enum { CHANGE_DONE = 1, CHANGE_DEFER = 2 };

struct ask;

struct change_type {
	/* Of what machines share: what to ask of their engine instead (request.h). Called under the lock, to look. NULL: nothing. */
	int (*share)(struct ipam *ipam, const struct change *c, struct ask *ask);
	int (*reserve)(struct ipam *ipam, struct change *c);
	int (*apply)(struct ipam *ipam, struct change *c);
	void (*settle)(struct ipam *ipam, struct change *c);
	bool several;    /* of several statements: a savepoint makes them one */
	bool delegation; /* survives loss of power, whatever the mount's sync */
	bool lazy;       /* answered once it is queued */
	bool yields;     /* who asked is given the object: success without one is none */
};

/* Leases: create, release, rewrite may move next-fit's mark or start rests. */
struct change_given {
	uint64_t block, lease; /* lease: as struct block's given_lease */
	u128 addr;
	uint8_t family;
};

struct change {
	const struct change_type *type;
	struct change *next;
	ipam_done *done;
	void *arg;

	/* what was asked */
	enum ipam_kind kind;
	enum ipam_text what;
	uint64_t id, parent, new_parent;
	char *name, *new_name, *text;
	size_t size;
	bool exclusive, append;
	bool expiry;           /* release only what has expired, or was dropped */
	bool ephemeral, alone; /* IPAM_EPHEMERAL, IPAM_ALONE */
	bool unused;           /* nobody was told of the addresses that go: they don't rest */
	bool mirrored;         /* the engine that machines share has done it already: it is done here, too */
	uint64_t shared;       /* its id there, as of this revision; */
	int64_t revision;
	uint8_t held, doubt; /* and of a node, enum ipam_held and node_doubt */
	bool soft;           /* nobody counts on it after a loss of power */
	struct xattr *xattr; /* to be set */
	bool keep;           /* the lease lasts from then on */
	struct ipam_import *import;
	unsigned which;
	uint32_t generation;
	struct ipam_owner owner;
	struct ipam_by by;
	const char *reason; /* why, where the daemon itself asks */
	uint64_t event;     /* the last that it leaves, in the running transaction; 0: none */
	int64_t begun;      /* monotonic */
	bool queued;        /* it has been reserved: what fails now is the storing */
	struct ipam_attr attr;
	struct store_rest rest;

	/* what was reserved */
	struct cluster *cluster;
	struct node *node;
	uint32_t lease;
	struct network *network;
	uint32_t *made;          /* leases of an import; */
	struct node **made_node; /* and its nodes; those that are delegated: */
	size_t made_nodes;
	int64_t now;
	struct store_lease row;
	struct block *grown[CIDR_FAMILIES];           /* blocks delegated by this change */
	struct change_given given[2 * CIDR_FAMILIES]; /* an address that goes, and one that comes, of each family */
	unsigned givens;
	struct store_rest rests[CIDR_FAMILIES];
	unsigned rest_count;
	struct cluster_cidr **cidr; /* the new list */
	size_t cidrs;
	char **selector; /* and its selectors: NULL, any node's */
	size_t selectors;
	char *labels;         /* a node's new ones */
	struct block **block; /* the new list; which are new; which go */
	size_t blocks;
	struct block **fresh, **gone;
	size_t freshes, gones;
	struct ipam_reserved *range;
	size_t ranges;
	struct settings settings;
	struct store_rest *shorter; /* rests that new settings shorten (rest_beyond) */
	size_t shorters;

	/* how it went */
	int error;
	bool has_object;
	struct ipam_object object;
};

/* Takes the change (NULL: out of memory), answers it through done, frees it. */
void change_submit(struct ipam *ipam, struct change *c);
struct change *change_new(const struct change_type *type, ipam_done *done, void *arg);
/* Copies the string; on want of memory frees the change and gives NULL. */
struct change *change_name(struct change *c, const char *name);
struct change *change_text(struct change *c, const char *text, size_t size);
void change_finish(struct ipam *ipam, struct change *c, int error); /* done, free */

/* ---- shared by the types */
void object_of_cluster(const struct cluster *c, struct ipam_object *out);
void object_of_node(const struct node *n, struct ipam_object *out);
void object_of_lease(const struct registry *r, const struct lease *l, struct ipam_object *out);
size_t lease_text(const struct registry *r, const struct lease *l, char out[IPAM_LEASE_TEXT]);
/* For a change in a node: 0, -ENOENT, -EROFS, or why nothing may be leased. */
int may_change(const struct change *c, const struct node *n);
int may_lease(const struct change *c, const struct node *n);
/* Enter the gates of a node's and its cluster's inside, for a change of a lease, or leave them. */
bool enter_node(const struct ipam *ipam, struct change *c, struct node *n);
void leave_node(struct change *c);
int enter_node_exclusive(const struct ipam *ipam, struct change *c, struct node *n);
void leave_node_exclusive(struct change *c);
/* What is made in a directory that has the set-group-ID bit is of the directory's group, and a directory has the bit, too. */
struct ipam_owner owner_in(const struct ipam_attr *directory, struct ipam_owner owner, bool makes_directory);
struct ipam_attr attr_of(const struct ipam_owner *owner, int64_t now);
/* mtime and ctime of a directory whose content changed. */
void touch_attr(struct ipam_attr *a, int64_t now);
/* Recompute the exclusions of a node's blocks. */
int node_exclude(struct node *n, const struct ipam_reserved *range, size_t ranges, bool gateway);

#endif
