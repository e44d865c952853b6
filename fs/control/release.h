/* release — releases that the kernel doesn't hear of by an unlink of the lease's own name: it must be told. */
#ifndef IPAMFS_RELEASE_H
#define IPAMFS_RELEASE_H

#include "fs/fs.h"

/* Another machine has made, changed or removed it, of which the kernel doesn't know. */
void fs_forget(struct fs *fs, enum ipam_kind kind, uint64_t parent, uint64_t id);
/* Release it: as ipam_release. */
void fs_release_lease(struct fs *fs, uint64_t lease, struct ipam_by by, ipam_done *done, void *arg);
/* A lease is gone, or its text is another one, and the kernel hasn't heard of it from a request of its own. */
void fs_forget_lease(struct fs *fs, uint64_t node, uint64_t lease);

/* What is written to 'release', 'remove' and 'accept'. */
file_store release_store, remove_store, accept_store;

#endif
