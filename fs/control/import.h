/* import — the file 'import' of a cluster: leases and nodes that were made elsewhere, written as JSON, taken by fsync all at once or
 * not at all; where it is open for writing alone, as cat and cp have it, also when whoever wrote closes it.
 *
 * base/foreign.h says how it is written; what leases.json shows can be written here.
 * Reading the same descriptor afterwards tells what was refused and why.
 */
#ifndef IPAMFS_IMPORT_H
#define IPAMFS_IMPORT_H

#include "fs/resume/handle.h"
#include "fs/tree/inode.h"

int import_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi);
handle_reopen import_reopen;

#endif
