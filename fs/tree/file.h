/* file — an open lease, or an open control file whose content is a text.
 *
 * Its fields are changed by one request at a time: the kernel lets one writer into a file, and who closes it meanwhile finds it busy. */
#ifndef IPAMFS_FILE_H
#define IPAMFS_FILE_H

#include "fs/resume/handle.h"
#include "fs/tree/access.h"
#include "fs/tree/inode.h"

struct buffer;
struct rendered;

/* An open file.
 * Written bytes are gathered, so that a text that comes in several writes is taken as the whole it is meant to be; each
 * write is tried at once, since its errno is the only way to tell the writer. Only of a text that a program cuts at its
 * buffer's end, the last line waits for its rest. */
struct file {
	struct handle handle;
	atomic_uint users; /* open, and those who read content now */
	struct node_ref ref;
	fuse_ino_t ino, parent;
	bool created;        /* the lease was made by this open */
	uint64_t held_lease; /* an ephemeral lease that lasts while this is open, 0 none */
	file_store *store;   /* what writing means; NULL: not to be written */
	size_t text_max;
	bool append;
	char name[IPAM_NAME_MAX + 1]; /* of a created lease */
	atomic_flag busy;             /* a write is under way, or what a close makes of one */
	uint64_t request;             /* the last write whose text is in `text`, */
	int error;                    /* or with which it was refused */
	int kept;                     /* the file in which what is long outlives the worker; -1 none */
	bool cached;                  /* a lease, read through the page cache */
	char *content;                /* of a control file, or a lease that is only read: as it was at open */
	size_t size;
	struct rendered *made; /* whose content it is, not its own; NULL: it is */
	char *text;            /* written so far (appending: of what isn't stored yet) */
	size_t text_size;
	size_t held;          /* bytes at its end that wait for the rest of their line */
	uint64_t files;       /* whose table of descriptors it was written through last; 0 not known */
	off_t next;           /* where a write goes on with it */
	struct viewer opener; /* where what is written reaches into nodes */
};

/* Take it out of the table, with its claim on an ephemeral lease. */
void file_close(struct fs *fs, struct file *f);

/* ---- for what is opened in a way of its own. fi->fh 0: a file that needs nothing kept (README) */
void fs_reply_part(fuse_req_t req, const char *data, size_t have, size_t size, off_t off);
/* A file with this content, which is taken over, and what writing to it means. */
int file_open_text(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, struct buffer *content, file_store *store);
/* One to read p, which is taken over, by a node id that was counted as open (tree/rendition.h); also where it fails. */
int file_open_made(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, struct rendered *p);
/* A file in host-local's layout was made: hold its lease while it is open. */
int file_hold(struct fs *fs, struct fuse_file_info *fi, uint64_t lease);
handle_reopen file_reopen;

/* ---- the answers to the requests */
void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi);
void fs_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph);
void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

#endif
