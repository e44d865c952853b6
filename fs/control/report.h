/* report — control files whose content may be hundreds of megabytes: made at open as one snapshot, then read from a spool.
 *
 * Such a one is made by a thread of its own, one at a time, so that those which serve allocations stay free; who asks for the same one
 * while it waits its turn shares it. A short one is made by the thread that serves the request (control/generated.h).
 */
#ifndef IPAMFS_REPORT_H
#define IPAMFS_REPORT_H

#include "fs/base/spool.h"
#include "fs/resume/handle.h"
#include "fs/tree/access.h"

struct generated_wish;
struct rendered;

struct report_wish {
	unsigned row;        /* of the table of control files */
	enum ipam_kind kind; /* whose, */
	uint64_t id;
	struct viewer viewer; /* for whom */
};

/* Write it. *stop ends it early: -EINTR. 0, or an errno which the open is answered with. */
typedef int report_make(struct fs *fs, const struct report_wish *wish, atomic_bool *stop, struct spool *out);

struct reports;
int reports_start(struct fs *fs, struct reports **out);
/* What waits is refused, unless another worker takes over, to whom it comes again; then no report is made any more, but the open
 * ones can be read until reports_free. NULL is fine. */
void reports_stop(struct reports *r, bool refuse);
void reports_free(struct reports *r);
/* Answers the open. */
void report_ask(struct fs *fs, const struct generated_wish *asks);
/* An open file to read p from, as file_open_made; uid: whose descriptor it is. */
int report_open_made(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, uint32_t uid, struct rendered *p);
handle_reopen report_reopen;

#endif
