/* remote — where many machines share one engine (etcd): what they share goes through it first, and is then mirrored here.
 *
 * Clusters, nodes and the delegation of blocks are the engine's; leases are each machine's own. A change of what is shared is
 * asked of the engine in a transaction that holds only if nobody was faster (request.h); what it has done comes back through a
 * watch and becomes, by one thread and in the engine's order, this machine's memory and database (mirror.h). Who asked is
 * answered then. Leases of own nodes never wait for any of this. They are published behind (publish.h).
 *
 * Threads: `sync` reads all there is, then watches; `pulse` says that this machine is there (presence.h) and publishes; a few
 * workers ask. Locks: `lock` below, taken alone or after nothing; never while that of struct ipam is wanted.
 */
#ifndef IPAM_SHARED_REMOTE_H
#define IPAM_SHARED_REMOTE_H

#include "shared/record.h"

#include <pthread.h>
#include <stdatomic.h>

struct change;
struct etcd;
struct node;

enum {
	REMOTE_WORKERS = 2,
	REMOTE_ANSWER_MS = 4000, /* who asks is answered by then */
	REMOTE_LATE_MS = 1000,   /* who asks so soon after one that wasn't is refused at once */
	REMOTE_PULSE_MS = 1000,
	REMOTE_FIRST_MS = 5000,
	REMOTE_ALIVE_S = 30, /* a machine that isn't heard of for so long isn't there */
};

/* What is wrong, by what puts it right: each is said, and taken back, by who looks after it. */
enum remote_complaint {
	REMOTE_ASTRAY,  /* the engine isn't the one that it was (astray.h) */
	REMOTE_DOUBLED, /* another machine has a copy of the state file */
	REMOTE_UNREAD,  /* what the engine has can't be read: nothing is known of what it says now */
	REMOTE_RECORDS, /* some of it isn't understood, or contradicts what is here: until a full read finds nothing of the kind */
	REMOTE_NODES,   /* own nodes that are another's, or were taken away */
	REMOTE_COMPLAINTS
};

struct publish;
struct presence;

/* A block that rests after its node was removed by force. */
struct remote_rest {
	uint64_t cluster; /* shared */
	struct cidr cidr;
	int64_t until, revision;
	bool claimed; /* its slot is taken in the pool */
};

struct remote {
	struct ipam *ipam;
	struct etcd *etcd;
	char *source, *prefix, *node;
	char machine[RECORD_MACHINE], session[RECORD_MACHINE];
	bool first;  /* the state file is new */
	bool leases; /* other machines' leases are shown */
	pthread_t sync, pulse, worker[REMOTE_WORKERS];
	unsigned threads; /* of those, in that order, how many run */
	struct publish *publish;
	struct presence *presence;

	_Atomic bool auditing; /* by one caller at a time */

	pthread_mutex_t lock; /* the rest */
	pthread_cond_t moved; /* any of it has changed */
	bool stop;
	struct change *queue, **tail; /* to be asked */
	int64_t applied;              /* the engine's revision up to which all is mirrored; 0: not read yet */
	bool accepted;                /* an administrator takes an engine that is astray as it is */
	bool again;                   /* read all anew */
	int64_t read_due,
		read_wait; /* sync's alone: when it does so by itself, and how long it waited for that last, where something is wrong */
	bool probe;        /* a call has failed: the pulse is to find out at once whether the engine is there */
	bool silent;       /* nobody answers, as was found out: who asks is refused at once */
	int64_t late;      /* when a caller was kept waiting for all of his time, as remote_now_ms; 0: never */
	uint64_t reads;    /* the full read that was ended last: the resyncs-th */
	bool up;
	int64_t since;               /* of up or down, seconds since the epoch; 0: never up */
	bool unlogged;               /* the reason why it is down */
	int64_t next_log, log_every; /* when another reason why it is down is logged, as remote_now_ms; milliseconds to the one after */
	char problem[256];           /* why down */
	char refusal[256];           /* what it refuses this machine though it is there, or "" */
	char complaint[REMOTE_COMPLAINTS][256]; /* what else is wrong, or "" */
	bool complained;                        /* of records, since the full read that is under way began */
	int64_t alive;                          /* etcd's lease; 0: none */
	struct remote_rest *rest;
	size_t rests;
	struct remote_slot {
		uint64_t cluster;
		struct cidr cidr;
	} * asked; /* blocks that are being asked for */
	size_t askeds;
	int schema;      /* under the prefix, as it was last seen */
	int64_t settled; /* when another etcd was taken for the one, by remote_now_ms; 0: none was */
	uint64_t asks, tries, conflicts, resyncs;
};

/* Called when the database is loaded and nothing uses it yet. -EINVAL (with a message): not this machine's state file. */
int remote_open(struct ipam *ipam, const struct ipam_remote *options, struct ipam_error *error);
/* Then, when the committer runs. */
int remote_start(struct remote *r);
/* Where the state file is new: waits for the first full read, so that who mounts finds what is there; a few seconds, and says when it
 * isn't had by then. */
void remote_first(struct remote *r);
/* Ends the threads; changes that wait are answered. */
void remote_stop(struct remote *r);
void remote_close(struct remote *r); /* NULL is fine */

/* Ask the engine; c is answered when that is mirrored, or refused. Takes it over. */
void remote_ask(struct remote *r, struct change *c);
/* A block more for an own node where it is getting full, in the background: called after each lease, under the lock of struct ipam,
 * for writing. */
void remote_grow_early(struct ipam *ipam, struct node *n);

/* The engine answers, as far as is known. */
bool remote_is_up(struct remote *r);

/* Run a change and wait for it. Not from the committer. */
int remote_run(struct ipam *ipam, struct change *c);
/* Keep something for the next start, in the state file's table of the engine: 0, or an error of the store's. Not from the committer. */
int remote_note(struct remote *r, const char *key, const char *value);
/* Whether calls reach the engine: keeps what health shows. what: the error, NULL where it did. One call that failed says little: */
void remote_reached(struct remote *r, const char *what);
/* has the pulse find out. */
void remote_probe(struct remote *r);
/* Nobody has answered for as long as anybody waits. So it is until somebody is reached. */
void remote_silent(struct remote *r);
bool remote_is_silent(struct remote *r);
/* A caller was kept waiting for all of his time: those who waited for him meanwhile, at the kernel's lock of a directory, aren't kept
 * as long once more. */
void remote_late(struct remote *r);
bool remote_was_late(struct remote *r);
/* The engine is there, and doesn't let this machine write: what it says, or NULL where it does. */
void remote_refused(struct remote *r, const char *what);
/* An empty text takes it back. */
void remote_complain(struct remote *r, enum remote_complaint about, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Waits until all up to the revision is mirrored: false if it isn't by then. until_ms: as etcd_now_ms counts. */
bool remote_await(struct remote *r, int64_t revision, int64_t until_ms);
void remote_again(struct remote *r);
/* The same, and waits until a read that began after this call is mirrored: false if it isn't by then. */
bool remote_read_anew(struct remote *r, int64_t until_ms);

/* What there is to say of it. */
void remote_engine(struct remote *r, struct ipam_engine *out);

#endif
