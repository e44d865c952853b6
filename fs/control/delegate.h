/* delegate — the file 'delegate' of a cluster: "NODE [KEY=VALUE ...] [CIDR ...]" a line makes that node, with these labels, and with
 * exactly these blocks or such as its labels let it have. Each write is a text of its own, taken whole or not at all before it returns.
 * Only of one that a program cuts at its buffer's end, the last line waits for its rest. Read through the same descriptor, it says
 * which blocks the nodes of the last write have. */
#ifndef IPAMFS_DELEGATE_H
#define IPAMFS_DELEGATE_H

#include "fs/resume/handle.h"
#include "fs/tree/inode.h"

int delegate_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi);
handle_reopen delegate_reopen;

#endif
