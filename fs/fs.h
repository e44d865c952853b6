/* fs — what the files of the mount share: the handle, node ids, attributes, and who answers what.
 *
 * struct fs is made before the session and outlives it; its fields don't change while requests run, but for the counters.
 */
#ifndef IPAMFS_FS_H
#define IPAMFS_FS_H

#include "buffer.h"
#include "handle.h"
#include "ipam.h"
#include "options.h"
#include "wire.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdatomic.h>

struct notify;
struct rendered;
struct renditions;

/* One row an operation: its name is the counter's, requests_NAME in .ipam/stats. */
/* clang-format off */
#define FS_OPERATIONS(X) \
	X(lookup) X(getattr) X(setattr) X(readlink) X(mknod) X(mkdir) X(unlink) X(rmdir) X(symlink) X(rename) X(link) \
	X(open) X(read) X(write) X(release) X(fsync) X(opendir) X(readdir) X(readdirplus) X(releasedir) X(fsyncdir) \
	X(statfs) X(setxattr) X(getxattr) X(listxattr) X(removexattr) X(create) X(poll) X(flush)
/* clang-format on */

enum fs_operation {
#define X(name) FS_##name,
	FS_OPERATIONS(X)
#undef X
		FS_OPERATION_COUNT
};

struct fs {
	struct options options;
	struct ipam *ipam;
	struct fuse_session *session;
	struct notify *notify;
	struct holders *holders;
	struct handles *handles;
	struct removals *removals;
	struct stream *stream;
	struct past *past;
	struct reports *reports;
	struct renditions *renditions;
	struct keep *keep;            /* what outlives this process, and */
	struct wire *wire;            /* the descriptor that does */
	struct keep_answers *answers; /* requests that a worker before stored and did not answer */
	struct pulse *pulse;
	struct ipam_ahead *ahead;  /* while it starts: what it read while another worker served, */
	struct ipam_touched since; /* what has changed since, */
	uint64_t *since_memory;
	uint64_t opened;     /* the last event there was when the database was opened, */
	uint64_t first_id;   /* and the first id that was nothing's */
	int64_t mounted;     /* when: nanoseconds since the epoch */
	atomic_uint writing; /* leases that are being written */
	_Atomic uint64_t requests[FS_OPERATION_COUNT];
};

extern const struct fuse_lowlevel_ops fs_operations;

/* The error to answer where the kernel asked by node id. ESTALE makes it look the name up again, if it came by one. */
static inline int fs_of_inode(int error)
{
	return error == -ENOENT ? -ESTALE : error;
}

/* Who asks: by the thread that handles the request. */
static inline struct ipam_by fs_by(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct ipam_by){ ctx->uid, (uint32_t)ctx->pid, wire_current()->unique, wire_current()->again };
}

/* The same for what follows from a request, when its first change is stored. */
static inline struct ipam_by fs_by_then(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct ipam_by){ .uid = ctx->uid, .pid = (uint32_t)ctx->pid };
}

/* The request that this thread handles was stored by a worker that was killed before it answered: it is to be answered as if it
 * had just succeeded. */
static inline bool fs_was_stored(const struct fs *fs)
{
	const struct wire_request *r = wire_current();

	return r->again && keep_answers_has(fs->answers, r->unique);
}

/* ---- node ids: stateless. The top byte says what it is, the next one which of those, the rest is the id in the database.
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
struct timespec node_time(int64_t nanoseconds);
void node_stat_object(const struct fs *fs, const struct ipam_object *object, struct stat *st);
/* Look a name up: the entry for the kernel, timeouts included. */
int node_lookup(struct fs *fs, fuse_ino_t parent, const char *name, struct fuse_entry_param *out);
void node_entry(const struct fs *fs, const struct ipam_object *object, struct fuse_entry_param *out);
double node_timeout(fuse_ino_t ino);
/* Where a link of by-ip points. */
int node_readlink(struct fs *fs, struct node_ref ref, struct buffer *out);
extern const char node_readme[];

/* ---- directories (dir.c) */
struct listing;
/* Add an entry while a listing is made: 0, -ENOMEM. */
int listing_add(struct listing *l, const char *name, fuse_ino_t ino, mode_t type);
/* As the caller may see it. */
int listing_open(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* To be called before it is read from its beginning: a rewound directory is read anew. */
int listing_begin(struct fs *fs, struct listing *l);
/* Fill buf with what comes after the entry with this offset: bytes used. */
size_t listing_fill(struct fs *fs, fuse_req_t req, const struct listing *l, off_t from, bool plus, char *buf, size_t size);

/* What a worker before has made: as ipam_make, which has succeeded. (ops.c) */
void answer_made(struct fs *fs, enum ipam_kind kind, uint64_t parent, const char *name, ipam_done *done, void *arg);

/* ---- attributes (xattr.c): the answers to the requests */
void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ---- open files (handle.h). fi->fh 0: a file that needs nothing kept (README) */
void fs_reply_part(fuse_req_t req, const char *data, size_t have, size_t size, off_t off);
/* What writing a whole text to a file means: as ipam_write. */
typedef void file_store(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
			void *arg);
/* A file with this content, which is taken over, and what writing to it means. */
int file_open_text(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, struct buffer *content, file_store *store);
/* One to read p, which is taken over, by a node id that was counted as open (rendition.h); also where it fails. */
int file_open_made(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, struct rendered *p);
/* A file in host-local's layout was made: hold its lease while it is open. */
int file_hold(struct fs *fs, struct fuse_file_info *fi, uint64_t lease);
/* Another machine has made, changed or removed it, of which the kernel doesn't know. */
void fs_forget(struct fs *fs, enum ipam_kind kind, uint64_t parent, uint64_t id);
/* Release it: as ipam_release. */
void fs_release_lease(struct fs *fs, uint64_t lease, struct ipam_by by, ipam_done *done, void *arg);
/* A lease is gone, or its text is another one, and the kernel hasn't heard of it from a request of its own. */
void fs_forget_lease(struct fs *fs, uint64_t node, uint64_t lease);

/* ---- who holds ephemeral leases open (holders.c) */
struct holders;
int holders_new(struct holders **out);
void holders_free(struct holders *h);
/* An open file description more: 0, -ENOMEM, -ENOENT if the lease has ended. Any lease may be held; *held says whether it
 * needs holders_leave. made: whoever made it holds it now, so it ends with its last holder from here on. Before, others may have
 * seen it, and opened and closed it. */
int holders_take(struct fs *fs, uint64_t lease, bool made, bool *held);
/* One less. With the last one the lease ends, if it is ephemeral still. */
void holders_leave(struct fs *fs, uint64_t lease);
/* One that a worker before had open: until the sweep whoever made it may still be to be answered. -ENOMEM. */
int holders_again(struct fs *fs, uint64_t lease);
/* Once all is answered that a worker before had read: drop ephemeral leases of its time that nobody holds, those of files that
 * were closed while no worker ran. */
void holders_sweep(struct fs *fs);

/* ---- the connection that reads the past (history.c) */
int past_new(struct past **out);
void past_free(struct past *p);
int past_read(struct fs *fs, const struct ipam_history_query *q, int (*fn)(void *arg, const struct ipam_history_event *event), void *arg);

/* ---- host-local's layout (host_local.c) */
int host_local_lookup(struct fs *fs, struct node_ref parent, const char *name, fuse_ino_t *out);
int host_local_stat(struct fs *fs, struct node_ref ref, struct ipam_attr *attr, mode_t *type, off_t *size);
int host_local_list(struct fs *fs, struct node_ref ref, struct listing *l);
int host_local_open(struct fs *fs, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi);
file_store *host_local_store(struct node_ref ref); /* NULL: not to be written */
void host_local_create(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name, mode_t mode,
		       const struct fuse_file_info *fi);
void host_local_unlink(struct fs *fs, struct ipam_by by, struct node_ref parent, const char *name, ipam_done *done, void *arg);
void host_local_mkdir(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name);

/* ---- files (file.c): open, read, write, release */
void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi);
void fs_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph);
void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
/* Bytes at the end of a text that wait for the rest of their line, after a write of so many to it (file_write.c). */
size_t fs_cut_line(const char *text, size_t n, size_t written);

static inline struct fs *fs_of(fuse_req_t req, enum fs_operation operation)
{
	struct fs *fs = fuse_req_userdata(req);

	atomic_fetch_add_explicit(&fs->requests[operation], 1, memory_order_relaxed);
	return fs;
}

#endif
