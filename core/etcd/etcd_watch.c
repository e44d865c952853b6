#include "etcd/etcd_call.h"
#include "etcd/etcd_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* etcd 3.4 says every 10 minutes that there is nothing to say. */
enum { SILENCE_MS = 25 * 60 * 1000 };

struct watching {
	struct etcd *e;
	const struct etcd_watch *w;
	uint64_t number;
	int64_t heard; /* when anything was */
	const char *endpoint;
	struct ipam_error *error;
	struct etcd_stream stream;
};

static int take(void *arg, const char *data, size_t n)
{
	struct watching *t = arg;

	t->heard = etcd_now_ms();
	return etcd_stream_take(&t->stream, data, n);
}

/* Nothing is to be heard of this member. */
static bool is_left(const struct watching *t)
{
	return atomic_load(&t->e->left) >= t->number || etcd_now_ms() - t->heard > SILENCE_MS;
}

static bool is_over(void *arg)
{
	const struct watching *t = arg;

	return is_left(t) || (t->w->stop != NULL && t->w->stop(t->w->arg));
}

/* ---- the watch ------------------------------------------------------------------------------------------------------- */

static char *request_of(const struct etcd_watch *w)
{
	json_t *create = json_pack("{s:o, s:o, s:b}", "key", etcd_base64(w->key.data, w->key.size), "start_revision",
				   json_sprintf("%" PRId64, w->from), "progress_notify", 1);
	json_t *request;
	char *body = NULL;

	if (create != NULL && w->end.size > 0)
		json_object_set_new(create, "range_end", etcd_base64(w->end.data, w->end.size));
	request = create == NULL ? NULL : json_pack("{s:o}", "create_request", create);
	if (request != NULL)
		body = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	return body;
}

static int run(struct watching *t, const char *body)
{
	const struct etcd_sink sink = { take, is_over, t };
	long status = 0;
	int rc = t->e->transport->stream(t->e, t->endpoint, "/v3/watch", body, &sink, &status, t->error);

	if (rc == 0 && t->stream.size > 0)
		etcd_stream_take(&t->stream, "\n", 1); /* an error may end without */
	if (t->stream.rc != 0)
		return t->stream.rc;
	if (rc == -ECANCELED && is_left(t))
		return etcd_fail(t->error, -EHOSTUNREACH, "%s: hangs, or is cut off from the other members", t->endpoint);
	if (rc == -ECANCELED)
		return etcd_fail(t->error, -ECANCELED, "%s: the watch is given up", t->endpoint);
	if (rc < 0)
		return rc;
	return etcd_fail(t->error, -EHOSTUNREACH, "%s: the watch has ended (HTTP status %ld)", t->endpoint, status);
}

/* For those who ask after it. */
static uint64_t set_watch(struct etcd *e, bool runs, size_t endpoint)
{
	uint64_t number;

	pthread_mutex_lock(&e->lock);
	e->watches += runs;
	number = e->watch = runs ? e->watches : 0;
	e->watched = endpoint;
	pthread_mutex_unlock(&e->lock);
	return number;
}

int etcd_watch(struct etcd *e, const struct etcd_watch *w, int64_t *compacted, struct ipam_error *error)
{
	size_t n = atomic_load(&e->current);
	struct watching t = { .e = e, .w = w, .endpoint = e->endpoint[n], .error = error, .heard = etcd_now_ms() };
	int rc = etcd_login(e, NULL, 5 * ETCD_CONNECT_MS, error);
	char *body = request_of(w), *token = etcd_token(e);

	t.stream = (struct etcd_stream){ .endpoint = t.endpoint, .events = w->events, .arg = w->arg, .error = error };
	if (rc == 0 && body == NULL)
		rc = etcd_fail(error, -ENOMEM, "out of memory");
	if (rc == 0) {
		t.number = set_watch(e, true, n);
		rc = run(&t, body);
		set_watch(e, false, n);
	}
	/* What isn't etcd tells of one endpoint, where others may be; all of them must have said so. */
	e->strangers = rc == -EPROTO ? e->strangers + 1 : 0;
	/* The next one goes elsewhere. */
	if (etcd_is_for_next(rc, error)) {
		size_t same = n;

		atomic_compare_exchange_strong(&e->current, &same, (n + 1) % e->endpoints);
	} else if (rc == -EACCES && token != NULL) {
		struct ipam_error ignored;

		etcd_login(e, token, 5 * ETCD_CONNECT_MS, &ignored);
	}
	if (rc == -EPROTO && e->strangers < e->endpoints)
		rc = -EHOSTUNREACH;
	*compacted = t.stream.compacted;
	etcd_stream_free(&t.stream);
	free(body);
	free(token);
	return rc;
}

uint64_t etcd_watching(struct etcd *e, char *out, size_t size)
{
	uint64_t watches;

	pthread_mutex_lock(&e->lock);
	snprintf(out, size, "%s", e->watch == 0 ? "" : e->endpoint[e->watched]);
	watches = e->watches;
	pthread_mutex_unlock(&e->lock);
	return watches;
}

void etcd_watch_leave(struct etcd *e)
{
	pthread_mutex_lock(&e->lock);
	if (e->watch != 0)
		atomic_store(&e->left, e->watch);
	pthread_mutex_unlock(&e->lock);
}

int etcd_watch_probe(struct etcd *e, struct etcd_key key, int timeout_ms, struct ipam_error *error)
{
	json_t *request = json_pack("{s:o, s:b}", "key", etcd_base64(key.data, key.size), "count_only", 1), *reply = NULL;
	uint64_t number;
	size_t endpoint;
	int rc;

	pthread_mutex_lock(&e->lock);
	number = e->watch;
	endpoint = e->watched;
	pthread_mutex_unlock(&e->lock);
	if (request == NULL)
		rc = etcd_fail(error, -ENOMEM, "out of memory");
	else if (number == 0)
		rc = -ENOENT;
	else
		rc = etcd_call_at(e, endpoint, "/v3/kv/range", request, timeout_ms, &reply, error);
	/* Not another one that was begun meanwhile. */
	if (rc == -EHOSTUNREACH || rc == -EPROTO) {
		size_t same = endpoint;

		pthread_mutex_lock(&e->lock);
		if (e->watch == number)
			atomic_store(&e->left, number);
		pthread_mutex_unlock(&e->lock);
		atomic_compare_exchange_strong(&e->current, &same, (endpoint + 1) % e->endpoints);
	}
	json_decref(request);
	json_decref(reply);
	return rc;
}
