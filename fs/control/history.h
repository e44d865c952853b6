/* history — the files 'history': lines of the past, read from the database a portion at a time, so that any length of it costs one
 * portion's memory. What came after the open is not in it. */
#ifndef IPAMFS_HISTORY_H
#define IPAMFS_HISTORY_H

#include "fs/resume/handle.h"
#include "fs/tree/inode.h"

/* The connection that reads the past. */
int past_new(struct past **out);
void past_free(struct past *p);
int past_read(struct fs *fs, const struct ipam_history_query *q, int (*fn)(void *arg, const struct ipam_history_event *event), void *arg);

int history_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi);
handle_reopen history_reopen;

#endif
