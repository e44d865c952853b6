/* ops — the requests of the kernel: each is decoded, and answered when what it means is done. */
#ifndef IPAMFS_OPS_H
#define IPAMFS_OPS_H

#include "fs/fs.h"

extern const struct fuse_lowlevel_ops fs_operations;

#endif
