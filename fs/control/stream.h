/* stream — who reads events: one ring of lines for all, a place in it for each.
 *
 * However many readers there are and however slow, an event costs the committer one line's copy, and memory stays within
 * the ring. Whoever falls out of it is told how many lines of his he missed. A thread of its own answers reads that wait.
 */
#ifndef IPAMFS_STREAM_H
#define IPAMFS_STREAM_H

#include "fs/resume/handle.h"
#include "fs/tree/inode.h"

struct stream;

int stream_start(struct fs *fs, struct stream **out); /* -ENOMEM, -EAGAIN */
/* For ipam_options.event: arg is the stream's owner, see process/worker.c. */
void stream_event(struct stream *s, const struct ipam_event *event);
/* When a worker takes over, and all readers are open again: what they still have to hear is read from the past. */
void stream_resume(struct stream *s);
/* Ends the thread; with answer_all, all that wait get an end of file, else they are left to the next worker. Before the session
 * goes. NULL is fine. */
void stream_stop(struct stream *s, bool answer_all);
void stream_free(struct stream *s); /* once no reader is open */

int events_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi);
handle_reopen events_reopen;

struct stream_numbers {
	uint64_t readers, events, dropped; /* open now; told, missed by readers since the mount */
};
void stream_numbers(struct stream *s, struct stream_numbers *out);

#endif
