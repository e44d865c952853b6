/* invalidate — tells the kernel that what it knows of a file is so no longer: its attributes, and with them whether it is there at all.
 *
 * Only in the one way that never waits. To forget a name (FUSE_NOTIFY_INVAL_ENTRY) the kernel takes the directory's lock, and to drop
 * pages it waits for those that are being read. A client may hold either while only this daemon can answer it, and nothing ends a
 * thread that waits so: killed there, a daemon never closes its descriptor of the mount, and all clients hang for ever.
 *
 * Neither is needed. The kernel asks for the attributes of whatever a name leads it to; where that is gone it hears ESTALE and looks
 * the name up. Pages of a text that was changed are dropped by the next open (tree/file.c).
 */
#ifndef IPAMFS_INVALIDATE_H
#define IPAMFS_INVALIDATE_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

struct notify;

int notify_new(struct notify **out); /* -ENOMEM */
/* The mount's descriptor. What was to be told before is told now. */
void notify_start(struct notify *n, int device);
bool notify_started(struct notify *n);
/* The attributes of ino are not as the kernel knows them. May be called from anywhere. */
void notify_inode(struct notify *n, fuse_ino_t ino);
void notify_free(struct notify *n); /* NULL is fine */

#endif
