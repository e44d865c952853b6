#include "shared/remote.h"

#include "change/authority_local.h"
#include "change/mirrored.h"
#include "change/shrink.h"
#include "engine/authority.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/registry.h"
#include "shared/astray.h"
#include "shared/heartbeat.h"
#include "shared/presence.h"
#include "shared/publish.h"
#include "shared/request_run.h"
#include "shared/watch.h"
#include "store/store.h"
#include "store/store_shared.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/* ---- up, down, complaints ------------------------------------------------------------------------------------------ */

void remote_reached(struct remote *r, const char *what)
{
	enum { LOG_EVERY_MS = 5000, LOG_EVERY_MAX = 3600000 }; /* between reasons that are logged: they may take turns */
	bool up = what == NULL, turns, news;
	int64_t now = remote_now_ms();

	pthread_mutex_lock(&r->lock);
	turns = up != r->up || r->since == 0;
	if (turns) {
		r->since = (int64_t)time(NULL);
		r->log_every = LOG_EVERY_MS;
	}
	/* The first reason may be one that says little: that an answer didn't come in time. */
	r->unlogged |= !up && strncmp(r->problem, what, sizeof r->problem - 1) != 0;
	news = turns || (!up && r->unlogged && now >= r->next_log);
	if (news) {
		r->unlogged = false;
		r->next_log = now + r->log_every;
		r->log_every = r->log_every < LOG_EVERY_MAX ? 2 * r->log_every : LOG_EVERY_MAX;
	}
	if (!up)
		snprintf(r->problem, sizeof r->problem, "%s", what);
	r->up = up;
	r->silent &= !up;
	pthread_mutex_unlock(&r->lock);
	if (news)
		engine_log(r->ipam, up ? LOG_NOTICE : LOG_ERR, up ? "%s: reached" : "%s: unreachable: %s; own leases go on", r->source,
			   what);
}

void remote_refused(struct remote *r, const char *what)
{
	bool news;

	pthread_mutex_lock(&r->lock);
	news = strncmp(r->refusal, what == NULL ? "" : what, sizeof r->refusal - 1) != 0;
	snprintf(r->refusal, sizeof r->refusal, "%s", what == NULL ? "" : what);
	pthread_mutex_unlock(&r->lock);
	if (news)
		engine_log(r->ipam, what == NULL ? LOG_NOTICE : LOG_ERR,
			   what == NULL ? "%s: takes what this machine writes again" : "%s: refuses what this machine writes: %s",
			   r->source, what);
}

void remote_probe(struct remote *r)
{
	pthread_mutex_lock(&r->lock);
	r->probe = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

void remote_silent(struct remote *r)
{
	pthread_mutex_lock(&r->lock);
	r->silent = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

bool remote_is_silent(struct remote *r)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->silent;
	pthread_mutex_unlock(&r->lock);
	return is;
}

void remote_late(struct remote *r)
{
	pthread_mutex_lock(&r->lock);
	r->late = remote_now_ms();
	pthread_mutex_unlock(&r->lock);
}

bool remote_was_late(struct remote *r)
{
	bool was;

	pthread_mutex_lock(&r->lock);
	was = r->late != 0 && remote_now_ms() - r->late < REMOTE_LATE_MS;
	pthread_mutex_unlock(&r->lock);
	return was;
}

void remote_complain(struct remote *r, enum remote_complaint about, const char *format, ...)
{
	char text[sizeof r->complaint[0]];
	bool news;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	pthread_mutex_lock(&r->lock);
	news = strcmp(r->complaint[about], text) != 0;
	strcpy(r->complaint[about], text);
	r->complained |= about == REMOTE_RECORDS && text[0] != 0;
	pthread_mutex_unlock(&r->lock);
	if (news && text[0] != 0)
		engine_log(r->ipam, LOG_ERR, "%s", text);
}

void remote_engine(struct remote *r, struct ipam_engine *out)
{
	out->shared = true;
	out->source = r->source;
	out->machine = r->machine;
	out->node = r->node;
	pthread_rwlock_rdlock(&r->ipam->lock);
	for (const struct cluster *c = r->ipam->registry.first; c != NULL; c = c->next)
		for (const struct node *n = c->first; n != NULL; n = n->next) {
			out->lost += n->doubt == NODE_ORPHANED;
			out->doubled += n->doubt == NODE_DOUBLED;
		}
	pthread_rwlock_unlock(&r->ipam->lock);
	out->unpublished = publish_backlog(r->publish, &out->unpublished_since);
	out->watches = etcd_watching(r->etcd, out->member, sizeof out->member);
	pthread_mutex_lock(&r->lock);
	out->up = r->up;
	out->since = r->since;
	memcpy(out->unreachable, r->problem, sizeof out->unreachable);
	memcpy(out->refused, r->refusal, sizeof out->refused);
	for (size_t i = REMOTE_COMPLAINTS; i-- > 0;)
		if (r->complaint[i][0] != 0)
			memcpy(out->complaint, r->complaint[i], sizeof out->complaint);
	out->revision = r->applied;
	out->asks = r->asks;
	out->tries = r->tries;
	out->conflicts = r->conflicts;
	out->resyncs = r->resyncs;
	pthread_mutex_unlock(&r->lock);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------------- */

bool remote_await(struct remote *r, int64_t revision, int64_t until_ms)
{
	struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
	bool is;

	pthread_mutex_lock(&r->lock);
	while (r->applied < revision && !r->stop)
		if (pthread_cond_timedwait(&r->moved, &r->lock, &until) == ETIMEDOUT)
			break;
	is = r->applied >= revision;
	pthread_mutex_unlock(&r->lock);
	return is;
}

void remote_again(struct remote *r)
{
	pthread_mutex_lock(&r->lock);
	r->again = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

bool remote_read_anew(struct remote *r, int64_t until_ms)
{
	struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
	uint64_t wanted;
	bool is;

	pthread_mutex_lock(&r->lock);
	wanted = r->resyncs + 1;
	r->again = true;
	pthread_cond_broadcast(&r->moved);
	while (r->reads < wanted && !r->stop)
		if (pthread_cond_timedwait(&r->moved, &r->lock, &until) == ETIMEDOUT)
			break;
	is = r->reads >= wanted;
	pthread_mutex_unlock(&r->lock);
	return is;
}

int remote_run(struct ipam *ipam, struct change *c)
{
	struct ipam_wait *w = ipam_wait_new();

	if (w == NULL) {
		change_finish(ipam, c, -ENOMEM);
		return -ENOMEM;
	}
	c->done = ipam_wait_done;
	c->arg = w;
	change_submit(ipam, c);
	return ipam_wait(w, NULL);
}

/* ---- what the next start is to know ------------------------------------------------------------------------------------- */

static int note_reserve(struct ipam *ipam, struct change *c)
{
	(void)ipam, (void)c;
	return 0;
}

static int note_apply(struct ipam *ipam, struct change *c)
{
	return store_put_engine(ipam->store, c->name, c->text);
}

static void note_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam, (void)c;
}

int remote_note(struct remote *r, const char *key, const char *value)
{
	static const struct change_type type = { .reserve = note_reserve, .apply = note_apply, .settle = note_settle, .delegation = true };
	struct change *c = change_new(&type, NULL, NULL);

	if (c != NULL)
		c = change_name(c, key);
	if (c != NULL)
		c = change_text(c, value, strlen(value));
	return c == NULL ? -ENOMEM : remote_run(r->ipam, c);
}

/* ---- asking in the background -------------------------------------------------------------------------------------------- */

static bool enqueue(struct remote *r, struct change *c)
{
	bool stop;

	c->next = NULL;
	pthread_mutex_lock(&r->lock);
	stop = r->stop;
	if (!stop) {
		*r->tail = c;
		r->tail = &c->next;
		pthread_cond_broadcast(&r->moved);
	}
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

void remote_ask(struct remote *r, struct change *c)
{
	if (!enqueue(r, c))
		change_finish(r->ipam, c, -ESHUTDOWN);
}

static void *remote_worker(void *arg)
{
	struct remote *r = arg;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		struct change *c = r->queue;

		if (c != NULL) {
			r->queue = c->next;
			if (r->queue == NULL)
				r->tail = &r->queue;
			pthread_mutex_unlock(&r->lock);
			ask_run(r, c);
			pthread_mutex_lock(&r->lock);
		} else if (r->stop) {
			break;
		} else {
			pthread_cond_wait(&r->moved, &r->lock);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- growth ------------------------------------------------------------------------------------------------------------ */

enum { GROW_AGAIN_S = 5 };

struct growth {
	struct remote *r;
	uint64_t node;
};

static void grown(void *arg, int error, const struct ipam_object *object)
{
	struct growth *g = arg;
	struct ipam *ipam = g->r->ipam;
	struct change *wake = change_new(&change_wake, NULL, NULL);
	struct node *n;

	(void)object;
	pthread_rwlock_wrlock(&ipam->lock);
	n = registry_node(&ipam->registry, g->node);
	if (n != NULL) {
		n->growing = false;
		n->grow_error = error;
		n->grow_after = error < 0 ? engine_now() + (int64_t)GROW_AGAIN_S * NANOSECONDS : 0;
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (wake != NULL)
		change_submit(ipam, wake); /* leases that wait for the block */
	free(g);
}

static int begin_growth(struct ipam *ipam, struct node *n, unsigned family)
{
	struct growth *g = malloc(sizeof *g);
	struct change *c = g == NULL ? NULL : change_new(&change_grow, grown, g);

	if (c == NULL) {
		free(g);
		return -ENOMEM;
	}
	*g = (struct growth){ ipam->remote, n->id };
	c->id = n->id;
	c->which = family;
	c->by.uid = IPAM_BY_NOBODY;
	n->growing = true;
	if (enqueue(ipam->remote, c))
		return CHANGE_DEFER;
	/* Not through grown, which takes the lock that is held here. */
	n->growing = false;
	c->done = NULL;
	change_finish(ipam, c, -ESHUTDOWN);
	free(g);
	return -ESHUTDOWN;
}

/* A block more for an own node, in the background. Under the lock of struct ipam, for writing. As delegate's next. */
static int remote_grow(struct ipam *ipam, struct node *n, unsigned family)
{
	if (n->grow_after > engine_now())
		return n->grow_error;
	return begin_growth(ipam, n, family);
}

void remote_grow_early(struct ipam *ipam, struct node *n)
{
	uint64_t most = node_setting(n, IPAM_MAX_BLOCKS);

	if (most <= 1 || n->growing || n->grow_after > engine_now() || node_leasable(n) < 0)
		return;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		struct shrink_left left;
		u128 free_blocks, all;

		shrink_left(n, f, &left);
		shrink_cluster(n, f, &free_blocks, &all);
		/* One in reserve at most; and the last eighth is for those who are full. */
		if (left.blocks > 0 && left.blocks < most && left.empty == NULL && shrink_is_scarce(&left) && free_blocks > all / 8) {
			begin_growth(ipam, n, f);
			return;
		}
	}
}

bool remote_is_up(struct remote *r)
{
	bool up;

	pthread_mutex_lock(&r->lock);
	up = r->up && !r->silent;
	pthread_mutex_unlock(&r->lock);
	return up && !etcd_astray(r->etcd, NULL, 0);
}

/* ---- the delegate's side --------------------------------------------------------------------------------------------------- */

static int etcd_next(struct ipam *ipam, struct node *n, unsigned family, struct block **out)
{
	(void)out; /* it comes with the watch */
	return remote_grow(ipam, n, family);
}

static const struct delegate delegate_etcd = {
	.name = "etcd",
	.next = etcd_next,
	.this = delegate_restore_this,
	.back = delegate_local_back,
};

/* ---- whose state file this is ------------------------------------------------------------------------------------------------ */

static int refuse(struct ipam_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return -EINVAL;
}

static int introduce(struct remote *r)
{
	struct store *s = r->ipam->store;
	int rc = record_new_machine(r->machine);

	if (rc == 0)
		rc = store_begin(s, STORE_FULL);
	if (rc == 0)
		rc = store_put_engine(s, "machine", r->machine);
	if (rc == 0)
		rc = store_put_engine(s, "prefix", r->prefix);
	if (rc == 0)
		rc = store_commit(s);
	if (rc < 0)
		store_rollback(s);
	return rc;
}

static int recognise(struct remote *r, struct ipam_error *error)
{
	char *machine = NULL, *prefix = NULL;
	int rc = store_get_engine(r->ipam->store, "machine", &machine);

	if (rc == -ENOENT) {
		if (r->ipam->registry.clusters > 0)
			return refuse(error, "%s: a database with clusters of its own, no state file of an engine's; name a new file",
				      r->ipam->path);
		r->first = true;
		return introduce(r);
	}
	if (rc == 0)
		rc = store_get_engine(r->ipam->store, "prefix", &prefix);
	if (rc == 0 && strcmp(prefix, r->prefix) != 0)
		rc = refuse(error, "%s: the state file of a machine under the prefix '%s', not '%s'", r->ipam->path, prefix, r->prefix);
	if (rc == 0)
		snprintf(r->machine, sizeof r->machine, "%s", machine);
	free(machine);
	free(prefix);
	return rc;
}

/* ---- how long this machine was away ----------------------------------------------------------------------------------------- */

/* A node may be removed by force, and its blocks given to another once they have rested: a machine that knows nothing of the
 * engine for half as long may not go on as if it did. It is on the safe side where the clock was put back. */
static bool away_too_long(const struct node *n, int64_t contact)
{
	int64_t away = engine_now() / 1000000000 - contact;

	return away < 0 || (uint64_t)away > node_setting(n, IPAM_BLOCK_QUARANTINE) / 2;
}

static int doubt_after_absence(struct remote *r)
{
	char *text = NULL;
	int64_t contact = 0;
	size_t doubted = 0;
	int rc = store_get_engine(r->ipam->store, "contact", &text);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (text != NULL)
		contact = strtoll(text, NULL, 10);
	free(text);
	for (struct cluster *c = r->ipam->registry.first; c != NULL; c = c->next)
		for (struct node *n = c->first; n != NULL; n = n->next)
			if (n->shared != 0 && n->held == NODE_HELD_HERE && n->doubt == NODE_SURE && away_too_long(n, contact)) {
				n->doubt = NODE_UNSETTLED;
				doubted++;
			}
	if (doubted > 0)
		engine_log(r->ipam, LOG_NOTICE,
			   "this machine was away from the engine for long: nothing is leased before that has said that its "
			   "blocks are still its own");
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

/* "/a/b", without an end that is empty. */
static char *clean_prefix(const char *prefix)
{
	char *copy = NULL;
	size_t n;

	if (asprintf(&copy, "%s%s", prefix[0] == '/' ? "" : "/", prefix) < 0)
		return NULL;
	for (n = strlen(copy); n > 0 && copy[n - 1] == '/'; n--)
		copy[n - 1] = 0;
	return copy;
}

int remote_start(struct remote *r)
{
	pthread_t *thread[] = { &r->sync, &r->pulse, &r->worker[0], &r->worker[1] };
	void *(*const fn[])(void *) = { remote_sync, remote_pulse, remote_worker, remote_worker };
	int rc = 0;

	_Static_assert(REMOTE_WORKERS == 2, "as many as stand above");
	while (rc == 0 && r->threads < sizeof thread / sizeof *thread) {
		rc = -pthread_create(thread[r->threads], NULL, fn[r->threads], r);
		r->threads += rc == 0;
	}
	return rc;
}

/* What keeps it from being read, and isn't over in a moment. */
static bool is_unread(struct remote *r)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->complaint[REMOTE_UNREAD][0] != 0 || r->complaint[REMOTE_ASTRAY][0] != 0;
	pthread_mutex_unlock(&r->lock);
	return is;
}

void remote_first(struct remote *r)
{
	enum { STEP_MS = 50 };
	int64_t until = remote_now_ms() + REMOTE_FIRST_MS;
	bool read = !r->first;

	while (!read && !is_unread(r) && remote_now_ms() < until)
		read = remote_await(r, 1, remote_now_ms() + STEP_MS);
	if (!read)
		engine_log(r->ipam, LOG_WARNING, "%s: nothing of it has been read yet: the mount is empty until it has", r->source);
}

int remote_open(struct ipam *ipam, const struct ipam_remote *o, struct ipam_error *error)
{
	struct etcd_options options = { o->endpoints, o->tls_ca, o->tls_cert, o->tls_key, o->user, o->password_file };
	struct remote *r = calloc(1, sizeof *r);
	pthread_condattr_t attr;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	ipam->remote = r;
	r->ipam = ipam;
	r->tail = &r->queue;
	r->leases = !o->hide_leases;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->moved, &attr);
	pthread_condattr_destroy(&attr);
	r->prefix = clean_prefix(o->prefix);
	r->node = o->node == NULL ? NULL : strdup(o->node);
	if (r->prefix == NULL || (o->node != NULL && r->node == NULL) || asprintf(&r->source, "etcd://%s%s", o->endpoints, r->prefix) < 0)
		return -ENOMEM;
	if (strlen(r->prefix) > RECORD_PREFIX_MAX)
		return refuse(error, "the prefix '%s' is too long", r->prefix);
	if (r->node != NULL && ipam_check_name(IPAM_NODE, r->node) < 0)
		return refuse(error, "'%s' is no name for a node", r->node);
	rc = recognise(r, error);
	if (rc == 0)
		rc = doubt_after_absence(r);
	if (rc == 0)
		rc = presence_new(r, r->first, &r->presence);
	if (rc == 0)
		rc = record_new_machine(r->session);
	if (rc == 0)
		rc = etcd_new(&options, &r->etcd, error);
	if (rc == 0)
		rc = astray_open(r);
	if (rc == 0)
		rc = publish_new(r, &r->publish);
	if (rc == 0)
		ipam->delegate = &delegate_etcd;
	return rc;
}

void remote_stop(struct remote *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
	/* The pulse first: it tells the engine that this machine leaves. */
	if (r->threads > 1)
		pthread_join(r->pulse, NULL);
	if (r->etcd != NULL)
		etcd_stop(r->etcd);
	if (r->threads > 0)
		pthread_join(r->sync, NULL);
	for (unsigned i = 2; i < r->threads; i++)
		pthread_join(r->worker[i - 2], NULL);
	r->threads = 0;
}

void remote_close(struct remote *r)
{
	if (r == NULL)
		return;
	publish_free(r->publish);
	presence_free(r->presence);
	etcd_free(r->etcd);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->moved);
	free(r->rest);
	free(r->asked);
	free(r->source);
	free(r->prefix);
	free(r->node);
	free(r);
}
