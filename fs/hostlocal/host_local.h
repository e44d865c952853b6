/* host_local — the layout that the CNI plugin host-local keeps under its dataDir, as a view of a node's leases:
 *
 *   host-local/NETWORK/              a directory a network
 *     lock                           what it takes its flock on
 *     last_reserved_ip.N             the address given last from the Nth range set
 *     10.244.0.7                     a file an address: the container's id, CRLF, the interface's name
 *
 * A file is a lease whose attribute 'network' is the directory's name, made this way or any other. One that is created
 * here is ephemeral until its content is written, so a creator that dies in between leaves nothing.
 */
#ifndef IPAMFS_HOST_LOCAL_H
#define IPAMFS_HOST_LOCAL_H

#include "fs/tree/inode.h"

struct listing;

int host_local_lookup(struct fs *fs, struct node_ref parent, const char *name, fuse_ino_t *out);
int host_local_stat(struct fs *fs, struct node_ref ref, struct ipam_attr *attr, mode_t *type, off_t *size);
int host_local_list(struct fs *fs, struct node_ref ref, struct listing *l);
int host_local_open(struct fs *fs, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi);
file_store *host_local_store(struct node_ref ref); /* NULL: not to be written */
void host_local_create(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name, mode_t mode,
		       const struct fuse_file_info *fi);
void host_local_unlink(struct fs *fs, struct ipam_by by, struct node_ref parent, const char *name, ipam_done *done, void *arg);
void host_local_mkdir(struct fs *fs, fuse_req_t req, struct node_ref parent, const char *name);

#endif
