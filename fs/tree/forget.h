/* forget — what is made or released without the kernel's hearing of it by a request of its own: it must be told. */
#ifndef IPAMFS_FORGET_H
#define IPAMFS_FORGET_H

#include "fs/fs.h"

/* Another machine has made, changed or removed it, of which the kernel doesn't know. */
void fs_forget(struct fs *fs, enum ipam_kind kind, uint64_t parent, uint64_t id);
/* Release it, whatever its generation. */
void fs_release_lease(struct fs *fs, uint64_t lease, struct ipam_by by, ipam_done *done, void *arg);
/* As ipam_release. */
void fs_release_unchanged(struct fs *fs, uint64_t lease, uint32_t generation, bool unused, struct ipam_by by, ipam_done *done, void *arg);
/* A lease is gone, or its text is another one, and the kernel hasn't heard of it from a request of its own. */
void fs_forget_lease(struct fs *fs, uint64_t node, uint64_t lease);
/* What a worker before has made: as ipam_make, which has succeeded. */
void answer_made(struct fs *fs, enum ipam_kind kind, uint64_t parent, const char *name, ipam_done *done, void *arg);

#endif
