/* engine — struct ipam: what the files of the core share behind the public face.
 *
 * Locks, in the order they may be taken: lock, then commit's queue lock (commit.c) or the timer's (alarm.c) or
 * problem_lock, none of which is held while another is taken.
 *   lock           the registry, rests, deferred, behind, snapshots: shared to look, exclusive to change
 *   problem_lock   the text of the problem
 * Below all of these is the clocks' lock.
 * The store belongs to whoever runs the batch (commit.c): one thread at a time.
 */
#ifndef IPAM_ENGINE_ENGINE_H
#define IPAM_ENGINE_ENGINE_H

#include "base/steady.h"
#include "engine/cooldown.h"
#include "engine/history.h"
#include "engine/metrics.h"
#include "engine/writeback.h"
#include "registry/registry.h"

#include <pthread.h>
#include <stdatomic.h>

struct store;

struct change;
struct commit;
struct timer;
struct delegate;
struct remote;

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

#endif
