#include "leader.h"

#include "cli/say.h"
#include "clock.h"
#include "metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct leader {
	const struct options *o;
	const struct halt *stop;
	struct halt lost;
	struct conn *conn; /* asks while it isn't stopped */
	struct conn *last; /* gives up, though stopped */
	char *path, *collection;
	_Atomic int64_t until; /* ms; it may write before that */
	pthread_t thread;
	bool renewing;
	atomic_bool leaving;
	/* what was seen of the Lease */
	json_t *lease;     /* NULL: there is none */
	char *record;      /* holder and times, to see whether they change */
	int64_t record_at; /* when they did, by this clock */
	char told[300];    /* the holder that the log names */
};

struct leader *leader_new(struct client *client, const struct options *o, const struct halt *stop)
{
	struct leader *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->o = o;
	l->stop = stop;
	if (halt_init(&l->lost, stop) < 0 || (l->conn = conn_new(client, stop)) == NULL || (l->last = conn_new(client, NULL)) == NULL ||
	    asprintf(&l->collection, "/apis/coordination.k8s.io/v1/namespaces/%s/leases", o->lease_namespace) < 0 ||
	    asprintf(&l->path, "%s/%s", l->collection, o->lease_name) < 0) {
		leader_free(l);
		return NULL;
	}
	return l;
}

void leader_free(struct leader *l)
{
	if (l == NULL)
		return;
	halt_close(&l->lost);
	conn_free(l->conn);
	conn_free(l->last);
	json_decref(l->lease);
	free(l->record);
	free(l->path);
	free(l->collection);
	free(l);
}

const struct halt *leader_halt(const struct leader *l)
{
	return &l->lost;
}

int64_t leader_left(const struct leader *l)
{
	return l->o->leader_elect ? atomic_load(&l->until) - now_ms() : INT32_MAX;
}

/* ---- the Lease ------------------------------------------------------------------------------------------------------------ */

static const char *spec_text(const struct leader *l, const char *key)
{
	const char *s = json_string_value(json_object_get(json_object_get(l->lease, "spec"), key));

	return s == NULL ? "" : s;
}

static int64_t spec_number(const struct leader *l, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(l->lease, "spec"), key));
}

static bool is_mine(const struct leader *l)
{
	return strcmp(spec_text(l, "holderIdentity"), l->o->identity) == 0;
}

/* Keeps what the server said of it, and notes whether it changed. */
static void note(struct leader *l, json_t *lease)
{
	char *record;

	json_decref(l->lease);
	l->lease = json_incref(lease);
	if (asprintf(&record, "%s %s %s %lld", spec_text(l, "holderIdentity"), spec_text(l, "renewTime"), spec_text(l, "acquireTime"),
		     (long long)spec_number(l, "leaseTransitions")) < 0)
		record = NULL;
	if (record == NULL || l->record == NULL || strcmp(record, l->record) != 0)
		l->record_at = now_ms();
	free(l->record);
	l->record = record;
}

/* 0, 1 there is none, -errno with the answer's text. */
static int look(struct leader *l, int64_t timeout, struct answer *a)
{
	struct call call = { .method = "GET", .path = l->path, .timeout_ms = timeout, .urgent = true };
	int rc = conn_call(l->conn, &call, a);

	if (rc == 0 && a->status == 404)
		return 1;
	if (rc == 0 && a->status != 200)
		rc = a->status == 401 || a->status == 403 ? -EACCES : -EHOSTUNREACH;
	if (rc == 0 && !json_is_object(json_object_get(a->json, "metadata")))
		rc = -EPROTO;
	if (rc == 0)
		note(l, a->json);
	return rc;
}

/* A MicroTime. */
static void time_text(char out[40])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 40 - n, ".%06ldZ", now.tv_nsec / 1000);
}

static json_t *spec_of(const struct leader *l, const char *holder)
{
	bool renewal = l->lease != NULL && is_mine(l), fresh = l->lease == NULL;
	char now[40], acquired[40];
	int64_t seconds = (l->o->lease_ms + 999) / 1000, transitions = fresh ? 0 : spec_number(l, "leaseTransitions") + !renewal;

	time_text(now);
	snprintf(acquired, sizeof acquired, "%s", renewal && *spec_text(l, "acquireTime") != 0 ? spec_text(l, "acquireTime") : now);
	/* Given up: the shortest duration that the API takes. */
	return json_pack("{s:s,s:I,s:s,s:s,s:I}", "holderIdentity", holder, "leaseDurationSeconds",
			 (json_int_t)(*holder == 0 ? 1 : seconds), "acquireTime", acquired, "renewTime", now, "leaseTransitions",
			 (json_int_t)transitions);
}

/* Writes it over what was seen. 0; 1: it changed meanwhile; -errno. */
static int put(struct leader *l, struct conn *conn, const char *holder, int64_t timeout, struct answer *a)
{
	json_t *body = l->lease == NULL ? json_pack("{s:s,s:s,s:{s:s,s:s}}", "apiVersion", "coordination.k8s.io/v1", "kind", "Lease",
						    "metadata", "name", l->o->lease_name, "namespace", l->o->lease_namespace) :
					  json_deep_copy(l->lease);
	struct call call = { .method = l->lease == NULL ? "POST" : "PUT",
			     .path = l->lease == NULL ? l->collection : l->path,
			     .body = body,
			     .timeout_ms = timeout,
			     .urgent = true };
	int rc = body == NULL || json_object_set_new(body, "spec", spec_of(l, holder)) < 0 ? -ENOMEM : 0;

	*a = (struct answer){ 0 };
	if (rc == 0)
		rc = conn_call(conn, &call, a);
	if (rc == 0 && a->status == 409)
		rc = 1;
	else if (rc == 0 && (a->status < 200 || a->status > 299))
		rc = a->status == 401 || a->status == 403 ? -EACCES : -EHOSTUNREACH;
	else if (rc == 0)
		note(l, a->json);
	json_decref(body);
	return rc;
}

/* ---- leading -------------------------------------------------------------------------------------------------------------- */

/* 0: it is this one's, for the renew deadline from when the request began. 1: another's. -errno. */
static int try(struct leader *l, int64_t timeout, bool renewal, struct answer *a)
{
	int64_t begun, duration;
	int rc = 0;

	*a = (struct answer){ 0 };
	if (!renewal || l->lease == NULL)
		rc = look(l, timeout, a);
	if (rc == 1) {
		json_decref(l->lease);
		l->lease = NULL;
	} else if (rc < 0) {
		return rc;
	} else if (*spec_text(l, "holderIdentity") != 0 && !is_mine(l)) {
		duration = spec_number(l, "leaseDurationSeconds") * 1000;
		if (renewal || now_ms() - l->record_at < (duration > l->o->lease_ms ? duration : l->o->lease_ms))
			return 1;
	}
	answer_free(a);
	begun = now_ms();
	rc = put(l, l->conn, l->o->identity, timeout, a);
	if (rc == 0)
		atomic_store(&l->until, begun + l->o->renew_ms);
	return rc;
}

/* Until it couldn't in time, or is stopped. */
static void *renew(void *arg)
{
	struct leader *l = arg;
	int64_t left;

	while ((left = leader_left(l)) > 0 && !halt_sleep(&l->lost, left < l->o->retry_ms ? left : l->o->retry_ms)) {
		struct answer a;
		int rc;

		left = leader_left(l);
		if (left <= 0)
			break;
		rc = try(l, left < l->o->timeout_ms ? left : l->o->timeout_ms, true, &a);
		if (rc == 1) { /* somebody wrote it: who holds it now? */
			answer_free(&a);
			rc = look(l, left < l->o->timeout_ms ? left : l->o->timeout_ms, &a);
			if (rc == 1 || (rc == 0 && !is_mine(l))) {
				cli_log(LOG_ERR, "the lease %s/%s is held by '%s' now", l->o->lease_namespace, l->o->lease_name,
					rc == 1 ? "" : spec_text(l, "holderIdentity"));
				answer_free(&a);
				break;
			}
		}
		if (rc < 0 && rc != -ECANCELED)
			cli_log(LOG_WARNING, "the lease %s/%s can't be renewed: %s", l->o->lease_namespace, l->o->lease_name, a.error);
		answer_free(&a);
	}
	if (!halt_is(l->stop) && !atomic_load(&l->leaving)) {
		atomic_store(&l->until, 0);
		cli_log(LOG_ERR, "%s leads no more", l->o->identity);
	}
	metrics_set(METRIC_LEADER, 0);
	halt_set(&l->lost);
	return NULL;
}

static void tell_holder(struct leader *l)
{
	const char *holder = spec_text(l, "holderIdentity");

	if (strcmp(l->told, holder) == 0)
		return;
	snprintf(l->told, sizeof l->told, "%s", holder);
	cli_log(LOG_NOTICE, "'%s' leads; this one ('%s') waits", holder, l->o->identity);
}

static int win(struct leader *l)
{
	unsigned failures = 0;
	int rc;

	do {
		struct answer a;

		rc = try(l, l->o->timeout_ms < l->o->renew_ms ? l->o->timeout_ms : l->o->renew_ms, false, &a);
		if (rc == 1)
			tell_holder(l);
		if (rc < 0 && rc != -ECANCELED && failures++ % 30 == 0)
			cli_log(LOG_WARNING, "the lease %s/%s can't be had: %s", l->o->lease_namespace, l->o->lease_name, a.error);
		answer_free(&a);
		if (rc < 0 && l->o->once && failures == 5)
			return rc;
	} while (rc != 0 && !halt_sleep(l->stop, jitter(l->o->retry_ms)));
	return halt_is(l->stop) ? -ECANCELED : 0;
}

int leader_win(struct leader *l)
{
	int rc;

	halt_clear(&l->lost);
	if (!l->o->leader_elect) {
		metrics_set(METRIC_LEADER, 1);
		return halt_is(l->stop) ? -ECANCELED : 0;
	}
	rc = win(l);
	if (rc < 0)
		return rc;
	atomic_store(&l->leaving, false);
	rc = pthread_create(&l->thread, NULL, renew, l);
	if (rc != 0) {
		cli_log(LOG_ERR, "no thread to be had: %s", strerror(rc));
		return -rc;
	}
	l->renewing = true;
	l->told[0] = 0;
	cli_log(LOG_NOTICE, "%s leads", l->o->identity);
	metrics_add(METRIC_TAKEOVERS, 1);
	metrics_set(METRIC_LEADER, 1);
	return 0;
}

void leader_leave(struct leader *l)
{
	struct answer a;
	int64_t left;

	metrics_set(METRIC_LEADER, 0);
	if (!l->renewing)
		return;
	atomic_store(&l->leaving, true);
	halt_set(&l->lost);
	pthread_join(l->thread, NULL);
	l->renewing = false;
	left = leader_left(l);
	atomic_store(&l->until, 0);
	if (left <= 0 || l->lease == NULL || !is_mine(l))
		return; /* it is another's by now, or may be */
	put(l, l->last, "", left < 5000 ? left : 5000, &a);
	answer_free(&a);
}
