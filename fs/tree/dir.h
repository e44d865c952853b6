/* dir — directories that are open: what they list. */
#ifndef IPAMFS_DIR_H
#define IPAMFS_DIR_H

#include "fs/fs.h"
#include "fs/resume/handle.h"

struct listing;
/* Add an entry while a listing is made: 0, -ENOMEM. */
int listing_add(struct listing *l, const char *name, fuse_ino_t ino, mode_t type);
/* As the caller may see it. */
int listing_open(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* To be called before it is read from its beginning: a rewound directory is read anew. */
int listing_begin(struct fs *fs, struct listing *l);
/* Fill buf with what comes after the entry with this offset: bytes used. */
size_t listing_fill(struct fs *fs, fuse_req_t req, const struct listing *l, off_t from, bool plus, char *buf, size_t size);

handle_reopen listing_reopen;

#endif
