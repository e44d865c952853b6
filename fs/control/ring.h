/* ring — the last lines of events, and what of them each reader has still to read. No threads and no locks: its owner's.
 *
 * A scope is what somebody reads the events of: the mount, a cluster, a node. Each counts its events, and a line carries its
 * numbers, so that a reader who falls out of the ring can be told how many of his own events he missed.
 */
#ifndef IPAMFS_RING_H
#define IPAMFS_RING_H

#include "fs/base/buffer.h"
#include "ipam.h"

enum {
	RING_LINES = 8192,
	RING_BYTES = 4 << 20,
	RING_SCOPES = 256, /* buckets */
	RING_LEVELS = 3,   /* mount, cluster, node: as enum ipam_kind counts them */
};

struct ring_line;
struct ring_scope;

struct ring {
	struct ring_line *line[RING_LINES];
	uint64_t oldest, next;
	size_t bytes;
	struct ring_scope *scope[RING_SCOPES];
	uint64_t dropped; /* lines that readers missed */
};

struct ring_reader {
	struct ring *ring;
	struct ring_scope *scope;
	enum ipam_kind level;
	uint64_t at;                            /* the line to look at next */
	uint64_t seen;                          /* of the scope's count */
	bool (*sees)(void *arg, uint64_t node); /* whether events of a node are for him; NULL: all are */
	void *arg;
	uint64_t number; /* of the event that was given last, if only in part; 0: none yet */
	bool resumes;    /* `number` says what has been seen, not `seen` */
	char *rest;      /* of a line that was longer than the read */
	size_t rest_size, rest_given;
};

void ring_add(struct ring *ring, const struct ipam_event *event);
/* Forget all lines; readers see that as dropped. */
void ring_clear(struct ring *ring);
void ring_free(struct ring *ring); /* scopes too: no reader may be left that is used again */

/* Reads what comes from now on, of the thing with this id. -ENOMEM. */
int ring_enter(struct ring *ring, enum ipam_kind level, uint64_t id, struct ring_reader *r);
void ring_leave(struct ring_reader *r);
/* Go on after the event with this number, of which the last `rest` bytes are still to be given; or go back to there. */
void ring_resume(struct ring_reader *r, uint64_t number, size_t rest);
bool ring_has_news(const struct ring_reader *r);
/* The next whole lines, up to `size` bytes; a longer line in parts. False: there are none for him. The text is the caller's to free. */
bool ring_take(struct ring_reader *r, size_t size, struct buffer *out);

#endif
