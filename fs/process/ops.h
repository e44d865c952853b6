/* ops — the requests of the kernel: each is decoded, and answered when what it means is done. */
#ifndef IPAMFS_OPS_H
#define IPAMFS_OPS_H

#include "fs/fs.h"

extern const struct fuse_lowlevel_ops fs_operations;

/* What a worker before has made: as ipam_make, which has succeeded. */
void answer_made(struct fs *fs, enum ipam_kind kind, uint64_t parent, const char *name, ipam_done *done, void *arg);

#endif
