/* engine — struct ipam: what the files of the core share behind the public face.
 *
 * Locks, in the order they may be taken: lock, then commit's queue lock (commit.c) or the timer's (timer.c) or
 * problem_lock, none of which is held while another is taken.
 *   lock           the registry, rests, deferred, behind, snapshots: shared to look, exclusive to change
 *   problem_lock   the text of the problem
 * Below all of these is the clocks' lock.
 * The store belongs to whoever runs the batch (commit.c): one thread at a time.
 */
#ifndef IPAM_ENGINE_H
#define IPAM_ENGINE_H

#include "history.h"
#include "meter.h"
#include "steady.h"
#include "store.h"

#include <pthread.h>
#include <stdatomic.h>

struct change;
struct commit;
struct timer;
struct delegate;
struct remote;

struct rests {
	struct store_rest *heap; /* the earliest first */
	size_t count, size;
	size_t promised; /* places that changes in flight will need */
};

struct behind {
	struct behind_mark {
		uint64_t lease;
		struct ipam_by by; /* who changed attributes last */
	} * mark;                  /* leases with attributes or times to be written */
	size_t count, size;
	uint64_t marks, stored; /* that there ever were, and of which all is stored */
};

struct ipam {
	struct ipam_options options;
	char *path;
	pthread_rwlock_t lock;
	struct registry registry;
	struct gate root_gate;
	int64_t clusters_changed; /* when one came, went or was renamed, since it was opened; 0: not yet */
	int64_t changed, opened;  /* when anything changed last; before the database was opened, at that moment (engine_changed) */
	struct rests rests;
	struct behind behind;
	struct history history;
	struct ipam_snapshot *snapshots; /* that are being read (snapshot.h) */
	struct meters meters;
	struct change *deferred, **deferred_tail; /* wait for what is in flight */
	uint64_t round;                           /* how often the deferred ones were tried again, from 1 */
	_Atomic uint64_t next_id;
	uint64_t stored_next_id; /* the committer's: ids below are taken in the database */
	bool unsynced;           /* the committer's: the last transaction's loss would be noticed by nobody yet */
	uint16_t boot;           /* of this machine, now */
	const struct delegate *delegate;
	struct remote *remote; /* where machines share an engine; or NULL */
	struct store *store;
	struct commit *commit;
	struct timer *timer;
	_Atomic uint64_t commits, changes, failed_changes, expired, dropped, queued;
	uint64_t after_boot;
	_Atomic int64_t storing; /* since when the transaction that runs has waited for the disk (meter_now), 0: none does */
	pthread_mutex_t problem_lock;
	char problem[1024];
	struct {
		pthread_mutex_t lock;
		struct steady due, kept; /* by which leases and rests end; and by which the history is removed */
		bool told;               /* the timer's: that the wall clock is ahead */
	} clocks;
};

enum { NANOSECONDS = 1000000000 }; /* of a second */
int64_t engine_now(void);          /* nanoseconds since the epoch */
/* So many seconds later; what 64 bits of nanoseconds don't hold (2262) is the last moment that they do. */
int64_t engine_after(int64_t time, uint64_t seconds);
/* When the database was opened: a moment that has been, 0: none is known. */
void engine_clocks_begin(struct ipam *ipam, int64_t known);
/* What time it is for ending things (steady.h): never later than engine_now. kept: for removing the history. */
int64_t engine_due(struct ipam *ipam);
int64_t engine_kept(struct ipam *ipam);
uint64_t engine_id(struct ipam *ipam);
/* With the lock held: something in the node changes, or with NULL in the cluster as a whole. No two changes have one time, and none
 * has an earlier one than a change before it, whatever the clock does. */
void engine_changed(struct ipam *ipam, struct cluster *c, struct node *n);
void engine_log(struct ipam *ipam, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* When the database is opened and nothing else runs: release what can't be alive (after_boot.c). */
void engine_after_boot(struct ipam *ipam);
/* NULL: healthy again. Logs when that changes. */
void engine_problem(struct ipam *ipam, const char *what);
/* For steps after the point of no return that fail only for want of memory: go down rather than let memory and database
 * differ; the database has it all. */
void engine_must(struct ipam *ipam, int rc, const char *what);

/* Gates: see registry.h. false: defer the change. That is safe only because something in flight stands in the way, whose
 * end tries all that is deferred again: a wish to be alone counts until then and no longer (its round). */
bool gate_shared(const struct ipam *ipam, struct gate *g);
bool gate_exclusive(const struct ipam *ipam, struct gate *g);
void gate_leave_shared(struct gate *g);
void gate_leave_exclusive(struct gate *g);

/* ---- rests: released addresses that are not given again yet (rest.c) */
/* Promise a place for one more, so that rest_begin can't fail. -ENOMEM. */
int rest_promise(struct ipam *ipam);
void rest_unpromise(struct ipam *ipam);
/* The address's slot is taken already: keep it so until the time. Uses up a promise. */
void rest_begin(struct ipam *ipam, const struct store_rest *rest, struct block *block);
/* At load, or when a block is delegated: take the slots of what rests. */
int rest_load(struct ipam *ipam, struct store_rest *rest, size_t n);
int rest_apply(struct ipam *ipam, struct block *block);
/* The earliest, or NULL; take it from the heap. */
const struct store_rest *rest_first(const struct ipam *ipam);
void rest_pop(struct ipam *ipam);
/* Free the slot. */
void rest_end(struct ipam *ipam, const struct store_rest *rest);
/* Rests in the cluster (of `only`, where that isn't NULL) that go on for longer than reuse-delay would let them from now on, with the
 * settings that a cluster and a node are to have: sorted, `until` as it will be. *out is the caller's to free. -ENOMEM. */
int rest_beyond(const struct ipam *ipam, const struct cluster *c, const struct node *only, const struct settings *merged, int64_t now,
		struct store_rest **out, size_t *n);
/* Let those end then; what has rested enough is free at once, and its row goes as that of any rest does. */
void rest_shorten(struct ipam *ipam, const struct store_rest *shorter, size_t n, int64_t now);

/* ---- behind: attributes that are written after the answer (behind.c) */
struct behind_row {
	uint64_t id;
	uint32_t handle;
	struct ipam_attr attr;
	uint32_t generation;
	bool described; /* not times alone */
	struct ipam_by by;
	struct xattr *xattr; /* copies */
};
/* Room for one more mark, so that behind_mark can't fail. -ENOMEM. */
int behind_room(struct ipam *ipam);
/* by: who changed attributes; NULL: only times are new. */
void behind_mark(struct ipam *ipam, struct lease *l, const struct ipam_by *by);
/* Take what is marked, as copies. *rows is the caller's: behind_free. -ENOMEM: all stays marked. */
int behind_take(struct ipam *ipam, struct behind_row **rows, size_t *n);
int behind_store(struct ipam *ipam, const struct behind_row *rows, size_t n);
/* They could not be stored: mark them again, and remember the failure for sync. */
void behind_again(struct ipam *ipam, const struct behind_row *rows, size_t n);
/* All is stored that was marked up to here. By who commits. */
void behind_stored(struct ipam *ipam, uint64_t marks);
/* What options.lost says, of the leases that there are. At open. */
void behind_lost(struct ipam *ipam);
void behind_free(struct behind_row *rows, size_t n);

/* ---- timer: expiry and the end of rests (timer.c) */
int timer_start(struct ipam *ipam);
/* Ends the thread; timer_at goes on to be harmless until timer_free, since the committer may call it still. */
void timer_stop(struct ipam *ipam);
void timer_free(struct ipam *ipam);
/* Something is due at this time: wake then, at the latest. */
void timer_at(struct ipam *ipam, int64_t when);
/* A lease of the node was made or renewed, or its ttl changed. */
void timer_lease(struct ipam *ipam, struct node *n, const struct lease *l);

#endif
