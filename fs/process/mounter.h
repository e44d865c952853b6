/* mounter — one process mounts, and hands the mount to another, which serves it. So the one that serves may have a mount namespace of its
 * own, where what it mounted itself would be seen by nobody else. They meet at a socket in a directory that is root's. */
#ifndef IPAMFS_MOUNTER_H
#define IPAMFS_MOUNTER_H

#include "fs/base/options.h"
#include "fs/process/mount.h"

/* ---- the one that serves
 * Where it is waited for the other: a descriptor that can be polled, or -errno. What was there by that name goes; only this user may come.
 */
int mounter_listen(const char *path);
/* Who comes, and what it has mounted; the caller closes *peer. -errno: it was none of this user's, or it had nothing. */
int mounter_accept(int listener, const char *mountpoint, struct device *device, int *peer);
/* Tell it that its mount is served. */
void mounter_answer(int peer);

/* ---- the one that mounts
 * 0: it is mounted, and served. -errno with a message: it isn't mounted. Waits as long as the other does. */
int mounter_run(const struct options *options, struct ipam_error *error);

#endif
