/* device — mounting and unmounting, and no more of FUSE. */
#ifndef IPAMFS_DEVICE_H
#define IPAMFS_DEVICE_H

#include "options.h"

/* The mount's descriptor, the caller's; -errno with a message. */
int device_mount(const struct options *options, struct ipam_error *error);
/* Closes it, and unmounts if nobody has. */
void device_unmount(int device, const char *mountpoint);

#endif
