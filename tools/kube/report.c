#include "report.h"

#include "cli/say.h"
#include "metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nodes have no namespace, and the Events of such objects are in this one. */
#define NAMESPACE "default"

enum { WAITING_MAX = 10000 };

struct news {
	struct news *next;
	json_t *event;
};

struct reporter {
	struct conn *conn;
	const struct halt *halt;
	const char *component;
	int64_t timeout_ms;
	char host[256];
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t added;
	struct news *first, **last;
	unsigned waiting;
	bool ending;
};

static void post(struct reporter *r, const json_t *event)
{
	struct call call = {
		.method = "POST", .path = "/api/v1/namespaces/" NAMESPACE "/events", .body = event, .timeout_ms = r->timeout_ms
	};
	struct answer a;
	int rc = conn_call(r->conn, &call, &a);

	if (rc == 0 && a.status >= 200 && a.status < 300)
		metrics_add(METRIC_EVENTS_POSTED, 1);
	else if (!halt_is(r->halt))
		cli_log(LOG_WARNING, "an Event can't be written: %s", a.error);
	answer_free(&a);
}

static void *write_them(void *arg)
{
	struct reporter *r = arg;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		struct news *n = r->first;

		if (n == NULL && r->ending)
			break;
		if (n == NULL) {
			pthread_cond_wait(&r->added, &r->lock);
			continue;
		}
		r->first = n->next;
		if (r->first == NULL)
			r->last = &r->first;
		r->waiting--;
		pthread_mutex_unlock(&r->lock);
		if (!halt_is(r->halt))
			post(r, n->event);
		json_decref(n->event);
		free(n);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct reporter *reporter_new(struct client *client, const char *component, int64_t timeout_ms, const struct halt *halt)
{
	struct reporter *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->component = component;
	r->timeout_ms = timeout_ms;
	r->halt = halt;
	r->last = &r->first;
	gethostname(r->host, sizeof r->host - 1);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->added, NULL);
	r->conn = conn_new(client, halt);
	if (r->conn == NULL || pthread_create(&r->thread, NULL, write_them, r) != 0) {
		conn_free(r->conn);
		free(r);
		return NULL;
	}
	return r;
}

static json_t *event_of(const struct reporter *r, const char *node, const char *uid, const char *reason, const char *message)
{
	char name[320], at[40];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(name, sizeof name, "%.200s.%llx", node, (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec);
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:i, s:s, s:s}",
			 "apiVersion", "v1", "kind", "Event", "metadata", "name", name, "namespace", NAMESPACE, "involvedObject",
			 "apiVersion", "v1", "kind", "Node", "name", node, "uid", uid, "reason", reason, "message", message, "type",
			 "Warning", "source", "component", r->component, "host", r->host, "firstTimestamp", at, "lastTimestamp", at,
			 "count", 1, "reportingComponent", r->component, "reportingInstance", r->host);
}

void reporter_add(struct reporter *r, const char *node, const char *uid, const char *reason, const char *message)
{
	struct news *n = calloc(1, sizeof *n);

	if (n != NULL)
		n->event = event_of(r, node, uid, reason, message);
	pthread_mutex_lock(&r->lock);
	if (n != NULL && n->event != NULL && r->waiting < WAITING_MAX) {
		*r->last = n;
		r->last = &n->next;
		r->waiting++;
		n = NULL;
		pthread_cond_signal(&r->added);
	}
	pthread_mutex_unlock(&r->lock);
	if (n != NULL)
		json_decref(n->event);
	free(n);
}

void reporter_end(struct reporter *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_signal(&r->added);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	conn_free(r->conn);
	pthread_cond_destroy(&r->added);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
