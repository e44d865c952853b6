/* mountpoint — where an ipamfs is mounted. */
#ifndef IPAMCTL_MOUNTPOINT_H
#define IPAMCTL_MOUNTPOINT_H

#include <stdbool.h>

/* A negative errno that says that the mount has ended: what is asked next gets the same. */
bool mountpoint_ended(int error);
/* The database of a mount, for a directory that is one: true, and its path. */
bool mountpoint_source(const char *directory, char out[4096]);

#endif
