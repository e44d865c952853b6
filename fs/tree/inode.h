/* inode — node ids: what the kernel's number of a file or directory means, and what stat shows of it. */
#ifndef IPAMFS_INODE_H
#define IPAMFS_INODE_H

#include "fs/fs.h"

#include <sys/stat.h>

struct buffer;

/* Node ids are stateless. The top byte says what it is, the next one which of those, the rest is the id in the database.
 * So FORGET is nothing, and a daemon that was started again still knows every id that the kernel holds. */
enum node_type {
	NODE_ROOT, /* FUSE_ROOT_ID alone */
	NODE_README,
	NODE_CLUSTER,
	NODE_NODE,
	NODE_LEASE,
	NODE_CONTROL,     /* .ipam; which: the enum ipam_kind of its parent */
	NODE_FILE,        /* in .ipam; which: its row in the table of control files */
	NODE_ADDRESS,     /* a link in by-ip; which: family, + 2 in a node's; id: the lease */
	NODE_NETWORK,     /* a directory in host-local; id: the network */
	NODE_LOCK,        /* in that: host-local's lock; id: the network */
	NODE_LAST,        /* last_reserved_ip.N; which: N; id: the network */
	NODE_RESERVATION, /* the file of an address; which: family; id: the lease */
};

struct node_ref {
	enum node_type type;
	unsigned which;
	uint64_t id;
};

fuse_ino_t node_ino(enum node_type type, unsigned which, uint64_t id);
struct node_ref node_ref(fuse_ino_t ino);
/* The inode number that programs see, which isn't the node id: many hold it in a double, which has 53 bits, or in 32. It is twice the id of
 * what has one of its own, and odd for other things: below 2^53 for ids below 2^52, and 2^40. */
ino_t node_number(fuse_ino_t ino);
/* The lease with this number, or with the node id that was its number before; false: it is no lease's. */
bool node_numbered_lease(uint64_t number, uint64_t *lease);
/* The object of a root, cluster, node or lease: false for other types. */
bool node_object(struct node_ref ref, enum ipam_kind *kind);
fuse_ino_t node_of_object(enum ipam_kind kind, uint64_t id);
/* The kind of what a directory holds, if it is one where things are made: false otherwise. */
bool node_child_kind(struct node_ref ref, enum ipam_kind *kind);

/* Nanoseconds since the epoch. */
struct timespec node_time(int64_t t);
/* Fill a stat. -ENOENT where it is gone. */
int node_stat(struct fs *fs, fuse_ino_t ino, struct stat *st);
/* Its size, and the blocks of it. */
void node_size(struct stat *st, off_t size);
void node_stat_object(const struct fs *fs, const struct ipam_object *object, struct stat *st);
/* Look a name up: the entry for the kernel, timeouts included. */
int node_lookup(struct fs *fs, fuse_ino_t parent, const char *name, struct fuse_entry_param *out);
void node_entry(const struct fs *fs, const struct ipam_object *object, struct fuse_entry_param *out);
double node_timeout(const struct fs *fs, fuse_ino_t ino);
/* Where a link of by-ip points. */
int node_readlink(struct fs *fs, struct node_ref ref, struct buffer *out);
extern const char node_readme[];

#endif
