#include "engine/alarm.h"

#include "change/attr.h"
#include "change/lease_remove.h"
#include "change/shrink.h"
#include "engine/change.h"
#include "engine/cooldown.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

enum { ROUND = 1024 };
#define MINUTE ((int64_t)60 * NANOSECONDS)

struct timer {
	pthread_t thread;
	pthread_mutex_t lock; /* at, stop */
	pthread_cond_t wake;
	int64_t at; /* the thread sleeps until then at most; INT64_MAX: for ever */
	bool stop;
};

void timer_at(struct ipam *ipam, int64_t when)
{
	struct timer *t = ipam->timer;

	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	if (when < t->at) {
		t->at = when;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->lock);
}

void timer_lease(struct ipam *ipam, struct node *n, const struct lease *l)
{
	uint64_t ttl = node_setting(n, IPAM_TTL);
	int64_t when = engine_after(l->mtime, ttl);

	if (ttl == 0 || when >= n->next_expiry)
		return;
	n->next_expiry = when;
	timer_at(ipam, when);
}

/* ---- expiry ----------------------------------------------------------------------------------------------- */

struct expiry {
	struct ipam *ipam;
	uint64_t node, lease;
	bool dropped;
	char *name;
};

static void after_expiry(void *arg, int error, const struct ipam_object *object)
{
	struct expiry *e = arg;

	(void)object;
	if (error == 0) {
		atomic_fetch_add(e->dropped ? &e->ipam->dropped : &e->ipam->expired, 1);
		if (e->ipam->options.released != NULL)
			e->ipam->options.released(e->ipam->options.arg, e->node, e->lease, e->name);
	}
	free(e->name);
	free(e);
}

/* What of a node has expired, at most `room` leases; and when to look again. */
static size_t collect(struct ipam *ipam, struct node *n, int64_t now, uint64_t *ids, size_t room)
{
	const struct registry *r = &ipam->registry;
	uint64_t ttl = node_setting(n, IPAM_TTL);
	size_t found = 0;

	n->next_expiry = INT64_MAX;
	for (uint32_t h = n->first; h != 0; h = registry_lease(r, h)->next) {
		const struct lease *l = registry_lease(r, h);
		int64_t when = l->dropped ? now : ttl > 0 ? engine_after(l->mtime, ttl) : INT64_MAX;

		if (l->busy && when <= now)
			when = now + NANOSECONDS;
		if (when > now) {

			if (when < n->next_expiry)
				n->next_expiry = when;
		} else if (found < room) {
			ids[found++] = l->id;
		} else {
			n->next_expiry = now;
			break;
		}
	}
	return found;
}

/* There was no memory for it: later. */
static void look_again(struct ipam *ipam, uint64_t id)
{
	uint32_t h;

	pthread_rwlock_wrlock(&ipam->lock);
	h = registry_find_lease(&ipam->registry, id);
	if (h != 0) {
		struct node *n = lease_node(&ipam->registry, registry_lease(&ipam->registry, h));

		n->next_expiry = engine_due(ipam) + NANOSECONDS;
		timer_at(ipam, n->next_expiry);
	}
	pthread_rwlock_unlock(&ipam->lock);
}

static void expire(struct ipam *ipam, uint64_t id)
{
	struct expiry *e = calloc(1, sizeof *e);
	struct change *c = e == NULL ? NULL : change_new(&change_lease_remove, after_expiry, e);
	struct ipam_lease_info info;
	char name[IPAM_NAME_MAX + 1];

	if (c == NULL || ipam_lease(ipam, id, &info) < 0 || ipam_name(ipam, IPAM_LEASE, id, name) < 0 || (e->name = strdup(name)) == NULL) {
		free(c);
		free(e);
		look_again(ipam, id);
		return;
	}
	*e = (struct expiry){ ipam, info.node, id, info.object.ephemeral, e->name };
	c->id = id;
	c->by.uid = IPAM_BY_NOBODY;
	c->expiry = true;
	change_submit(ipam, c);
}

/* ---- rests ------------------------------------------------------------------------------------------------ */

static void end_rest(struct ipam *ipam, const struct store_rest *rest)
{
	struct change *c = change_new(&change_rest_end, NULL, NULL);
	struct store_rest later = *rest;

	if (c == NULL) {
		later.until = engine_due(ipam) + NANOSECONDS;
		pthread_rwlock_wrlock(&ipam->lock);
		rest_begin(ipam, &later, NULL);
		pthread_rwlock_unlock(&ipam->lock);
		return;
	}
	c->rest = *rest;
	change_submit(ipam, c);
}

/* ---- the thread ------------------------------------------------------------------------------------------- */

static void tell_clock(struct ipam *ipam)
{
	bool ahead;

	pthread_mutex_lock(&ipam->clocks.lock);
	ahead = ipam->clocks.due.ahead;
	pthread_mutex_unlock(&ipam->clocks.lock);
	if (ahead && !ipam->clocks.told)
		engine_log(ipam, LOG_WARNING,
			   "the clock was put forward, or nothing happened here for long: until it has stayed so, nothing ends by 'ttl' or"
			   " 'reuse-delay' for an hour, and no history is removed for a day");
	else if (!ahead && ipam->clocks.told)
		engine_log(ipam, LOG_INFO, "leases end by the clock again");
	ipam->clocks.told = ahead;
}

/* One round of what is due. Gives the time of the next. */
static int64_t round_of(struct ipam *ipam)
{
	uint64_t ids[ROUND];
	struct store_rest rests[ROUND];
	size_t leases = 0, rested = 0;
	int64_t now = engine_due(ipam), next = INT64_MAX, trim, idle;

	tell_clock(ipam);
	pthread_rwlock_wrlock(&ipam->lock);
	for (struct cluster *c = ipam->registry.first; c != NULL; c = c->next)
		for (struct node *n = c->first; n != NULL; n = n->next) {
			if (n->next_expiry <= now)
				leases += collect(ipam, n, now, ids + leases, ROUND - leases);
			if (n->next_expiry < next)
				next = n->next_expiry;
		}
	while (rested < ROUND && rest_first(ipam) != NULL && rest_first(ipam)->until <= now) {
		rests[rested++] = *rest_first(ipam);
		rest_pop(ipam);
		ipam->rests.promised++; /* its place is kept, for if the end can't be stored */
	}
	if (rest_first(ipam) != NULL && rest_first(ipam)->until < next)
		next = rest_first(ipam)->until;
	pthread_rwlock_unlock(&ipam->lock);

	trim = history_trim(ipam, now);
	if (trim < next)
		next = trim;
	idle = shrink_round(ipam, now);
	if (idle < next)
		next = idle;
	for (size_t i = 0; i < leases; i++)
		expire(ipam, ids[i]);
	for (size_t i = 0; i < rested; i++)
		end_rest(ipam, &rests[i]);
	return next;
}

static int64_t span(int64_t from, int64_t to)
{
	int64_t n;

	return to <= from ? 0 : __builtin_sub_overflow(to, from, &n) ? INT64_MAX : n;
}

static void *run(void *arg)
{
	struct ipam *ipam = arg;
	struct timer *t = ipam->timer;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		struct timespec when;
		int64_t next, left;

		t->at = INT64_MAX; /* what timer_at says during the round counts */
		pthread_mutex_unlock(&t->lock);
		next = round_of(ipam);
		pthread_mutex_lock(&t->lock);
		if (next < t->at)
			t->at = next;
		/* The wall clock may be set: look again each minute. */
		while (!t->stop && (left = span(engine_due(ipam), t->at)) > 0) {
			clock_gettime(CLOCK_MONOTONIC, &when);
			when.tv_sec += left < MINUTE ? left / NANOSECONDS : MINUTE / NANOSECONDS;
			when.tv_nsec += left < MINUTE ? left % NANOSECONDS : 0;
			when.tv_sec += when.tv_nsec / NANOSECONDS;
			when.tv_nsec %= NANOSECONDS;
			pthread_cond_timedwait(&t->wake, &t->lock, &when);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int timer_start(struct ipam *ipam)
{
	struct timer *t = calloc(1, sizeof *t);
	pthread_condattr_t monotonic;
	int rc;

	if (t == NULL)
		return -ENOMEM;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	ipam->timer = t;
	rc = -pthread_create(&t->thread, NULL, run, ipam);
	if (rc < 0) {
		free(t);
		ipam->timer = NULL;
	}
	return rc;
}

void timer_stop(struct ipam *ipam)
{
	struct timer *t = ipam->timer;

	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
}

void timer_free(struct ipam *ipam)
{
	struct timer *t = ipam->timer;

	if (t == NULL)
		return;
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
	ipam->timer = NULL;
}
