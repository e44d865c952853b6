/* access — whose eyes a report is made for: of a node's leases it tells those who may read the node's directory. */
#ifndef IPAMFS_ACCESS_H
#define IPAMFS_ACCESS_H

#include "fs/tree/inode.h"

struct viewer {
	uid_t uid;
	gid_t gid;
	size_t groups;
	gid_t *group; /* the others; the viewer's to free */
};

/* Who asks. -ENOMEM. */
int viewer_of(fuse_req_t req, struct viewer *out);
void viewer_free(struct viewer *v);
bool viewer_same(const struct viewer *a, const struct viewer *b);
/* Bytes that are equal for the same viewers alone; the caller's to free. NULL: no memory. */
char *viewer_key(const struct viewer *v, size_t *size);
/* May he list a directory of this owner and mode, and look at what is in it: as the kernel decides it, by what stat shows. */
bool viewer_sees(const struct fs *fs, const struct viewer *v, const struct ipam_attr *attr);
/* May he do there what these bits of a directory's mode say? An ipam_may whose argument is a struct viewing. */
struct viewing {
	const struct fs *fs;
	const struct viewer *viewer;
};
bool viewer_may(void *viewing, const struct ipam_attr *node, unsigned bits);
/* The same of a node. What a node held that is gone is for root alone. Takes the lock for looking. */
bool viewer_sees_node(struct fs *fs, const struct viewer *v, uint64_t node);
/* The classes of a directory's mode that may list it and look into it, as those bits of a file's (4) or of a directory's (5). */
mode_t viewer_classes(mode_t mode, unsigned bits);
/* A link in by-ip tells of what is in a node: 0, -EACCES, -ENOENT, -ENOMEM. */
int viewer_check_link(struct fs *fs, fuse_req_t req, struct node_ref ref);

#endif
