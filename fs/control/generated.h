/* generated — the files of .ipam whose content is made for who reads them: by which node ids the kernel knows them (tree/rendition.h), and
 * what is made when.
 *
 * One that is short is made for each lookup, so that stat tells its size. A long one is made at open, and until then has the size 0,
 * as a file has in /proc: programs take that for unknown.
 */
#ifndef IPAMFS_GENERATED_H
#define IPAMFS_GENERATED_H

#include "fs/tree/control.h"

struct rendered;
struct viewer;

/* The entry of a lookup, with the plain node id, gets that of the text as it is now. */
void generated_entry(struct fs *fs, fuse_req_t req, struct fuse_entry_param *e);
void generated_stat(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct stat *st);
/* Of one that is open, whose node or cluster is gone. -ENOENT: it isn't open. */
int generated_stat_gone(struct fs *fs, fuse_ino_t ino, struct stat *st);
/* What is told depends on who asks: note for whom this is. -ENOMEM */
int generated_for(struct rendered *p, const struct viewer *viewer);
extern const struct generated_ops generated_ops;

/* An open that waits for its content. */
struct generated_wish {
	fuse_req_t req;
	uint64_t request; /* its number, by which it is known when it comes again */
	fuse_ino_t ino;
	bool direct; /* it can't be asked to look the name up again */
	struct fuse_file_info fi;
};
/* Answer it with what was made, of which the caller goes on to be a user; uid: whose descriptor it is. */
void generated_ready(struct fs *fs, struct generated_wish *w, uint32_t uid, struct rendered *p);

#endif
