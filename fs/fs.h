/* fs — what the files of the mount share: the mount itself, and who asks.
 *
 * struct fs is made before the session and outlives it; its fields don't change while requests run, but for the counters.
 */
#ifndef IPAMFS_FS_H
#define IPAMFS_FS_H

#include "fs/base/options.h"
#include "fs/resume/channel.h"
#include "ipam.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdatomic.h>

struct node_ref;

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
	const struct control *control; /* the files in the .ipam directories: rows, */
	unsigned controls;             /* so many */
	const struct generated_ops *generated;
	const struct subtree_ops *host_local; /* what host-local sees */
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

/* What writing a whole text to a file means: as ipam_write. */
typedef void file_store(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
			void *arg);

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

static inline struct fs *fs_of(fuse_req_t req, enum fs_operation operation)
{
	struct fs *fs = fuse_req_userdata(req);

	atomic_fetch_add_explicit(&fs->requests[operation], 1, memory_order_relaxed);
	return fs;
}

#endif
