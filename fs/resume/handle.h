/* handle — open files and directories: what the kernel's number of one means, also to the worker that comes after this one.
 *
 * An open file has a slot in the memory that outlives the worker (resume/state.h), by whose number and sequence the kernel knows it, and a
 * handle here. When a worker takes over, each handle is made again from its slot, before any request comes.
 */
#ifndef IPAMFS_HANDLE_H
#define IPAMFS_HANDLE_H

#include "fs/resume/state.h"

#include <fuse_lowlevel.h>

struct fs;

struct handle {
	const struct handle_ops *ops;
	uint32_t slot;
};
struct handle_ops {
	void (*read)(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags); /* O_NONBLOCK */
	void (*write)(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off);
	void (*fsync)(struct fs *fs, fuse_req_t req, struct handle *h); /* NULL: what the node id's object needs */
	/* A descriptor of it is closed, whose close hears the answer; NULL: nothing is to be done (fi->noflush). There may be others, and
	 * they may be another process's: whoever is forked closes what he was given. */
	void (*flush)(struct fs *fs, fuse_req_t req, struct handle *h);
	/* Answers, and takes over the poll handle; NULL: always ready. */
	void (*poll)(struct fs *fs, fuse_req_t req, struct handle *h, struct fuse_pollhandle *ph);
	void (*release)(struct fs *fs, fuse_req_t req, struct handle *h);
	void (*discard)(struct fs *fs, struct handle *h); /* release, but nobody asked: the open was interrupted */
};

struct handles;
int handles_new(struct keep *keep, struct handles **out);
void handles_free(struct handles *hs); /* NULL is fine; what is open stays as it is in its slots */
/* From its slot: each kind's own. fd: the slot's file, to be taken over, or -1. */
typedef int handle_reopen(struct fs *fs, struct keep_slot *slot, int fd, struct handle **out);
/* All that a worker before had open; reopen: KEEP_KINDS of them, by kind; descriptor: of the files that were held for slots, by slot.
 * Before any request. */
struct handle_file {
	uint32_t slot;
	int fd;
};
void handles_reopen(struct fs *fs, handle_reopen *const *reopen, struct handle_file *file, size_t files);

/* Give it a slot, whose content the caller fills in before the answer is sent; request: the one that opens it. -ENFILE. */
int handle_open(struct fs *fs, struct handle *h, enum keep_kind kind, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi);
/* Its file is held by the supervisor, too, for the next worker; it counts as uid's. -EMFILE, -ENFILE: he has, or all have, too many. */
int handle_hold(struct fs *fs, const struct handle *h, int fd, uint32_t uid);
/* Free the slot. */
void handle_close(struct fs *fs, struct handle *h);
/* The kernel closes one that could not be made again. */
void handle_forget(struct fs *fs, const struct fuse_file_info *fi);
struct keep_slot *handle_slot(struct fs *fs, const struct handle *h);
/* NULL: none, or one that could not be made again. */
struct handle *handle_of(struct fs *fs, const struct fuse_file_info *fi);

/* An open or a create is refused: what a worker before had opened for it is discarded. */
void handle_refused(struct fs *fs, uint64_t request);
/* Answer an open or a create; where the kernel doesn't want it any more, the handle is discarded. */
void handle_reply_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi);
void handle_reply_create(struct fs *fs, fuse_req_t req, const struct fuse_entry_param *e, struct fuse_file_info *fi);

#endif
