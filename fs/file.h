/* file — an open lease, or an open control file whose content is a text.
 *
 * Its fields are changed by one request at a time: the kernel lets one writer into a file, and who closes it meanwhile finds it busy. */
#ifndef IPAMFS_FILE_H
#define IPAMFS_FILE_H

#include "rendition.h"
#include "viewer.h"

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

/* Writing (file_write.c): its handle_ops' write, flush, and release, whose answer nobody waits for; and what writing to a lease means. */
void file_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off);
void file_flush(struct fs *fs, fuse_req_t req, struct handle *h);
void file_release(struct fs *fs, fuse_req_t req, struct handle *h);
file_store file_store_lease;

/* What of it outlives the worker (file_keep.c). It has its slot. */
/* At open: -ENOMEM, -ENFILE and the like. */
int file_keep_content(struct fs *fs, struct file *f);
/* After a write, with f->request. What can't be kept is lost only if the worker is, too: it is no reason to refuse. */
void file_keep_text(struct fs *fs, struct file *f);
/* From its slot; f->kept is the slot's file. -ENOMEM, -EIO. */
int file_again(struct fs *fs, struct file *f, const struct keep_slot *s);

#endif
