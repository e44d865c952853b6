/* state — what outlives a worker: memory that it shares with its supervisor, and files that the supervisor holds for it.
 *
 * A worker that is killed leaves here all that the next one needs to go on as if nothing had happened: the kernel's INIT, what is
 * open, which requests were being stored, what the kernel was still to be told. Everything is written so that it may end at any
 * instruction: a thing is filled first and then marked as there. Not on disk: a loss of power ends the mount as well.
 *
 * The layout is part of what a new version takes over from an old one: KEEP_VERSION grows with each change of it.
 * Functions are thread-safe unless they say otherwise.
 */
#ifndef IPAMFS_STATE_H
#define IPAMFS_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	KEEP_VERSION = 6,
	KEEP_HANDLES = 1 << 20, /* open files at a time */
	KEEP_STORING = 1 << 16, /* the last requests that were stored: far more than can be unanswered */
	KEEP_CHANGES = 1 << 14, /* the last files of which the kernel was to be told: more than a transaction has */
	KEEP_MARKS = 1 << 14,   /* the last leases of which something was to be written behind */
	KEEP_DROPS = 1 << 12,   /* the last ephemeral leases whose holders were gone */
	KEEP_SENT = 1 << 12,    /* threads that were told to look up again */
	KEEP_READ = 1 << 14,    /* requests read and not answered */
	KEEP_CONTENT = 128,
	KEEP_TEXT = 96, /* bytes that need no file */
	KEEP_INIT = 512,
};

/* An open file: what its handle is made of again. */
enum keep_kind {
	KEEP_FREE,
	KEEP_FILE,
	KEEP_DIRECTORY,
	KEEP_EVENTS,
	KEEP_HISTORY,
	KEEP_IMPORT,
	KEEP_DELEGATE,
	KEEP_REPORT,
	KEEP_REMOVED,
	KEEP_KINDS
};

enum {
	KEEP_CREATED = 1, /* made by this open */
	KEEP_CACHED = 2,  /* read through the page cache */
	KEEP_READS = 4,   /* has content */
	KEEP_APPENDS = 8,
	KEEP_STORED = 32,    /* a write succeeded */
	KEEP_CUT = 64,       /* a line that waits for its rest could not be kept: the next worker won't have it */
	KEEP_CLOSES = 128,   /* what was written is taken when it is closed, too */
	KEEP_RENDERED = 256, /* by a node id that is counted as open (tree/rendition.h) */
	KEEP_BIG = 16,       /* content and text are in the file that the supervisor has */
};

/* What was written so far. Two: one is valid while the other is being filled. */
struct keep_text {
	uint64_t request;    /* the write that was the last part of it */
	uint64_t size, held; /* held: of 'import' whose table of descriptors that write came through */
	int64_t next;        /* where it goes on; of 'delegate' the error that its rest gets */
	int32_t error;       /* other than 0: that write was refused */
};

struct keep_slot {
	_Atomic uint32_t kind;    /* set last, cleared first */
	uint32_t sequence;        /* how often it was used */
	_Atomic uint64_t opening; /* the request that opens it, until it is answered */
	uint64_t ino;
	uint32_t uid, gid;      /* who opened it, where that says what is in it */
	_Atomic uint64_t holds; /* an ephemeral lease, 0 none */
	_Atomic uint32_t flags;
	int64_t changed; /* of what was made at open: the last change in it */
	union {
		struct {
			uint64_t size;          /* of the content */
			_Atomic uint32_t which; /* text */
			struct keep_text text[2];
			char content[KEEP_CONTENT];
			char body[2][KEEP_TEXT];
		} file;
		struct { /* two, as above */
			_Atomic uint32_t which;
			struct keep_place {
				uint64_t request; /* the read that came to here */
				uint64_t number;  /* of the event that was given last */
				uint64_t rest;    /* bytes of its end that weren't */
			} place[3];               /* now, before, and being filled */
			_Atomic uint64_t poll;    /* the kernel's handle of one that polls */
		} events;
		struct {
			uint64_t last;
			_Atomic uint32_t which;
			struct {
				int64_t start;
				uint64_t after; /* the event before it */
			} portion[2];
		} history;
	};
};

struct keep_memory {
	uint32_t version, slot_size;
	uint64_t requests[2];       /* random: this mount's, whose requests are numbered as one */
	_Atomic uint64_t beat;      /* grows while the worker is well */
	_Atomic uint32_t workers;   /* how many there were */
	_Atomic bool left;          /* the last one left in good order */
	_Atomic bool ending;        /* the mount ends: what waits is answered */
	_Atomic bool unmounted;     /* it has ended */
	_Atomic uint64_t told;      /* ipam_options.told */
	_Atomic uint32_t init_size; /* the kernel's INIT; 0: not come yet */
	_Atomic bool init_answered;
	_Alignas(8) char init[KEEP_INIT];
	_Atomic uint32_t stored; /* counts what is in `storing` */
	struct {
		_Atomic uint64_t request, event;
	} storing[KEEP_STORING];
	_Atomic uint64_t changes, told_changes; /* how many were noted, and of how many the kernel has been told */
	_Atomic uint64_t change[KEEP_CHANGES];  /* node ids */
	_Atomic uint64_t marks, stored_marks;   /* ipam_options.marked: how many, and of how many all is stored */
	_Atomic uint64_t mark[KEEP_MARKS];
	_Atomic uint32_t drops;
	_Atomic uint64_t drop[KEEP_DROPS]; /* ids: no lease ever has one of these again */
	_Atomic int32_t sent[KEEP_SENT];   /* by their number: the kernel takes the answer ESTALE to an open once, whoever answers */
	_Atomic uint64_t read[KEEP_READ];
	_Atomic uint32_t deaths[KEEP_READ]; /* of workers that had read it, and not answered */
	_Atomic uint64_t suspect;           /* a request that is handled alone; 0 none */
	_Atomic uint64_t blamed;            /* the last one by which a worker died so, */
	_Atomic uint32_t blames;            /* and how many did in a row */
	_Atomic uint32_t slots;             /* that were ever used */
	struct keep_slot slot[KEEP_HANDLES];
};

struct keep {
	struct keep_memory *memory;
	int fd;     /* of that; the supervisor's, to be inherited */
	int socket; /* the worker's end: to the supervisor */
};

/* ---- for the supervisor */
int keep_new(struct keep *k); /* -errno */
/* As another program left it: k->fd is set. -ENOTSUP: of another layout. */
int keep_map(struct keep *k);
void keep_free(struct keep *k);

/* ---- messages between the two, a packet each; a descriptor may come with it */
enum keep_word {
	KEEP_READY,  /* worker: the database is open */
	KEEP_FAILED, /* worker: why not, in text */
	KEEP_DEVICE, /* supervisor: the descriptor of the mount; after it nothing comes but KEEP_HELD, and KEEP_GO */
	KEEP_HELD,   /* supervisor: the file of a slot, which the worker before had */
	KEEP_GO,
	KEEP_HOLD, /* worker: hold this file for a slot */
	KEEP_DROP, /* worker: no longer */
	/* When a worker is to be followed by another while it serves: */
	KEEP_TRACK,  /* supervisor: keep account of what you change */
	KEEP_TRACKS, /* worker: from now on */
	KEEP_AHEAD,  /* the next worker: what there is is read */
	/* The old worker, at its end: a file with what it has changed since; and the supervisor, to the next one: go on, from that, or
	 * with no file, from nothing. */
	KEEP_TOUCHED,
	KEEP_ASIDE, /* worker: a foreign file lies where the database's log should */
};
struct keep_message {
	uint32_t word, slot;
	char text[512];
};
/* fd: -1 none. 0 or -errno. */
int keep_send(int socket, const struct keep_message *m, int fd);
/* *fd: -1 none. 1; 0: the other end is gone; -errno. */
int keep_receive(int socket, struct keep_message *m, int *fd);

/* ---- for the worker */
/* Which requests were stored, though not answered. Once, before anything is changed: up to this event all is stored. */
struct keep_answers;
int keep_answers_load(struct keep *k, uint64_t event, struct keep_answers **out);
void keep_answers_free(struct keep_answers *a);
bool keep_answers_has(const struct keep_answers *a, uint64_t request);
void keep_storing(struct keep *k, uint64_t request, uint64_t event);
void keep_unstored(struct keep *k, uint64_t request);

/* ipam_options.marked and stored. One thread at a time. */
void keep_marked(struct keep *k, uint64_t lease);
void keep_stored(struct keep *k, uint64_t marks);
/* What a worker before had marked and not stored; forgets it. Once, before anything is marked. The memory is the caller's. -ENOMEM. */
int keep_lost(struct keep *k, uint64_t **lease, size_t *n);

/* An ephemeral lease ends, its last holder being gone. One thread at a time. */
void keep_dropped(struct keep *k, uint64_t lease);
/* The next worker ends them, too. */
void keep_each_dropped(struct keep *k, void (*fn)(void *arg, uint64_t lease), void *arg);

/* A file is about to be changed, of which the kernel is to be told. One thread at a time. */
void keep_changing(struct keep *k, uint64_t ino);
/* It has been told of all so far; by the same thread. */
void keep_changes_told(struct keep *k);
/* What it may not have been told of. */
void keep_each_change(struct keep *k, void (*fn)(void *arg, uint64_t ino), void *arg);

/* A request was read, by which so many workers may have died; or answered. */
void keep_read_add(struct keep *k, uint64_t unique, uint32_t deaths);
void keep_read_remove(struct keep *k, uint64_t unique);

/* Give a slot's file to the supervisor, or let it go. */
int keep_hold(struct keep *k, uint32_t slot, int fd);
void keep_drop(struct keep *k, uint32_t slot);

#endif
