/* removed — what was removed by its name and is open still, a directory that somebody is in among it: its attributes and a lease's text
 * as they were, until the kernel forgets it.
 *
 * Only what the kernel removed itself: it knows then that the name is gone. Where the daemon ended a lease (a ttl, 'release', a
 * descriptor's end) the kernel may still lead somebody from the name to the inode, and ESTALE makes it look the name up.
 * What is here lies in slots of open files (resume/state.h), so that the next worker has it. There are so many at most; the oldest go
 * first, and are ESTALE, too. Thread-safe.
 */
#ifndef IPAMFS_REMOVED_H
#define IPAMFS_REMOVED_H

#include "fs/fs.h"
#include "fs/resume/handle.h"

struct removed;
struct removals;

int removals_new(struct removals **out); /* -ENOMEM */
void removals_free(struct removals *all);

/* What stands under this name, before it is removed. NULL: nothing, or no memory, and then it is ESTALE. */
struct removed *removed_of(struct fs *fs, fuse_ino_t parent, const char *name);
/* It is removed, before the kernel is told so; or it isn't. NULL is fine. */
void removed_settle(struct fs *fs, struct removed *r, bool gone);
/* The kernel has no use for it any more. */
void removed_forget(struct fs *fs, fuse_ino_t ino);

/* As it is since: all -ENOENT where it isn't here. */
int removed_stat(struct fs *fs, fuse_ino_t ino, struct stat *st);
/* which: enum ipam_set of a. */
int removed_set(struct fs *fs, fuse_ino_t ino, unsigned which, const struct ipam_attr *a, struct stat *st);
/* How many bytes, without the NUL. */
int removed_text(struct fs *fs, fuse_ino_t ino, char out[IPAM_LEASE_TEXT]);

handle_reopen removed_reopen;

#endif
