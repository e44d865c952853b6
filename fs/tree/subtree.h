/* subtree — a directory in .ipam whose layout is another's: what the tree asks of it. Node ids from NODE_NETWORK on are its own. */
#ifndef IPAMFS_SUBTREE_H
#define IPAMFS_SUBTREE_H

#include "fs/tree/inode.h"

struct listing;

struct subtree_ops {
	int (*lookup)(struct fs *fs, struct node_ref parent, const char *name, fuse_ino_t *out);
	int (*stat)(struct fs *fs, struct node_ref ref, struct ipam_attr *attr, mode_t *type, off_t *size);
	int (*list)(struct fs *fs, struct node_ref ref, struct listing *l);
	int (*open)(struct fs *fs, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi);
	file_store *(*store)(struct node_ref ref); /* NULL: not to be written */
	void (*create)(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name, mode_t mode,
		       const struct fuse_file_info *fi);
	void (*unlink)(struct fs *fs, struct ipam_by by, struct node_ref parent, const char *name, ipam_done *done, void *arg);
	void (*mkdir)(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name);
};

#endif
