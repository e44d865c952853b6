#include "engine/commit.h"

#include "change/import.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "engine/metrics.h"
#include "engine/writeback.h"
#include "store/checkpoint.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

enum {
	ID_STRIDE = 4096, /* ids taken in the database at a time */
	BEHIND_MS = 20,   /* attributes wait this long for company */
	RETRY_MS = 1000,  /* after they could not be stored */
	IDLE_MS = 2000,   /* without a change: the log is folded back, so that a plain copy of the database has all */
	IDLE_MAX = 64000, /* where that didn't go: a reader is in the way, the disk is full */
};

struct commit {
	pthread_t thread;
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t wake;
	struct change *queue, **tail;
	bool running; /* a batch is: by the thread, or by one that leads */
	bool behind, retry, stop;
	bool unfolded; /* the log holds something that the database doesn't */
	bool folding;  /* it is folded back, since nothing else is to do */
	bool waiting;  /* the thread is, for that: no longer than it must */
	int idle_ms;
	struct timespec idle; /* when that is to be */
};

/* ---- the queue -------------------------------------------------------------------------------------------- */

void commit_queue(struct ipam *ipam, struct change *c)
{
	struct commit *co = ipam->commit;

	c->next = NULL;
	atomic_fetch_add(&ipam->queued, 1);
	pthread_mutex_lock(&co->lock);
	*co->tail = c;
	co->tail = &c->next;
	if (co->folding)
		store_interrupt(ipam->store);
	pthread_mutex_unlock(&co->lock);
	/* Nobody is woken: who brought it leads, or who runs a batch looks at the queue when that ends. */
}

/* With the lock held. */
static struct change *take_queue(struct commit *co)
{
	struct change *batch = co->queue;

	co->queue = NULL;
	co->tail = &co->queue;
	co->running = true;
	return batch;
}

void commit_behind(struct ipam *ipam)
{
	struct commit *co = ipam->commit;
	bool news;

	pthread_mutex_lock(&co->lock);
	news = !co->behind;
	co->behind = true;
	pthread_mutex_unlock(&co->lock);
	if (news)
		pthread_cond_signal(&co->wake); /* to wait for company: the thread's to store */
}

static struct timespec after(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static bool is_over(const struct timespec *when)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec != when->tv_sec ? now.tv_sec > when->tv_sec : now.tv_nsec >= when->tv_nsec;
}

static void fold_idle(struct ipam *ipam);

/* With the lock held: until there is something to store, or to end. */
static void wait_for_work(struct ipam *ipam)
{
	struct commit *co = ipam->commit;

	while (co->running || (co->queue == NULL && !co->behind && !co->stop)) {
		struct timespec idle = co->idle; /* each batch puts it off */

		if (co->running || !co->unfolded) {
			pthread_cond_wait(&co->wake, &co->lock);
		} else if (is_over(&idle)) {
			fold_idle(ipam);
		} else {
			co->waiting = true;
			pthread_cond_timedwait(&co->wake, &co->lock, &idle);
			co->waiting = false;
		}
	}
}

/* Waits for work. false: stop, and there is none left. */
static bool next_batch(struct ipam *ipam, struct change **batch)
{
	struct commit *co = ipam->commit;
	bool more;

	pthread_mutex_lock(&co->lock);
	wait_for_work(ipam);
	if (co->queue == NULL && !co->stop) {
		struct timespec until = after(co->retry ? RETRY_MS : BEHIND_MS);

		while (co->queue == NULL && !co->stop && pthread_cond_timedwait(&co->wake, &co->lock, &until) != ETIMEDOUT)
			;
		while (co->running)
			pthread_cond_wait(&co->wake, &co->lock);
	}
	more = co->queue != NULL || co->behind;
	if (more)
		*batch = take_queue(co);
	co->behind = false;
	pthread_mutex_unlock(&co->lock);
	return more;
}

/* ---- one transaction -------------------------------------------------------------------------------------- */

/* A refused row concerns its own change; any other error ends the batch. A change that is alone needs no savepoint: it is the
 * transaction. */
static int apply(struct ipam *ipam, struct change *c, bool alone)
{
	struct history_line **mark = history_mark(ipam);
	struct store *s = ipam->store;
	uint64_t event = ipam->history.next_id;
	int rc = 0, end;

	if (c->type->apply == NULL)
		return 0;
	if (c->type->several && !alone && (rc = store_save(s)) < 0)
		return rc;
	rc = c->type->apply(ipam, c);
	if (rc == -EUCLEAN)
		engine_log(ipam, LOG_CRIT, "the database refuses what memory allowed: %s", store_message(s));
	if (c->type->several && !alone && (rc == 0 || rc == -EUCLEAN)) {
		end = store_unsave(s, rc < 0);
		if (rc < 0)
			history_undo(ipam, mark);
		rc = end < 0 ? end : rc;
	}
	if (rc == -EUCLEAN) {
		c->error = -EIO;
		rc = 0;
	} else if (ipam->history.next_id > event) {
		c->event = ipam->history.next_id - 1;
	}
	return rc;
}

/* What is stored, or after all isn't, for who keeps account of requests. */
static void tell_storing(struct ipam *ipam, const struct change *batch)
{
	for (const struct change *c = batch; c != NULL && ipam->options.storing != NULL; c = c->next)
		if (c->by.request != 0 && c->event != 0 && c->error == 0)
			ipam->options.storing(ipam->options.arg, c->by.request, c->event);
}

static void tell_unstored(struct ipam *ipam, const struct change *batch)
{
	for (const struct change *c = batch; c != NULL && ipam->options.unstored != NULL; c = c->next)
		if (c->by.request != 0 && c->event != 0)
			ipam->options.unstored(ipam->options.arg, c->by.request);
}

static int take_ids(struct ipam *ipam)
{
	uint64_t next = atomic_load(&ipam->next_id);
	int rc = 0;

	if (next > ipam->stored_next_id)
		rc = store_put_next_id(ipam->store, next + ID_STRIDE);
	return rc;
}

static bool only_syncs(const struct change *c)
{
	while (c != NULL && c->type->apply == NULL)
		c = c->next;
	return c == NULL;
}

static int transact(struct ipam *ipam, struct change *batch, const struct behind_row *rows, size_t n)
{
	uint64_t next = atomic_load(&ipam->next_id);
	bool alone = batch != NULL && batch->next == NULL && n == 0;
	enum store_sync sync = n > 0 || batch == NULL ? STORE_AS_OPENED : STORE_NORMAL;
	int rc;

	for (const struct change *c = batch; c != NULL; c = c->next)
		if ((c->type->delegation && !c->soft) || c->grown[CIDR_V4] != NULL || c->grown[CIDR_V6] != NULL)
			sync = STORE_FULL;
		else if (!c->soft && sync != STORE_FULL)
			sync = STORE_AS_OPENED;
	rc = store_begin(ipam->store, sync);
	if (rc == 0)
		rc = take_ids(ipam);
	/* A transaction that writes nothing syncs nothing. */
	if (rc == 0 && ipam->unsynced && sync != STORE_NORMAL && only_syncs(batch) && n == 0)
		rc = store_touch(ipam->store);
	/* Attributes first: a lease of the batch may be released in it. */
	if (rc == 0)
		rc = behind_store(ipam, rows, n);
	for (struct change *c = batch; rc == 0 && c != NULL; c = c->next)
		rc = apply(ipam, c, alone);
	if (rc == 0 && alone && batch->error < 0) {
		store_rollback(ipam->store);
		history_forget(ipam);
		return 0;
	}
	if (rc == 0) {
		tell_storing(ipam, batch);
		rc = store_commit(ipam->store);
		if (rc < 0)
			tell_unstored(ipam, batch);
	}
	if (rc == 0)
		ipam->unsynced = sync == STORE_NORMAL;
	if (rc == 0 && next > ipam->stored_next_id)
		ipam->stored_next_id = next + ID_STRIDE;
	if (rc == -EUCLEAN)
		rc = -EIO;
	engine_problem(ipam, rc < 0 ? store_message(ipam->store) : NULL);
	if (rc < 0) {
		store_rollback(ipam->store);
		history_forget(ipam);
	}
	return rc;
}

static void folded(struct ipam *ipam, int rc)
{
	if (store_broken(ipam->store))
		engine_problem(ipam, store_message(ipam->store));
	else if (rc < 0)
		engine_log(ipam, LOG_WARNING, "the log of the database grows, since it can't be folded back: %s",
			   store_message(ipam->store));
}

/* After the answers: nobody need wait for it, and an error of it is no change's. True: something is left for when nothing happens. */
static bool fold(struct ipam *ipam)
{
	folded(ipam, store_fold_due(ipam->store));
	return store_unfolded(ipam->store);
}

/* With the lock held. A change that comes meanwhile interrupts it, and is run next. */
static void fold_idle(struct ipam *ipam)
{
	struct commit *co = ipam->commit;

	co->running = co->folding = true;
	pthread_mutex_unlock(&co->lock);
	folded(ipam, store_fold_idle(ipam->store));
	pthread_mutex_lock(&co->lock);
	co->running = co->folding = false;
	co->unfolded = store_unfolded(ipam->store);
	co->idle_ms = co->idle_ms < IDLE_MAX ? 2 * co->idle_ms : IDLE_MAX;
	co->idle = after(co->idle_ms);
}

/* With the lock held, after a batch: `unfolded` says whether it left something. True: the thread sleeps and doesn't know yet. */
static bool put_off_fold(struct commit *co, bool unfolded)
{
	co->unfolded = unfolded;
	co->idle_ms = IDLE_MS;
	co->idle = after(IDLE_MS);
	return unfolded && !co->waiting;
}

static bool run_batch(struct ipam *ipam, struct change *batch)
{
	struct behind_row *rows;
	struct change *c, *next, *deferred;
	size_t n, changes = 0;
	uint64_t told = 0, marks;
	int64_t begun;
	int rc;

	pthread_rwlock_wrlock(&ipam->lock);
	rc = behind_take(ipam, &rows, &n);
	marks = ipam->behind.marks;
	pthread_rwlock_unlock(&ipam->lock);
	for (c = batch; c != NULL; c = c->next)
		changes += c->type->apply != NULL;
	begun = meter_now();
	atomic_store(&ipam->storing, begun);
	if (rc == 0 && (n > 0 || ipam->unsynced || changes > 0)) {
		rc = transact(ipam, batch, rows, n);
		atomic_fetch_add(&ipam->commits, rc == 0);
		meter_commit(ipam, changes + n, begun, rc);
	}
	atomic_store(&ipam->storing, 0);
	if (rc == 0)
		behind_stored(ipam, marks);

	pthread_rwlock_wrlock(&ipam->lock);
	if (rc < 0)
		behind_again(ipam, rows, n);
	for (c = batch; c != NULL; c = c->next) {
		if (rc < 0)
			c->error = rc;
		if (c->error == 0 && c->cluster != NULL)
			engine_changed(ipam, c->cluster, c->type == &change_import ? NULL : c->node);
		c->type->settle(ipam, c);
	}
	deferred = ipam->deferred;
	ipam->deferred = NULL;
	ipam->deferred_tail = &ipam->deferred;
	ipam->round++;
	pthread_rwlock_unlock(&ipam->lock);

	pthread_mutex_lock(&ipam->commit->lock);
	ipam->commit->retry = rc < 0;
	ipam->commit->behind |= rc < 0 && n > 0;
	pthread_mutex_unlock(&ipam->commit->lock);

	history_tell(ipam);
	for (c = batch; c != NULL; c = next) {
		next = c->next;
		if (rc == 0 && c->event > told)
			told = c->event;
		atomic_fetch_sub(&ipam->queued, 1);
		change_finish(ipam, c, c->error);
	}
	if (told > 0 && ipam->options.told != NULL)
		ipam->options.told(ipam->options.arg, told);
	for (c = deferred; c != NULL; c = next) {
		next = c->next;
		change_submit(ipam, c);
	}
	behind_free(rows, n);
	return fold(ipam);
}

static void *run(void *arg)
{
	struct ipam *ipam = arg;
	struct change *batch;

	while (next_batch(ipam, &batch)) {
		bool unfolded = run_batch(ipam, batch), last;

		/* What can't be stored at the end is given up; it was never acknowledged as durable. */
		pthread_mutex_lock(&ipam->commit->lock);
		ipam->commit->running = false;
		put_off_fold(ipam->commit, unfolded);
		last = ipam->commit->stop && ipam->commit->retry && ipam->commit->queue == NULL;
		pthread_mutex_unlock(&ipam->commit->lock);
		if (last)
			break;
	}
	return NULL;
}

void commit_lead(struct ipam *ipam)
{
	struct commit *co = ipam->commit;
	struct change *batch = NULL;
	bool unfolded, wake;

	pthread_mutex_lock(&co->lock);
	if (!co->running && co->queue != NULL)
		batch = take_queue(co);
	pthread_mutex_unlock(&co->lock);
	if (batch == NULL)
		return;
	unfolded = run_batch(ipam, batch);
	pthread_mutex_lock(&co->lock);
	co->running = false;
	wake = put_off_fold(co, unfolded);
	if (co->queue != NULL || co->behind || co->stop || wake)
		pthread_cond_signal(&co->wake);
	pthread_mutex_unlock(&co->lock);
}

void commit_hold(struct ipam *ipam, bool hold)
{
	struct commit *co = ipam->commit;

	pthread_mutex_lock(&co->lock);
	co->running = hold;
	pthread_cond_signal(&co->wake);
	pthread_mutex_unlock(&co->lock);
}

/* ---- life ------------------------------------------------------------------------------------------------- */

int commit_start(struct ipam *ipam)
{
	struct commit *co = calloc(1, sizeof *co);
	pthread_condattr_t attr;
	int rc;

	if (co == NULL)
		return -ENOMEM;
	co->tail = &co->queue;
	put_off_fold(co, store_unfolded(ipam->store));
	pthread_mutex_init(&co->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&co->wake, &attr);
	pthread_condattr_destroy(&attr);
	ipam->commit = co;
	rc = -pthread_create(&co->thread, NULL, run, ipam);
	if (rc < 0) {
		free(co);
		ipam->commit = NULL;
	}
	return rc;
}

void commit_stop(struct ipam *ipam)
{
	struct commit *co = ipam->commit;

	if (co == NULL)
		return;
	pthread_mutex_lock(&co->lock);
	co->stop = true;
	if (co->folding)
		store_interrupt(ipam->store);
	pthread_mutex_unlock(&co->lock);
	pthread_cond_signal(&co->wake);
	pthread_join(co->thread, NULL);
	pthread_cond_destroy(&co->wake);
	pthread_mutex_destroy(&co->lock);
	free(co);
	ipam->commit = NULL;
}
