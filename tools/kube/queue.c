/* Whose turn it is: a heap by when they are due. */
#include "queue.h"

#include "clock.h"
#include "metrics.h"
#include "span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a failure waits, and what was refused; what was said is said again only when its Event will have gone. */
enum { RETRY_LEAST_MS = 50, RETRY_MOST_MS = 30000, REFUSED_LEAST_MS = 1000, REFUSED_MOST_MS = 60000, SAY_AGAIN_MS = 50 * 60000 };

/* ---- the heap ------------------------------------------------------------------------------------------------------------ */

int queue_reserve(struct table *t)
{
	size_t room = t->room == 0 ? 64 : t->room * 2;
	struct known **bigger;

	if (t->entries < t->room) /* [0] isn't used */
		return 0;
	bigger = reallocarray(t->heap, room, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	t->heap = bigger;
	t->room = room;
	return 0;
}

static void put(struct table *t, size_t place, struct known *e)
{
	t->heap[place] = e;
	e->place = place;
}

static void rise(struct table *t, struct known *e)
{
	size_t at = e->place;

	for (; at > 1 && t->heap[at / 2]->due > e->due; at /= 2)
		put(t, at, t->heap[at / 2]);
	put(t, at, e);
}

static void sink(struct table *t, struct known *e)
{
	size_t at = e->place, child;

	for (; (child = at * 2) <= t->queued; at = child) {
		if (child < t->queued && t->heap[child + 1]->due < t->heap[child]->due)
			child++;
		if (t->heap[child]->due >= e->due)
			break;
		put(t, at, t->heap[child]);
	}
	put(t, at, e);
}

void queue_add(struct table *t, struct known *e, int64_t due)
{
	if (e->running) {
		e->again = true;
		return;
	}
	if (e->place == 0) {
		e->due = due;
		put(t, ++t->queued, e);
		metrics_add(METRIC_QUEUE, 1);
	} else if (due >= e->due) {
		return;
	}
	e->due = due;
	rise(t, e);
	pthread_cond_signal(&t->work);
}

void queue_drop(struct table *t, struct known *e)
{
	size_t place = e->place;
	struct known *last;

	if (place == 0)
		return;
	last = t->heap[t->queued--];
	metrics_add(METRIC_QUEUE, -1);
	e->place = 0;
	if (last != e) {
		put(t, place, last);
		rise(t, last);
		sink(t, last);
	}
}

static struct known *queue_take(struct table *t, int64_t now)
{
	struct known *e = t->queued == 0 ? NULL : t->heap[1];

	if (e == NULL || e->due > now)
		return NULL;
	queue_drop(t, e);
	return e;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------- */

static void wait_ms(struct table *t, pthread_cond_t *what, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(what, &t->lock, &until);
}

static bool copy(const struct known *e, struct task *out)
{
	*out = (struct task){ .entry = (struct known *)e,
			      .name = e->name,
			      .cidrs = e->cidrs,
			      .labels = strdup(e->labels),
			      .present = e->present,
			      .deleting = e->deleting,
			      .sent = e->sent,
			      .fresh = e->fresh,
			      .since = e->since,
			      .version = e->version,
			      .tries = e->tries };
	memcpy(out->uid, e->uid, strnlen(e->uid, sizeof out->uid - 1));
	return out->labels != NULL;
}

bool table_take(struct table *t, struct task *out)
{
	struct known *e = NULL;

	pthread_mutex_lock(&t->lock);
	while (!t->closed) {
		int64_t now = now_ms();

		e = queue_take(t, now);
		if (e != NULL && copy(e, out))
			break;
		if (e != NULL) { /* no memory now */
			queue_add(t, e, now + REFUSED_LEAST_MS);
			e = NULL;
		}
		wait_ms(t, &t->work, t->queued == 0 ? 60000 : t->heap[1]->due > now ? t->heap[1]->due - now : 1);
	}
	if (e != NULL) {
		e->running = true;
		e->again = false;
		t->running++;
	}
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

void table_close(struct table *t)
{
	pthread_mutex_lock(&t->lock);
	t->closed = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
}

bool table_drain(struct table *t, const struct halt *halt)
{
	pthread_mutex_lock(&t->lock);
	while (!halt_is(halt) && (t->running > 0 || (t->queued > 0 && t->heap[1]->due <= now_ms())))
		wait_ms(t, &t->idle, 50);
	pthread_mutex_unlock(&t->lock);
	return halt_is(halt);
}

static bool is_pending(const struct table *t, unsigned tries)
{
	for (size_t i = 1; i <= t->queued; i++)
		if (t->heap[i]->due <= now_ms() || (t->heap[i]->refused == REFUSED_NOT && t->heap[i]->tries < tries))
			return true;
	return t->running > 0;
}

size_t table_settle(struct table *t, unsigned tries, const struct halt *halt)
{
	size_t left;

	pthread_mutex_lock(&t->lock);
	while (!halt_is(halt) && is_pending(t, tries))
		wait_ms(t, &t->idle, 50);
	left = t->queued;
	pthread_mutex_unlock(&t->lock);
	return left;
}

/* ---- how it went --------------------------------------------------------------------------------------------------------- */

/* What was told isn't so any more: it is looked at anew, and what came of it doesn't count. */
static bool is_past(const struct known *e, const struct task *task)
{
	return e->version != task->version;
}

static void settle(struct known *e)
{
	e->tries = 0;
	e->refused = REFUSED_NOT;
	e->stranger = e->fresh = false;
	free(e->said);
	e->said = NULL;
}

void table_done(struct table *t, struct task *task, enum outcome outcome, enum refusal reason)
{
	struct known *e = task->entry;
	int64_t now = now_ms();
	bool again, forget = false;

	pthread_mutex_lock(&t->lock);
	if (e->echo) /* it was something else */
		e->version++;
	e->echo = false;
	again = e->again || is_past(e, task) || outcome == OUTCOME_AGAIN;
	e->running = e->again = false;
	t->running--;
	table_tally(t, e, -1);
	if (outcome == OUTCOME_SETTLED && !is_past(e, task)) {
		settle(e);
		forget = !e->present && !again;
		if (e->present && e->mounted_at == 0)
			e->mounted_at = now;
	} else if (outcome == OUTCOME_REFUSED && !is_past(e, task)) {
		e->refused = (uint8_t)reason;
	}
	if (outcome == OUTCOME_RETRY || outcome == OUTCOME_REFUSED)
		e->tries++;
	table_tally(t, e, 1);
	if (forget)
		table_forget(t, e);
	else if (again)
		queue_add(t, e, now);
	else if (outcome == OUTCOME_LATER)
		queue_add(t, e, now + task->wait_ms);
	else if (outcome == OUTCOME_RETRY)
		queue_add(t, e, now + backoff(e->tries, RETRY_LEAST_MS, RETRY_MOST_MS));
	else if (outcome == OUTCOME_REFUSED)
		queue_add(t, e, now + backoff(e->tries, REFUSED_LEAST_MS, REFUSED_MOST_MS));
	if (outcome == OUTCOME_RETRY)
		metrics_add(METRIC_RETRIES, 1);
	pthread_cond_signal(&t->idle);
	pthread_mutex_unlock(&t->lock);
	free(task->labels);
	task->labels = NULL;
}

void table_sent(struct table *t, struct task *task, bool sent)
{
	pthread_mutex_lock(&t->lock);
	if (strcmp(task->entry->uid, task->uid) == 0)
		task->entry->sent = sent;
	task->sent = sent;
	pthread_mutex_unlock(&t->lock);
}

void table_patched(struct table *t, struct task *task, const struct pod_cidrs *cidrs)
{
	struct known *e = task->entry;

	pthread_mutex_lock(&t->lock);
	if (e->present && strcmp(e->uid, task->uid) == 0) {
		table_tally(t, e, -1);
		if (pod_cidrs_same(&e->cidrs, cidrs))
			e->echo = false;
		table_set_cidrs(t, e, cidrs);
		e->sent = false;
		table_tally(t, e, 1);
	}
	pthread_mutex_unlock(&t->lock);
}

bool table_may_say(struct table *t, const struct task *task, const char *text)
{
	struct known *e = task->entry;
	bool may;

	pthread_mutex_lock(&t->lock);
	may = e->said == NULL || strcmp(e->said, text) != 0 || now_ms() - e->said_at > SAY_AGAIN_MS;
	if (may) {
		free(e->said);
		e->said = strdup(text);
		e->said_at = now_ms();
	}
	pthread_mutex_unlock(&t->lock);
	return may;
}
