/* rendition — a generated file as it was at one moment, under a node id of its own.
 *
 * sendfile, splice and mmap go by the kernel's pages, and end at the size that the kernel knew when the file was opened: what it knows
 * of a node id, and not of an open file. So a text has a node id to itself, by which its size and its pages never change. A lookup gives
 * the id of the text as it is then; an open gets just that text. While the text stays the same, so does its id.
 *
 * What is too long to be made for a lookup is made at open, and the open is answered with ESTALE: the kernel looks the name up once more,
 * gets the id of what is ready by then, and opens that. By whom it is expected is the thread that asks.
 *
 * All functions are thread-safe.
 */
#ifndef IPAMFS_RENDITION_H
#define IPAMFS_RENDITION_H

#include "fs/base/spool.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>

/* What was made, and is the same for all who have it open: in s->mem where it has no file. */
struct rendered {
	atomic_uint users;
	struct spool spool;
	int64_t begun;   /* when: monotonic nanoseconds */
	int64_t changed; /* the last change that is in it: nanoseconds since the epoch */
	char *audience;  /* for whom it was made, where it depends on that: bytes that are compared; NULL: for all */
	size_t audience_size;
};
struct rendered *rendered_new(const char *spool); /* where it goes, NULL: to memory. NULL: there is none */
void rendered_enter(struct rendered *p);
void rendered_leave(struct rendered *p); /* NULL is fine */
off_t rendered_size(const struct rendered *p);

/* ---- node ids: the file's plain one, and those of its texts */
bool rendition_is(fuse_ino_t ino); /* a text's */
/* Its open was answered with ESTALE before, and isn't again, whatever has become of the text or of the worker. */
bool rendition_asked(fuse_ino_t ino);
fuse_ino_t rendition_plain(fuse_ino_t ino);

/* ---- the table */
struct renditions;
int renditions_new(struct renditions **out); /* -ENOMEM */
void renditions_free(struct renditions *r);  /* NULL is fine */
/* It is looked up: keep it for whoever opens it soon; the caller goes on to be a user. Its id: the one that the file's text has already,
 * if it is the same. The plain one: there is none left, or no memory. */
fuse_ino_t renditions_add(struct renditions *r, fuse_ino_t plain, struct rendered *p);
/* The file's text, if it is a second old at most and nothing has changed: the caller is a user then. NULL: there is none. */
struct rendered *renditions_recent(struct renditions *r, fuse_ino_t plain, int64_t changed);
bool renditions_stat(struct renditions *r, fuse_ino_t ino, off_t *size, int64_t *changed);

/* It is opened: what it is, of which the caller is a user then. *shared: somebody has it open already. NULL: it isn't kept, or is old: an
 * open without a lookup before it (of a file that is mounted elsewhere, or by a descriptor) gets what is now. */
struct rendered *renditions_open(struct renditions *r, fuse_ino_t ino, bool *shared);
/* This is open by that id, whatever else is (also of a worker before). -ENOMEM: its size isn't known then. Of a plain id nothing is noted:
 * each who has it open may have another text. */
int renditions_opened(struct renditions *r, fuse_ino_t ino, off_t size, int64_t changed);
void renditions_close(struct renditions *r, fuse_ino_t ino);

/* The thread will be told ESTALE, and looks the name up again: for this, of which the caller goes on to be a user; or with NULL for the
 * plain id, to write. False: no memory, or too many are awaited, so it must be answered otherwise. */
bool renditions_expect(struct renditions *r, fuse_ino_t plain, pid_t thread, struct rendered *p);
/* For what it looks up. */
bool renditions_expected(struct renditions *r, fuse_ino_t plain, pid_t thread, fuse_ino_t *ino);
/* Now and then: what killed clients don't come for goes. */
void renditions_tend(struct renditions *r);
/* It has come to open it. False: it wasn't expected. */
bool renditions_arrived(struct renditions *r, fuse_ino_t plain, pid_t thread);

#endif
