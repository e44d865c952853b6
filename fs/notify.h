/* notify — a thread that tells the kernel what it must forget, and then what waits for that.
 *
 * The kernel takes the lock of a directory for it, which a request that is being answered may hold: so never from a
 * request's handler, nor from the committer, on whom such requests wait.
 */
#ifndef IPAMFS_NOTIFY_H
#define IPAMFS_NOTIFY_H

#include <fuse_lowlevel.h>

struct notify;

int notify_start(struct fuse_session *session, struct notify **out);
/* Nobody answers the kernel any more: leave it alone from now on, and only do what waits. */
void notify_end(struct notify *n);
/* Does what is queued, then ends. NULL is fine. */
void notify_stop(struct notify *n);
/* The attributes and content of ino, and the entry `name` of parent (NULL: none), are not as the kernel knows them.
 * Then `then` is called, from the thread or, for want of memory, at once. May be called from anywhere. */
void notify_forget(struct notify *n, fuse_ino_t ino, fuse_ino_t parent, const char *name, void (*then)(void *arg),
		   void *arg);

#endif
