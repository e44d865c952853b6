/* mount — the check of what a mount shows against its rows. */
#ifndef IPAMCTL_CHECK_MOUNT_H
#define IPAMCTL_CHECK_MOUNT_H

#include "ipamctl/check/findings.h"

/* The mount against the rows. */
void check_mount(struct check *c, const char *mount);

#endif
