#include "fake_etcd.h"

#include "fake_keys.h"
#include "fake_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MACHINES = 8 };

struct machine {
	char name[32];
	enum fake_fault fault;
	bool cut, hang, hold;
	unsigned tell; /* revisions that it may hear of, though it is held */
	int64_t lease;
	long status;
	char *refusal;
};

static struct {
	pthread_mutex_t lock;
	struct fake_keys keys;
	uint64_t cluster;
	char split[32];
	char password[32], token[32];
	_Atomic int slow_ms;
	unsigned tokens, watches; /* watches of another number have ended */
	int64_t leases;
	struct machine machine[MACHINES];
	char *late, late_of[32]; /* a copy that is under way */
} it = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&it.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&it.lock);
}

static void rest(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static struct machine *machine(const char *name, size_t n)
{
	struct machine *m = it.machine;

	while (m->name[0] != 0 && (strlen(m->name) != n || strncmp(m->name, name, n) != 0))
		m++;
	if (m->name[0] == 0)
		snprintf(m->name, sizeof m->name, "%.*s", (int)n, name);
	return m;
}

static struct machine *named(const char *name)
{
	return machine(name, strlen(name));
}

/* "http://w1-a:1" */
static struct machine *machine_of(const char *endpoint)
{
	return machine(endpoint + strlen("http://"), strcspn(endpoint + strlen("http://"), "-:"));
}

/* It, or this member of its list. */
static bool is_cut(const char *endpoint)
{
	const char *host = endpoint + strlen("http://");

	return machine_of(endpoint)->cut || machine(host, strcspn(host, ":"))->cut;
}

static bool is_hanging(const char *endpoint)
{
	const char *host = endpoint + strlen("http://");

	return machine_of(endpoint)->hang || machine(host, strcspn(host, ":"))->hang;
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static json_t *number(uint64_t n)
{
	return json_sprintf("%" PRIu64, n);
}

static json_t *header(const char *endpoint)
{
	const char *host = endpoint + strlen("http://");
	bool other = it.split[0] != 0 && strncmp(host, it.split, strlen(it.split)) == 0;

	return json_pack("{s:o, s:o}", "cluster_id", number(it.cluster + other), "revision", number((uint64_t)it.keys.revision));
}

static json_t *refusal(const char *text, int code)
{
	return json_pack("{s:s, s:i}", "error", text, "code", code);
}

static json_t *range(const char *endpoint, const json_t *request)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "header", header(endpoint));
	fake_keys_range(&it.keys, request, answer);
	return answer;
}

static bool lease_is(int64_t lease)
{
	for (int i = 0; i < MACHINES; i++)
		if (it.machine[i].lease == lease)
			return true;
	return lease == 0;
}

static bool leases_are(const json_t *request)
{
	const json_t *op;
	size_t i;

	json_array_foreach(json_object_get(request, "success"), i, op)
		if (!lease_is(etcd_int(json_object_get(op, "request_put"), "lease")))
			return false;
	return true;
}

/* As the machine sees it: by what it asked and what became of it. NULL: there is no answer. */
static json_t *txn(const char *endpoint, struct machine *m, const char *body, const json_t *request, long *status)
{
	bool traced = fake_trace_has(request), good = false;
	enum fake_fault fault = traced ? m->fault : 0;
	json_t *answer = json_object();

	if (traced)
		m->fault = 0;
	if (fault == FAKE_LATE_CUT) {
		m->cut = true;
		fault = FAKE_LATE;
	}
	if (m->refusal != NULL || !leases_are(request)) {
		json_decref(answer);
		*status = m->refusal != NULL ? m->status : 404;
		return m->refusal != NULL ? json_loads(m->refusal, 0, NULL) : refusal("etcdserver: requested lease not found", 5);
	}
	for (int i = fault == FAKE_NO_REQUEST || fault == FAKE_LATE ? 2 : fault == FAKE_TWICE ? 0 : 1; i < 2; i++) {
		json_object_clear(answer);
		good = fake_keys_txn(&it.keys, request, answer);
		if (traced)
			fake_trace_txn(m->name, request, good, it.keys.revision, fault == FAKE_NO_ANSWER ? "the answer is lost" : NULL);
	}
	if (fault == FAKE_NO_REQUEST || fault == FAKE_LATE)
		fake_trace_txn(m->name, request, false, 0, fault == FAKE_LATE ? "on its way" : "lost");
	if (fault == FAKE_LATE || fault == FAKE_COPIED) {
		free(it.late);
		it.late = strdup(body);
		snprintf(it.late_of, sizeof it.late_of, "%s", m->name);
	}
	if (fault == FAKE_NO_REQUEST || fault == FAKE_LATE || fault == FAKE_NO_ANSWER) {
		json_decref(answer);
		return NULL;
	}
	json_object_set_new(answer, "header", header(endpoint));
	return answer;
}

static json_t *lease(const char *endpoint, struct machine *m, const char *what, const json_t *request)
{
	int64_t id = etcd_int(request, "ID");
	json_t *answer;

	if (strcmp(what, "grant") == 0) {
		m->lease = ++it.leases;
		return json_pack("{s:o, s:o, s:o}", "header", header(endpoint), "ID", number((uint64_t)m->lease), "TTL",
				 number((uint64_t)etcd_int(request, "TTL")));
	}
	if (strcmp(what, "revoke") == 0) {
		fake_keys_expire(&it.keys, id);
		m->lease = m->lease == id ? 0 : m->lease;
		return json_pack("{s:o}", "header", header(endpoint));
	}
	answer = json_pack("{s:{s:o, s:o}}", "result", "header", header(endpoint), "ID", number((uint64_t)id));
	if (m->lease == id)
		json_object_set_new(json_object_get(answer, "result"), "TTL", number(30));
	return answer;
}

static json_t *login(const char *endpoint, const json_t *request, long *status)
{
	const char *password = json_string_value(json_object_get(request, "password"));

	if (it.password[0] == 0) {
		*status = 400;
		return refusal("etcdserver: authentication is not enabled", 9);
	}
	if (password == NULL || strcmp(password, it.password) != 0) {
		*status = 400;
		return refusal("etcdserver: authentication failed, invalid user ID or password", 3);
	}
	snprintf(it.token, sizeof it.token, "token-%u", ++it.tokens);
	return json_pack("{s:o, s:s}", "header", header(endpoint), "token", it.token);
}

static bool has_logged_in(struct etcd *e)
{
	char *token = etcd_token(e);
	bool has = it.password[0] == 0 || (token != NULL && strcmp(token, it.token) == 0);

	free(token);
	return has;
}

static json_t *answer_to(struct etcd *e, const char *endpoint, const char *path, const char *body, long *status)
{
	struct machine *m = machine_of(endpoint);
	json_t *request = json_loads(body, 0, NULL), *answer;

	*status = 200;
	if (strcmp(path, ETCD_LOGIN) == 0) {
		answer = login(endpoint, request, status);
	} else if (!has_logged_in(e)) {
		*status = 401;
		answer = refusal("etcdserver: invalid auth token", 16);
	} else if (strcmp(path, "/v3/kv/range") == 0) {
		answer = range(endpoint, request);
	} else if (strcmp(path, "/v3/kv/txn") == 0) {
		answer = txn(endpoint, m, body, request, status);
	} else if (strncmp(path, "/v3/lease/", 10) == 0) {
		answer = lease(endpoint, m, path + 10, request);
	} else {
		*status = 404;
		answer = json_object();
	}
	json_decref(request);
	return answer;
}

/* ---- the transport ------------------------------------------------------------------------------------------------------ */

static int fake_post(struct etcd *e, const char *endpoint, const char *path, const char *body, int64_t timeout_ms, bool alone,
		     struct etcd_answer *out, struct ipam_error *error)
{
	int64_t until = etcd_now_ms() + timeout_ms;
	json_t *answer = NULL;
	bool cut, hangs;

	(void)alone;
	if (strcmp(path, "/v3/kv/range") == 0 && strstr(body, "\"L2lwYW0v\"") != NULL) /* the prefix */
		for (int64_t when = etcd_now_ms() + it.slow_ms; etcd_now_ms() < when;)
			rest();
	lock();
	while ((hangs = is_hanging(endpoint)) && etcd_now_ms() < until && !atomic_load(&e->stop)) {
		unlock();
		rest();
		lock();
	}
	cut = is_cut(endpoint);
	if (!cut && !hangs)
		answer = answer_to(e, endpoint, path, body, &out->status);
	unlock();
	out->sent = !cut;
	if (answer == NULL)
		return etcd_fail(error, atomic_load(&e->stop) ? -ECANCELED : -EHOSTUNREACH, "%s: %s", endpoint,
				 cut ? "connection refused" : "no answer");
	out->data = json_dumps(answer, JSON_COMPACT);
	out->size = strlen(out->data);
	json_decref(answer);
	return 0;
}

/* What the watch is told next; NULL: nothing yet. With the lock. */
static json_t *next_of(const char *endpoint, const json_t *create, int64_t *from)
{
	struct machine *m = machine_of(endpoint);
	json_t *events;
	int64_t at;

	if (*from <= it.keys.compacted)
		return json_pack("{s:{s:o, s:b, s:o}}", "result", "header", header(endpoint), "canceled", 1, "compact_revision",
				 number((uint64_t)it.keys.compacted));
	if (m->hold && m->tell == 0)
		return NULL;
	events = fake_keys_events(&it.keys, create, from, &at);
	if (events == NULL)
		return NULL;
	m->tell -= m->hold;
	return json_pack("{s:{s:o, s:o}}", "result", "header", header(endpoint), "events", events);
}

static int tell(const struct etcd_sink *sink, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	size_t n = strlen(text), half = n / 2;
	int rc;

	text[n] = '\n';
	rc = sink->take(sink->arg, text, half); /* in pieces, as they come */
	if (rc == 0)
		rc = sink->take(sink->arg, text + half, n + 1 - half);
	free(text);
	json_decref(o);
	return rc;
}

static int fake_stream(struct etcd *e, const char *endpoint, const char *path, const char *body, const struct etcd_sink *sink, long *status,
		       struct ipam_error *error)
{
	json_t *request = json_loads(body, 0, NULL), *o;
	const json_t *create = json_object_get(request, "create_request");
	int64_t from = etcd_int(create, "start_revision");
	unsigned number;
	bool ends, in;
	int rc = 0;

	(void)path;
	lock();
	number = it.watches;
	in = has_logged_in(e);
	o = in ? json_pack("{s:{s:o, s:b}}", "result", "header", header(endpoint), "created", 1) :
		 refusal("etcdserver: invalid auth token", 16);
	ends = is_cut(endpoint);
	unlock();
	*status = in ? 200 : 401;
	if (ends)
		json_decref(o);
	else
		rc = tell(sink, o);
	while (rc == 0 && !ends && in) {
		if (atomic_load(&e->stop) || sink->stop(sink->arg)) {
			rc = -ECANCELED;
			break;
		}
		lock();
		ends = is_cut(endpoint) || it.watches != number;
		o = ends || is_hanging(endpoint) ? NULL : next_of(endpoint, create, &from);
		unlock();
		if (o != NULL)
			rc = tell(sink, o);
		else
			rest();
	}
	json_decref(request);
	if (rc != 0)
		return -ECANCELED;
	return ends ? etcd_fail(error, -EHOSTUNREACH, "%s: the connection is lost", endpoint) : 0;
}

static const struct etcd_transport transport = { fake_post, fake_stream };

/* ---- by the test --------------------------------------------------------------------------------------------------------- */

void fake_begin(void)
{
	static uint64_t clusters = UINT64_C(0xf00000000000000); /* more than a double holds */

	lock();
	it.cluster = clusters += 16;
	it.keys = (struct fake_keys){ .revision = 1 };
	unlock();
	fake_trace_begin();
	etcd_transport = &transport;
}

void fake_end(void)
{
	lock();
	fake_keys_free(&it.keys);
	for (int i = 0; i < MACHINES; i++)
		free(it.machine[i].refusal);
	free(it.late);
	memset(it.machine, 0, sizeof it.machine);
	it.late = NULL;
	it.slow_ms = 0;
	it.split[0] = it.password[0] = it.token[0] = 0;
	unlock();
	free(fake_trace());
}

int64_t fake_revision(void)
{
	int64_t revision;

	lock();
	revision = it.keys.revision;
	unlock();
	return revision;
}

void fake_put(const char *key, const char *value)
{
	char full[RECORD_KEY];

	snprintf(full, sizeof full, "%s/%s", FAKE_PREFIX, key);
	lock();
	fake_keys_put(&it.keys, full, value);
	unlock();
}

const char *fake_id(const char *of)
{
	static char id[17];

	lock();
	fake_keys_id(&it.keys, of, id);
	unlock();
	return id;
}

void fake_fault(const char *name, enum fake_fault fault)
{
	lock();
	named(name)->fault = fault;
	unlock();
}

void fake_late(void)
{
	json_t *request, *answer = json_object();
	bool good;

	lock();
	request = json_loads(it.late == NULL ? "{}" : it.late, 0, NULL);
	good = fake_keys_txn(&it.keys, request, answer);
	fake_trace_txn(it.late_of, request, good, it.keys.revision, "late");
	free(it.late);
	it.late = NULL;
	unlock();
	json_decref(request);
	json_decref(answer);
}

void fake_cut(const char *name, bool is)
{
	lock();
	named(name)->cut = is;
	unlock();
}

void fake_hang(const char *name, bool is)
{
	lock();
	named(name)->hang = is;
	unlock();
}

void fake_refuse(const char *name, long status, const char *reply)
{
	struct machine *m;

	lock();
	m = named(name);
	free(m->refusal);
	m->refusal = reply == NULL ? NULL : strdup(reply);
	m->status = status;
	unlock();
}

void fake_password(const char *password)
{
	lock();
	snprintf(it.password, sizeof it.password, "%s", password);
	it.token[0] = 0;
	unlock();
}

void fake_hold(const char *name, bool is)
{
	lock();
	named(name)->hold = is;
	named(name)->tell = 0;
	unlock();
}

bool fake_is_held(const char *name)
{
	const struct machine *m;
	bool is;

	lock();
	m = named(name);
	is = m->hold || m->cut || m->hang;
	unlock();
	return is;
}

void fake_tell(const char *name)
{
	lock();
	named(name)->tell++;
	unlock();
}

void fake_slow(int ms)
{
	it.slow_ms = ms;
}

void fake_drop_watches(void)
{
	lock();
	it.watches++;
	unlock();
}

void fake_compact(void)
{
	lock();
	it.keys.compacted = it.keys.revision;
	it.watches++;
	unlock();
}

void fake_restore(int64_t revision)
{
	lock();
	fake_keys_restore(&it.keys, revision);
	it.watches++;
	unlock();
}

void fake_exchange(bool empty)
{
	lock();
	it.cluster++;
	if (empty)
		fake_keys_restore(&it.keys, 1);
	it.watches++;
	unlock();
}

void fake_split(const char *endpoint)
{
	lock();
	snprintf(it.split, sizeof it.split, "%s", endpoint == NULL ? "" : endpoint);
	unlock();
}

void fake_expire(const char *name)
{
	struct machine *m;

	lock();
	m = named(name);
	if (m->lease != 0)
		fake_keys_expire(&it.keys, m->lease);
	m->lease = 0;
	unlock();
}
