/* mount — mounting and unmounting, and no more of FUSE. */
#ifndef IPAMFS_MOUNT_H
#define IPAMFS_MOUNT_H

#include "fs/base/options.h"

#include <stdbool.h>
#include <stdint.h>

/* A mount. */
struct device {
	int fd;              /* of /dev/fuse, -1: there is none */
	int abort;           /* what is written here ends the connection, -1: it could not be opened */
	unsigned connection; /* its number, as the kernel counts them; 0: not known. Given to another when it has been unmounted */
	uint64_t mount;      /* the mount's, which no other is ever given; 0: the kernel doesn't tell (it does since Linux 6.8) */
};

/* Take off the mounts of other ipamfs that are there and dead, their connections closed: how many. A mount that serves, or hangs, or isn't
 * an ipamfs, stays. */
unsigned device_clear(const char *mountpoint);
/* -errno with a message. */
int device_mount(const struct options *options, struct device *out, struct ipam_error *error);
/* What another process has mounted there, and its number. */
void device_adopt(int fd, unsigned connection, const char *mountpoint, struct device *out);
/* Whoever waits for an answer hears that there is none; then it is unmounted, if nobody has, and closed. Nothing of it waits. false:
 * the connection ends only when whoever else has its descriptor closes that. */
bool device_unmount(struct device *device, const char *mountpoint);

#endif
