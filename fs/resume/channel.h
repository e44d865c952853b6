/* channel — how requests come from the kernel and answers go there, so that a worker goes on where the one before it ended.
 *
 * The first worker on a mount hears the kernel's INIT and keeps it. A later one is told the same INIT again, from there; its answer
 * goes nowhere, since the kernel has one. Then the kernel is asked to send again what was read and not answered
 * (FUSE_NOTIFY_RESEND, since Linux 6.9); such a request has its old number, with the top bit set. Where it can't, these requests are
 * refused with EIO.
 *
 * A request may be what a worker dies by. Those that two have died with are handled one at a time from then on, and nothing beside them;
 * one by which two more die so is refused, and no other.
 */
#ifndef IPAMFS_CHANNEL_H
#define IPAMFS_CHANNEL_H

#include "fs/resume/state.h"

#include <fuse_lowlevel.h>

struct wire;

/* Of the request that this thread is handling. */
struct wire_request {
	uint64_t unique; /* without the bit */
	bool again;      /* a worker before may have done it */
	uint32_t uid;    /* whose it is */
	uint64_t poll;   /* of a POLL: the kernel's handle; else 0 */
	uint64_t files;  /* of a WRITE or a FLUSH: whose table of descriptors it came through; else 0 */
};
const struct wire_request *wire_current(void);

/* -ENOTSUP: the library was built without what wire_start needs, as the newest are unless they are told otherwise. The session is for
 * nothing else any more; fd is any descriptor, and stays the caller's. */
int wire_possible(struct fuse_session *session, int fd);
/* Requests of this session come from the descriptor, which is the session's to close. resend: false: as on an older kernel.
 * -errno. */
int wire_start(struct fuse_session *session, struct keep *keep, int fd, bool resend, struct wire **out);
void wire_free(struct wire *w); /* NULL is fine */
/* The mount is gone. */
bool wire_unmounted(const struct wire *w);
/* How requests come. */
struct wire_load {
	bool waiting;   /* requests wait in the kernel */
	uint64_t taken; /* requests read so far */
	bool caught_up; /* what a worker before had read and not answered has been read again */
};
void wire_load(const struct wire *w, struct wire_load *out);
/* The request that this thread is handling waits for something else, and does nothing meanwhile. */
void wire_parked(struct wire *w);
/* Wake who polls by this handle. */
void wire_wake(struct wire *w, uint64_t poll);

#endif
