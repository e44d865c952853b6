/* ipam — the public face of libipam: clusters, nodes and leases, allocated in memory and durable in SQLite.
 *
 * Everything goes through one opaque handle; there are no globals. All functions are thread-safe unless they say
 * otherwise. Errors are negative errnos. Times are nanoseconds since the epoch. Ids are positive, less than 2^48, given
 * once and never again (not after a restart either); the root has id IPAM_ROOT_ID.
 *
 * Reading is answered from memory. Changing is asynchronous: the call checks and reserves, and `done` is called exactly
 * once, from the calling thread (refused, or nothing to do) or from the committer's (durable, or failed and undone).
 * `done` must not block. Strings and buffers handed in are copied.
 */
#ifndef IPAM_H
#define IPAM_H

#include "base/cidr.h"

/* Of this header; ipam_version() is that of the library which the program runs with. */
#define IPAM_VERSION "0.1.0"

struct ipam;
struct ipam_event;

/* Ids are below it. */
#define IPAM_ID_END (UINT64_C(1) << 48)

enum {
	IPAM_ROOT_ID = 1,
	IPAM_NAME_MAX = 255,             /* bytes of a cluster's or lease's name */
	IPAM_NODE_NAME_MAX = 253,        /* bytes of a node's: RFC 1123 subdomain, as Kubernetes' */
	IPAM_XATTR_BUDGET = 4096,        /* bytes of attribute names and values a lease may carry */
	IPAM_BOOT_ID = 37,               /* a boot id with its NUL */
	IPAM_LEASE_TEXT = 2 * CIDR_TEXT, /* a lease's content with a NUL */
	IPAM_LABELS_MAX = 4096,          /* bytes of a node's labels, a line KEY=VALUE each */
	IPAM_SELECTOR_MAX = 4096,        /* bytes of a CIDR's selector */
	IPAM_DELEGATE_LINES = 1024,      /* nodes that one ipam_delegate makes at most */
};

enum ipam_kind { IPAM_ROOT, IPAM_CLUSTER, IPAM_NODE, IPAM_LEASE };

/* How a change went. object is NULL on error and where the object is gone. */
struct ipam_object;
typedef void ipam_done(void *arg, int error, const struct ipam_object *object);

/* ---- life ------------------------------------------------------------------------------------------------- */

enum ipam_sync {
	IPAM_SYNC_FULL,   /* `done` means: survives loss of power */
	IPAM_SYNC_NORMAL, /* `done` means: survives any crash of the process; delegations are full all the same */
};

/* An engine that many machines share, beneath: etcd://ENDPOINTS/PREFIX. */
struct ipam_remote {
	const char *endpoints;                                          /* "HOST:PORT[,HOST:PORT...]" */
	const char *prefix;                                             /* of all keys: "/ipam" */
	const char *node;                                               /* the name that this machine's nodes go by; NULL: it has none */
	const char *tls_ca, *tls_cert, *tls_key, *user, *password_file; /* or NULL */
	bool hide_leases;                                               /* other machines' leases are not followed: their blocks alone */
};

/* What changed in a database. */
struct ipam_touched {
	bool more;             /* more than leases */
	bool sound;            /* the database is as it was written: no fsync had failed */
	const uint64_t *lease; /* ids of those that were made, changed or released; ascending */
	size_t leases;
};
struct ipam_ahead;

struct ipam_options {
	size_t size;                      /* sizeof(struct ipam_options), by which a library of another version knows what the caller has */
	const struct ipam_remote *remote; /* NULL: the database is all there is; else it is this machine's part */
	enum ipam_sync sync;
	bool read_only;                   /* every change is refused with -EROFS, nothing expires */
	bool create;                      /* make the database if there is none */
	bool keep_after_boot;             /* don't release what an earlier boot's network namespaces held */
	bool keep_ephemeral;              /* nor ephemeral leases: their holders are open still */
	struct ipam_ahead *ahead;         /* what was read before, with the same path; taken over. NULL: none */
	const struct ipam_touched *since; /* what may have changed since then; NULL: anything */
	int lock;                         /* as ipam_lock gave it: stays the caller's; 0: take it, as long as the database is open */
	bool insecure_dir;                /* users other than root and this one may write where the database lies */
	bool keep_names;                  /* this process can't remove its files: the log is emptied at the end, and is others' to remove */
	uint32_t history_days;            /* how long the past is kept, 0: for ever */
	uint32_t log_pages;               /* the database's log is folded back when it has so many; 0: 8192 */
	const char *boot;                 /* which boot of the machine the database is marked as open in; NULL: this one */
	/* Called (by several threads at a time) with a syslog priority; may be NULL. */
	void (*log)(void *arg, int priority, const char *message);
	/* Called when the daemon itself released a lease (expired), after it became durable; may be NULL. */
	void (*released)(void *arg, uint64_t node, uint64_t lease, const char *name);
	/* Called when an object came, changed or went because another machine did so; name is under its parent. May be NULL. */
	void (*changed)(void *arg, enum ipam_kind kind, uint64_t parent, uint64_t id, const char *name);
	/* Called with each event once it is durable, in their order, by one thread at a time, while ipam_listen is on. It must
	 * not block: changes wait. May be NULL. */
	void (*event)(void *arg, const struct ipam_event *event);
	/* For who wants to know after a crash what became of a request (ipam_by.request). opened: called by ipam_open before anything
	 * is changed, with the number of the last event there is, 0: none. storing: called in the transaction,
	 * just before it is committed, with the number of the last event that the request's change leaves: the change is stored if
	 * and only if that event is. A change that leaves none may be repeated and isn't told. unstored: it failed after all. Then
	 * told: all up to this number is durable, and who asked or listens has been called. changing: called in the transaction, too,
	 * with each object that an event is about, and what it is in; but not a lease that is being made. It may fail still. One thread
	 * at a time; they must not block. May be NULL. */
	void (*opened)(void *arg, uint64_t event);
	void (*storing)(void *arg, uint64_t request, uint64_t event);
	void (*unstored)(void *arg, uint64_t request);
	void (*told)(void *arg, uint64_t event);
	void (*changing)(void *arg, enum ipam_kind kind, uint64_t id);
	/* For who wants to know after a crash what was written behind and is lost. marked: of this lease something will be stored that
	 * can be seen already; before whoever set it is answered. stored: all is of so many marks, from ipam_open on. One thread at a
	 * time; they must not block. May be NULL. lost: leases of which something was lost so; the next ipam_sync_object of each
	 * says -EIO, once. The caller's; not needed once ipam_open has returned. */
	void (*marked)(void *arg, uint64_t lease);
	void (*stored)(void *arg, uint64_t marks);
	const uint64_t *lost;
	size_t losts;
	/* With keep_names: a log that isn't the database's own lies in its place, and must have another name; may be NULL. */
	int (*put_aside)(void *arg, const char *path, const char *name);
	/* Called by ipam_close, after the last change, where ipam_track was. */
	void (*touched)(void *arg, const struct ipam_touched *touched);
	void *arg;
	/* With `remote`: random, the same for all processes that follow each other and number their requests as one. By it and
	 * ipam_by.request what a request makes in the engine is known again when it is asked once more (ipam_by.again). */
	uint64_t requests[2];
};

const char *ipam_version(void); /* "0.1.0" */

/* A sentence for the user that says what is wrong and what to do. */
struct ipam_error {
	char text[512];
};

/* Open a database and load it. Errors (error->text is set): -ENOENT none there and !create, -EBUSY in use by another
 * daemon, -EINVAL no ipamfs database, or options->size isn't set, -ENOTSUP of a newer version, -EUCLEAN its rows contradict each other, or a daemon died and the log
 * that it left isn't whole, -ESTALE the name is another file's than the lock's, others from the system. */
int ipam_open(const char *path, const struct ipam_options *options, struct ipam **out, struct ipam_error *error);
/* The lock that keeps a second daemon out, for who is to hold it longer than a database is open: a descriptor, the caller's to
 * close. It is inherited by fork. Makes the file where options say so. -EBUSY, -ENOENT, -EINVAL as above. */
int ipam_lock(const char *path, const struct ipam_options *options, struct ipam_error *error);
/* Whether a file is root's or this user's, and nobody else can write to it or put another in its place: 0; -EPERM and a sentence. */
int ipam_guarded(const char *path, struct ipam_error *error);
/* One process follows another on a database, with as short a pause as can be: the one that serves keeps account of what it changes
 * (ipam_track), the other reads all there is meanwhile (ipam_read_ahead), and when the first has closed it, the other opens it, and
 * reads again only what was changed. */
void ipam_track(struct ipam *ipam, ipam_done *done, void *arg);
/* Errors as ipam_open; -ENOTSUP also for a database of an older version. */
int ipam_read_ahead(const char *path, struct ipam_ahead **out, struct ipam_error *error);
/* Commit what is queued, stop the threads, close the database. NULL is fine. No calls may be under way. */
void ipam_close(struct ipam *ipam);
/* The same for a process that ends at once, so that another can open the database: what takes time and needn't be is left (the log
 * isn't folded back, memory isn't freed). ipam may not be used any more. */
void ipam_leave(struct ipam *ipam);
/* What is made from now on has this id or a greater one. Thread-safe. */
uint64_t ipam_next_id(const struct ipam *ipam);

/* ---- objects ---------------------------------------------------------------------------------------------- */

struct ipam_attr {
	uint32_t uid, gid;
	uint32_t mode; /* permission bits, 07777 */
	int64_t atime, mtime, ctime, btime;
};

/* What a stat needs. */
struct ipam_object {
	enum ipam_kind kind;
	bool created;            /* ipam_make: this call made it */
	bool ephemeral, dropped; /* a lease that ends with its last holder; that has ended (ipam_drop) */
	uint64_t id, parent;
	struct ipam_attr attr;
	uint32_t size;     /* of a lease: bytes of its text */
	uint32_t children; /* of the others: how many */
};

int ipam_get(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_object *out); /* -ENOENT */
/* When anything in it, or in what it is in and counts for it, changed last: nanoseconds since the epoch. Later with each change, and
 * no earlier than the database was opened. What is looked at after it has all that had changed by then. -ENOENT */
int ipam_changed(struct ipam *ipam, enum ipam_kind kind, uint64_t id, int64_t *out);
/* kind is the child's. -ENOENT. */
int ipam_lookup(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_object *out);
/* -ENOENT. */
int ipam_name(struct ipam *ipam, enum ipam_kind kind, uint64_t id, char out[IPAM_NAME_MAX + 1]);
/* The ids of all children in the order they were made; *ids is the caller's to free. -ENOENT, -ENOMEM. */
int ipam_children(struct ipam *ipam, enum ipam_kind kind, uint64_t id, uint64_t **ids, size_t *n);

/* ---- leases ----------------------------------------------------------------------------------------------- */

struct ipam_lease_info {
	struct ipam_object object;
	uint64_t node, cluster;
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	uint8_t len[CIDR_FAMILIES]; /* prefix length of its block */
	bool has_gateway[CIDR_FAMILIES];
	u128 gateway[CIDR_FAMILIES];
	uint32_t generation;        /* grows with each change of the lease */
	char boot_id[IPAM_BOOT_ID]; /* of the machine's boot in which it was made */
};

int ipam_lease(struct ipam *ipam, uint64_t id, struct ipam_lease_info *out); /* -ENOENT */
/* "ADDRESS/LEN\n" for each family, IPv4 first. Returns the length, or -ENOENT. */
int ipam_lease_text(struct ipam *ipam, uint64_t id, char out[IPAM_LEASE_TEXT]);
/* The lease that holds an address in a cluster, or in a node (kind, id say which). -ENOENT. */
int ipam_holder(struct ipam *ipam, enum ipam_kind kind, uint64_t id, unsigned family, u128 addr, uint64_t *lease);

/* Who asks for a change, for the history. */
#define IPAM_BY_NOBODY UINT32_MAX /* a uid: the daemon itself */
struct ipam_by {
	uint32_t uid;
	uint32_t pid;     /* 0: not known */
	uint64_t request; /* for options.storing, and to the engine; 0: none */
	bool again;       /* it was asked for before by a process that ended, and may have been done by the engine that machines share */
};
/* This process. */
struct ipam_by ipam_by_self(void);

/* Extended attributes of a lease: names without "user.". Written behind: visible at once, durable later; ipam_sync waits.
 * set: flags as setxattr(2)'s: -EEXIST, -ENODATA; -ENOSPC past IPAM_XATTR_BUDGET. get and list return the size, and
 * fill when size > 0 (-ERANGE too small); list gives NUL-terminated names. -ENOENT no such lease. */
int ipam_xattr_set(struct ipam *ipam, uint64_t lease, const char *name, const void *value, size_t size, int flags, struct ipam_by by);
int ipam_xattr_remove(struct ipam *ipam, uint64_t lease, const char *name, struct ipam_by by);
int ipam_xattr_get(struct ipam *ipam, uint64_t lease, const char *name, void *value, size_t size);
int ipam_xattr_list(struct ipam *ipam, uint64_t lease, char *list, size_t size);

/* ---- changes ---------------------------------------------------------------------------------------------- */

struct ipam_owner {
	uint32_t uid, gid, mode; /* of what is made */
};

/* Make a cluster (parent is IPAM_ROOT_ID), a node in a cluster (delegating blocks) or a lease in a node (allocating
 * addresses). An existing name: -EEXIST, but for a lease without IPAM_EXCLUSIVE success with created false. A lease's
 * name that is an address asks for that one. -EINVAL bad name, -ENAMETOOLONG, -ENOENT no such parent, -ENOSPC no address
 * or block left (or the disk is full), -EDQUOT past max-leases, -EADDRINUSE, -EADDRNOTAVAIL, -EROFS, -EIO. */
enum {
	IPAM_EXCLUSIVE = 1,
	IPAM_EPHEMERAL = 2, /* a lease that is released when the database is opened anew, unless ipam_describe kept it before */
	IPAM_ALONE = 4,     /* a lease of the address that its name is, and no other; -EINVAL for other names */
};
void ipam_make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, unsigned flags, const struct ipam_owner *owner,
	       struct ipam_by by, ipam_done *done, void *arg);
/* Remove by name: -ENOENT, -ENOTEMPTY. */
void ipam_remove(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, struct ipam_by by, ipam_done *done, void *arg);
/* Release a lease by id, if its generation is this one still (0: any): -ENOENT, -ESTALE. unused: nobody was told of its addresses, so
 * they don't rest. */
void ipam_release(struct ipam *ipam, uint64_t lease, uint32_t generation, bool unused, struct ipam_by by, ipam_done *done, void *arg);
/* The last holder of an ephemeral lease is gone: it is released in the background, as soon as the disk lets it be, and
 * `dropped` from now on. Others than ephemeral ones stay. Cheap: takes the lock, waits for nothing. */
void ipam_drop(struct ipam *ipam, uint64_t lease);

struct ipam_attribute {
	const char *name; /* without "user." */
	const void *value;
	size_t size;
};
/* Set attributes of a lease in one durable step; with `keep` it lasts from then on, though it was ephemeral. -ENOENT, -ENOSPC
 * past IPAM_XATTR_BUDGET, -EINVAL a bad name. */
void ipam_describe(struct ipam *ipam, uint64_t lease, const struct ipam_attribute *list, size_t n, bool keep, struct ipam_by by,
		   ipam_done *done, void *arg);

/* Leases that were made elsewhere, with their addresses, and nodes with their blocks (before the leases in them): all of
 * them or none. */
struct ipam_import {
	const char *node, *name; /* name NULL: the node itself, with exactly these blocks; it may have them already */
	const struct cidr *cidr;
	size_t cidrs;
	const char *labels; /* of a node, lines KEY=VALUE; NULL: none, or any where it is there */
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	const struct ipam_attribute *attribute;
	size_t attributes;
	int error;      /* out: why this one is refused; 0 where it would do */
	uint8_t family; /* out: with an address's error, which */
	size_t refused; /* out: with a block's error, which */
};
/* The list is the caller's and must live until `done`, which gets the first refusal's error: -ENOENT no such node, -EEXIST
 * the name is held (a node's: with other blocks), -EADDRINUSE, -EADDRNOTAVAIL (no block of the cluster's), -EINVAL (no
 * address or block; bad name), -EDQUOT, -ENOSPC. */
void ipam_import(struct ipam *ipam, uint64_t cluster, struct ipam_import *list, size_t n, const struct ipam_owner *owner, struct ipam_by by,
		 ipam_done *done, void *arg);
/* Where machines share an engine: take a node from a machine that is dead; its blocks rest for the node's block-quarantine. -ENOENT;
 * -EBUSY the machine is alive, or this one; -EOPNOTSUPP without an engine. */
void ipam_remove_force(struct ipam *ipam, uint64_t cluster, const char *name, struct ipam_by by, ipam_done *done, void *arg);
/* Rename: -ENOENT, -EEXIST the new name is held (by another), -EXDEV another parent. */
void ipam_rename(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
		 struct ipam_by by, ipam_done *done, void *arg);

enum ipam_text {
	IPAM_CLUSTER_CIDRS,    /* id: a cluster. Lines "CIDR [NODE-MASK] [selector=REQ[,REQ...]]" */
	IPAM_CLUSTER_RESERVED, /* id: a cluster. Lines CIDR, ADDRESS or FIRST-LAST, and "services" behind it where it is theirs */
	IPAM_CLUSTER_SETTINGS, /* id: a cluster. Lines "KEY VALUE" */
	IPAM_NODE_CIDRS,       /* id: a node. Lines CIDR: delegate exactly these */
	IPAM_NODE_SETTINGS,    /* id: a node */
	IPAM_NODE_LABELS,      /* id: a node. Lines KEY=VALUE; append adds or changes these keys, else they are all there are */
	IPAM_LEASE_ADDRESSES,  /* id: a lease. Lines ADDRESS[/LEN], at most one a family, or FIRST-LAST, any number: one of it */
	IPAM_LEASE_FIRST,      /* the same, by who has just made it: what it had is nobody's, and doesn't rest */
};
/* What a write to the file of that name means, all lines or none; append adds where false replaces (cidrs, reserved).
 * Errors as interface.md lists them: -EINVAL, -EEXIST, -EBUSY, -EADDRINUSE, -EADDRNOTAVAIL, -ENOSPC. */
void ipam_write(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text, size_t size, bool append, struct ipam_by by,
		ipam_done *done, void *arg);

/* May somebody do with what is in a node of this owner and mode what these bits of a directory's mode say: 4 to list, 2 to make and
 * remove, 1 to look into? */
typedef bool ipam_may(void *arg, const struct ipam_attr *node, unsigned bits);
/* A cluster's owner owns its files, not the leases in others' nodes. Would this write to one tell of leases in a node that he can't look
 * into, or end some that he can't remove: -EACCES, whatever is leased there. What is malformed is ipam_write's to refuse. -ENOENT. */
int ipam_check_reach(struct ipam *ipam, enum ipam_text what, uint64_t cluster, const char *text, size_t size, ipam_may *may, void *arg);

/* Make nodes, all or none, at most IPAM_DELEGATE_LINES: lines "NODE [KEY=VALUE ...] [CIDR ...]". With CIDRs a node gets exactly these
 * blocks, whatever their selectors say; else one of each family from CIDRs that match its labels, as ipam_make with labels.
 * -EINVAL malformed, or too many lines; -EEXIST a node is there, or stands twice; -ENOSPC no block left, or labels past
 * IPAM_LABELS_MAX; -EADDRINUSE, -EADDRNOTAVAIL of a block; -EMSGSIZE more than the engine takes at once; -ENOENT no such cluster.
 * object: of the first node. */
void ipam_delegate(struct ipam *ipam, uint64_t cluster, const char *text, size_t size, const struct ipam_owner *owner, struct ipam_by by,
		   ipam_done *done, void *arg);

enum { IPAM_SET_UID = 1, IPAM_SET_GID = 2, IPAM_SET_MODE = 4, IPAM_SET_ATIME = 8, IPAM_SET_MTIME = 16 };
/* Change owner, mode, times; which is a set of IPAM_SET_*. Of clusters, nodes and leases. */
void ipam_set_attr(struct ipam *ipam, enum ipam_kind kind, uint64_t id, unsigned which, const struct ipam_attr *attr, struct ipam_by by,
		   ipam_done *done, void *arg);
/* `done` when all that was written behind of this object so far is durable; a failure since the last is told here. */
void ipam_sync_object(struct ipam *ipam, enum ipam_kind kind, uint64_t id, ipam_done *done, void *arg);

/* ---- networks: what the layout of the CNI plugin host-local keeps with a node besides its leases ------------------------- */

enum { IPAM_NETWORK_RANGE_MAX = 255 };

/* -EEXIST, -ENOENT no such node, -EINVAL, -ENAMETOOLONG. */
void ipam_network_make(struct ipam *ipam, uint64_t node, const char *name, struct ipam_by by, ipam_done *done, void *arg);
/* -ENOENT; -ENOTEMPTY while a lease of the node has it as its attribute "network". */
void ipam_network_remove(struct ipam *ipam, uint64_t node, const char *name, struct ipam_by by, ipam_done *done, void *arg);
int ipam_network_find(struct ipam *ipam, uint64_t node, const char *name, uint64_t *id);             /* -ENOENT */
int ipam_network_node(struct ipam *ipam, uint64_t id, uint64_t *node, char name[IPAM_NAME_MAX + 1]); /* -ENOENT */
/* Between ipam_read_begin and ipam_read_end; as ipam_each_node. */
int ipam_each_network(struct ipam *ipam, uint64_t node, int (*fn)(void *arg, uint64_t id, const char *name), void *arg);
struct ipam_network_view {
	uint64_t id, node;
	const char *name;
	size_t lasts;        /* ranges with an address given last */
	const void *network; /* for ipam_view_network_range */
};
int ipam_view_network(struct ipam *ipam, uint64_t id, struct ipam_network_view *out); /* -ENOENT */
/* The i-th of them: the range's number. */
unsigned ipam_view_network_range(const struct ipam_network_view *v, size_t i);
/* The address that was given last in a range of it: -ENOENT none. Not between begin and end. */
int ipam_network_last(struct ipam *ipam, uint64_t id, unsigned range, uint8_t *family, u128 *addr);
/* `done` at once, durable soon after: losing it costs no lease. NULL: forget it. */
void ipam_network_set_last(struct ipam *ipam, uint64_t id, unsigned range, uint8_t family, const u128 *addr, ipam_done *done, void *arg);

/* Run one change and wait for it: for tools and tests. Call CHANGE with ipam_wait_done and &wait, then ipam_wait. */
struct ipam_wait;
struct ipam_wait *ipam_wait_new(void); /* NULL: no memory */
void ipam_wait_done(void *wait, int error, const struct ipam_object *object);
/* Wait, copy the object (may be NULL), free: the error. */
int ipam_wait(struct ipam_wait *wait, struct ipam_object *object);

/* ---- reports: one consistent picture ------------------------------------------------------------------------ */

/* Between begin and end nothing changes; the functions below may only be called there, by the thread that began, and
 * no others (ipam_stats takes the lock itself: ipam_view_stats is for there). What the views point at is valid until the
 * end. Keep it short: changes wait. */
void ipam_read_begin(struct ipam *ipam);
void ipam_read_end(struct ipam *ipam);

struct ipam_cidr_view {
	struct cidr cidr;
	uint8_t node_mask;
	const char *selector; /* which nodes get blocks of it; NULL: any */
	u128 blocks;          /* that can be delegated: all less the reserved */
	u128 used;            /* delegated */
};

/* What a cluster never gives. */
struct ipam_reserved {
	struct cidr_range range;
	bool services; /* Services have addresses of it: nor is a block delegated that it meets, though there be others in it */
};

struct ipam_cluster_view {
	uint64_t id;
	const char *name;
	struct ipam_attr attr;
	size_t cidrs;
	const struct ipam_reserved *reserved_range;
	size_t reserved;
	uint32_t nodes;
	uint64_t leases;
};

struct ipam_node_view {
	bool shared;       /* where machines share an engine: */
	bool here, there;  /* it is this machine's; another's; neither: nobody's yet */
	int64_t published; /* when the other told of its leases last, seconds since the epoch; 0 never */
	uint64_t id, cluster;
	const char *name;
	struct ipam_attr attr;
	const char *labels; /* lines KEY=VALUE, sorted; "" none */
	uint32_t blocks, leases;
};

struct ipam_block_view {
	struct cidr cidr;
	uint64_t node;
	const char *node_name;
	u128 used, capacity, resting; /* leased; that can be leased at all; released and resting still */
	bool has_gateway;
	u128 gateway;
	const void *block; /* for ipam_block_state */
};

struct ipam_lease_view {
	uint64_t id, node, cluster;
	const char *name, *node_name, *cluster_name;
	struct ipam_attr attr;
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	uint8_t len[CIDR_FAMILIES];
	bool ephemeral;
	uint32_t generation;
	const char *boot_id;
	const void *lease; /* for ipam_view_xattr */
};

/* fn returns 0 to go on; anything else ends the walk and is returned. -ENOENT: no such object. */
int ipam_each_cluster(struct ipam *ipam, int (*fn)(void *arg, const struct ipam_cluster_view *), void *arg);
int ipam_view_cluster(struct ipam *ipam, uint64_t id, struct ipam_cluster_view *out);
int ipam_view_cidr(struct ipam *ipam, uint64_t cluster, size_t i, struct ipam_cidr_view *out);
int ipam_each_node(struct ipam *ipam, uint64_t cluster, int (*fn)(void *arg, const struct ipam_node_view *), void *arg);
int ipam_view_node(struct ipam *ipam, uint64_t id, struct ipam_node_view *out);
/* kind IPAM_CLUSTER: sorted by family and address; IPAM_NODE: oldest first. -ENOMEM. */
int ipam_each_block(struct ipam *ipam, enum ipam_kind kind, uint64_t id, int (*fn)(void *arg, const struct ipam_block_view *), void *arg);
typedef int ipam_lease_fn(void *arg, const struct ipam_lease_view *lease);
/* Of the root, a cluster or a node, node by node, in the order they were made. */
int ipam_each_lease(struct ipam *ipam, enum ipam_kind kind, uint64_t id, ipam_lease_fn *fn, void *arg);

/* The same of a cluster or a node where there may be millions: all as they were at begin, given in portions between which
 * changes go on; not between ipam_read_begin and end. Memory goes with what changes until the end. */
struct ipam_snapshot;
typedef bool ipam_wanted(void *arg, const struct ipam_node_view *node);
/* wanted says which nodes are of interest; NULL: all. -ENOENT, -ENOMEM. To be ended before the database is closed. */
int ipam_snapshot_begin(struct ipam *ipam, enum ipam_kind kind, uint64_t id, ipam_wanted *wanted, void *arg, struct ipam_snapshot **out);
void ipam_snapshot_end(struct ipam_snapshot *s); /* NULL is fine */
/* About how many leases there are. */
uint64_t ipam_snapshot_leases(const struct ipam_snapshot *s);
/* At most so many more, in the order they were made but for those released meanwhile, which come last of their node's. 1:
 * there may be more; 0: that was all; what fn returned when that isn't 0; -ENOMEM, -EAGAIN too much has changed meanwhile.
 * For one thread at a time. What the view points at is valid until fn returns; fn must not call the library. */
int ipam_snapshot_next(struct ipam_snapshot *s, size_t most, ipam_lease_fn *fn, void *arg);
/* Value of an attribute (name without "user."), or NULL; *size is its length, no NUL at its end. */
const char *ipam_view_xattr(const struct ipam_lease_view *lease, const char *name, size_t *size);
/* All of them: `at` is NULL for the first, then what the call before gave; NULL: no more. The value has no NUL at its end. */
const void *ipam_next_xattr(const struct ipam_lease_view *lease, const void *at, struct ipam_attribute *out);

enum ipam_slot { IPAM_SLOT_FREE, IPAM_SLOT_LEASED, IPAM_SLOT_RESTING, IPAM_SLOT_GATEWAY, IPAM_SLOT_RESERVED };
/* What an address of a block is; SLOT_RESERVED also for network, broadcast and anycast addresses. */
enum ipam_slot ipam_block_state(struct ipam *ipam, const struct ipam_block_view *view, u128 addr);

/* Numbers of the root, a cluster or a node. -ENOENT. */
struct ipam_stats {
	uint64_t clusters, nodes, leases;
	u128 blocks, blocks_used; /* both families; of a node: the delegated ones, twice */
	u128 addresses;           /* that can be leased in the delegated blocks, both families */
	u128 addresses_used, addresses_resting;
	u128 leases_free; /* further leases that fit, without growing: the scarcest family and max-leases decide */
	struct ipam_family {
		u128 blocks, blocks_used; /* as above, of one family */
		u128 addresses, used, resting;
	} family[CIDR_FAMILIES];
	struct ipam_usage {
		u128 total, used, free;
	} usage; /* for statfs: of a node its addresses, of a cluster its blocks (the family with the
		  * fewest free ones), of the root all leases */
};
int ipam_stats(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out);
/* The same between ipam_read_begin and ipam_read_end. */
int ipam_view_stats(struct ipam *ipam, enum ipam_kind kind, uint64_t id, struct ipam_stats *out);

/* ---- settings: the table --------------------------------------------------------------------------------------- */

enum ipam_setting {
	IPAM_MAX_BLOCKS,
	IPAM_REUSE_DELAY,
	IPAM_TTL,
	IPAM_MAX_LEASES,
	IPAM_GATEWAY,
	IPAM_BLOCK_QUARANTINE,
	IPAM_BLOCK_IDLE,
	IPAM_SETTINGS /* how many */
};
/* The key, e.g. "max-blocks". */
const char *ipam_setting_name(enum ipam_setting setting);
/* Its value in force for a cluster or node, as text; *inherited: the object has not set it itself. -ENOENT. Between
 * ipam_read_begin and ipam_read_end. */
int ipam_setting(struct ipam *ipam, enum ipam_kind kind, uint64_t id, enum ipam_setting setting, char out[32], bool *inherited);

/* ---- the past ---------------------------------------------------------------------------------------------------- */

/* Every change but that of times leaves an event, in its own transaction: a line of JSON. docs/interface.md lists them. */
struct ipam_event {
	uint64_t number;        /* grows with each; see ipam_history_event */
	uint64_t cluster, node; /* ids, 0: none */
	const char *line;       /* with its newline, no NUL */
	size_t size;
};
/* Whether options.event is called. Events of changes under way may be missed. */
void ipam_listen(struct ipam *ipam, bool on);

/* A connection of its own to a database, to read its history; the database may be mounted. For one thread at a time. */
struct ipam_history;
/* -ENOENT, -EINVAL no ipamfs database, -ENOTSUP one without history yet or of a newer version; error->text is set. */
int ipam_history_open(const char *path, struct ipam_history **out, struct ipam_error *error);
void ipam_history_close(struct ipam_history *h); /* NULL is fine */
struct ipam_history_query {
	uint64_t cluster, node; /* of these alone; 0: of any */
	const char *address;    /* of this address or block ("10.244.0.0/24") alone, as cidr_print writes it; or NULL */
	uint64_t after, last;   /* events with numbers past `after`, up to `last` (0: all) */
	int64_t before;         /* ... that happened before this time (0: all) */
};
struct ipam_history_event {
	uint64_t number; /* grows with each */
	int64_t time;
	const char *line; /* without a newline; valid until the callback returns */
	size_t size;
	uint64_t cluster, node; /* ids, 0: none; they may be gone */
};
/* The newest event's number, 0: none. -EIO. */
int ipam_history_last(struct ipam_history *h, uint64_t *number);
/* In the order they happened, until fn gives other than 0, which is returned. -EIO. */
int ipam_history_read(struct ipam_history *h, const struct ipam_history_query *q,
		      int (*fn)(void *arg, const struct ipam_history_event *event), void *arg);

/* Who holds an address now, in each cluster. As above; the strings are valid until the callback returns. */
struct ipam_history_holder {
	const char *cluster, *node, *name;
	int64_t since;
};
int ipam_history_present(struct ipam_history *h, const char *address, int (*fn)(void *arg, const struct ipam_history_holder *holder),
			 void *arg);

/* ---- the engine's own numbers ------------------------------------------------------------------------------------ */

struct ipam_engine {
	const char *path;
	bool shared;                         /* many machines share an engine: */
	const char *source, *machine, *node; /* etcd://..., the id of this machine there, its nodes' name or NULL */
	bool up;                             /* it is reached; */
	int64_t since;                       /* since then, or not; seconds since the epoch, 0: not asked yet */
	char unreachable[256];               /* why it isn't */
	char refused[256], complaint[256];   /* what it doesn't let this machine write; what else is wrong; or "" */
	int64_t revision;                    /* of the engine's, up to which all is seen here; 0: never read */
	char member[128];                    /* which of the engine's is listened to, or "" */
	uint64_t asks, tries, conflicts;     /* changes asked of it, transactions for them, those that came too late */
	uint64_t resyncs, watches;           /* full reads, and how often listening was begun */
	uint64_t unpublished;                /* parts of own nodes whose leases others don't know as they are, */
	int64_t unpublished_since;           /* since then, seconds since the epoch; 0: none */
	uint32_t lost, doubled;              /* own nodes that were removed elsewhere, by force; or that a copy of the state file is, too */
	bool healthy;                        /* false: a change would fail now */
	char problem[1024];                  /* why, and since when */
	uint64_t stalled; /* for how many seconds the transaction that runs has waited for the disk; 0: none, or less than one */
	uint64_t commits, changes, failed_changes;
	uint64_t expired;    /* leases released by their ttl since the mount */
	uint64_t dropped;    /* ephemeral ones, whose last holder was gone */
	uint64_t after_boot; /* when it was opened: leases whose network namespaces were an earlier boot's */
	uint64_t queue;      /* changes that wait now */
};
void ipam_engine(struct ipam *ipam, struct ipam_engine *out);
/* The number of `stalled` alone, without a lock: for who asks often. */
uint64_t ipam_stalled(struct ipam *ipam);
/* From so many seconds on, a disk is one that hangs. */
enum { IPAM_STALLED = 5 };

/* The engine isn't the one that this machine knew, and is taken as it is: what it doesn't have is gone, as if it had been removed by
 * force. -EINVAL: it is the one; -EOPNOTSUPP without an engine. */
int ipam_accept_engine(struct ipam *ipam);
/* All that the engine has, asked anew, against what is here: that no two blocks overlap there, that keys and records of blocks agree
 * and are mirrored, that each address that this machine leases and others have published is in a block of its node and in one hand.
 * finding gets each thing that isn't so. 0: all was asked; -EHOSTUNREACH and the like, with a message: nothing was proved; -EBUSY: one is
 * under way; -EOPNOTSUPP without an engine. Blocks for seconds. */
struct ipam_audit {
	int64_t revision; /* the engine's, at which that was so */
	uint64_t clusters, nodes, blocks, resting, leases;
};
int ipam_audit(struct ipam *ipam, void (*finding)(void *arg, const char *text), void *arg, struct ipam_audit *out,
	       struct ipam_error *error);

/* What it did since the database was opened. */
enum { IPAM_BUCKETS = 12 };
struct ipam_histogram {
	const uint64_t *bounds;           /* of the buckets: up to and with; ascending */
	uint64_t count[IPAM_BUCKETS + 1]; /* in each; the last: above all bounds */
	uint64_t sum;
};
enum ipam_release { IPAM_RELEASE_REQUEST, IPAM_RELEASE_EXPIRED, IPAM_RELEASE_CLOSED, IPAM_RELEASE_REBOOT, IPAM_RELEASES };
enum ipam_failure {
	IPAM_FAILURE_NO_ADDRESS,
	IPAM_FAILURE_QUOTA,
	IPAM_FAILURE_IN_USE,
	IPAM_FAILURE_NOT_AVAILABLE,
	IPAM_FAILURE_EXISTS,
	IPAM_FAILURE_INVALID,
	IPAM_FAILURE_DISK_FULL,
	IPAM_FAILURE_IO,
	IPAM_FAILURE_OTHER,
	IPAM_FAILURES
};
extern const char *const ipam_release_name[IPAM_RELEASES], *const ipam_failure_name[IPAM_FAILURES];
struct ipam_meters {
	uint64_t allocations, commit_failures;
	uint64_t releases[IPAM_RELEASES];       /* of leases, by why */
	uint64_t failures[IPAM_FAILURES];       /* of allocations, by why */
	struct ipam_histogram allocation;       /* nanoseconds from the request to the answer */
	struct ipam_histogram commit;           /* nanoseconds of a transaction */
	struct ipam_histogram batch;            /* changes in one */
	uint64_t history_rows, history_expired; /* events stored; removed by retention */
};
void ipam_meters(struct ipam *ipam, struct ipam_meters *out);

/* Validate a name as ipam_make does: 0, -EINVAL, -ENAMETOOLONG. */
int ipam_check_name(enum ipam_kind kind, const char *name);

#endif
