/* A stand-in for kube-apiserver: Nodes, Events and Leases in memory, with what clients rely on (resourceVersions, pages,
 * watches with bookmarks, preconditions, finalizers, podCIDRs that don't change) and, on demand, what a real one seldom does.
 *
 *   apiserver PORT-FILE [TOKEN-FILE]      on a port of loopback that it chooses and writes to the file
 *
 *   POST /bulk          {"items": [object...]}: makes Nodes
 *   POST /fault?...     gone=N      the next N watches are answered 410
 *                       error=N     the next N watches end with an ERROR event that says 410
 *                       broken=N    the next N watches end with an ERROR event that says 500
 *                       expire=N    the next N pages but the first are answered 410
 *                       conflict=N  the next N patches of Nodes come second: 409
 *                       lost=N      the next N patches of Nodes are done, but the connection ends without a word
 *                       half=N      the next N answers and watch events are cut in their middle
 *                       fail=N      the next N requests are answered 500
 *                       throttle=N  the next N requests are answered 429, Retry-After 1
 *                       reject=N    the next N requests are answered 401
 *                       slow=MS     every answer comes that much later, until it is set to 0
 *                       window=N    events kept for watches (10000)
 *                       drop=1      every watch ends now
 *                       bookmark=1  every watch gets a bookmark now
 *   GET /count?METHOD   how many requests there were of a method, e.g. PATCH; WATCH and LIST count by themselves
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum kind { NODES, EVENTS, LEASES, KINDS };
enum { GONE_, ERROR_, BROKEN, EXPIRE, CONFLICT, LOST, HALF, FAIL, THROTTLE, REJECT, SLOW, WINDOW, DROP, BOOKMARK, FAULTS };

static const char *const fault_name[FAULTS] = { "gone", "error", "broken", "expire", "conflict", "lost", "half",
						"fail", "throttle", "reject", "slow", "window", "drop", "bookmark" };
static const char *const kind_name[KINDS] = { "Node", "Event", "Lease" };
static const char *const list_name[KINDS] = { "NodeList", "EventList", "LeaseList" };
static const char *const method_name[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "LIST", "WATCH", NULL };

struct change {
	unsigned long long version;
	enum kind kind;
	const char *type;
	char *text; /* of the object */
	char *name;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct {
	json_t **object; /* by name */
	size_t n, room;
} store[KINDS];
static struct change *history;
static size_t changes, first_change, changes_room;
static unsigned long long version = 100, uids, drops, bookmarks;
static long fault[FAULTS] = { [WINDOW] = 10000 };
static unsigned long count[8];
static const char *token_file;

/* ---- objects ------------------------------------------------------------------------------------------------------ */

static json_t *meta(json_t *object)
{
	return json_object_get(object, "metadata");
}

static const char *text_of(json_t *part, const char *key)
{
	const char *s = json_string_value(json_object_get(part, key));

	return s != NULL ? s : "";
}

static const char *name_of(json_t *object)
{
	return text_of(meta(object), "name");
}

static size_t place_of(enum kind kind, const char *name, bool *there)
{
	size_t low = 0, high = store[kind].n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(name_of(store[kind].object[middle]), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*there = low < store[kind].n && strcmp(name_of(store[kind].object[low]), name) == 0;
	return low;
}

static void record(enum kind kind, const char *type, json_t *object)
{
	char number[32];

	snprintf(number, sizeof number, "%llu", ++version);
	json_object_set_new(meta(object), "resourceVersion", json_string(number));
	if (changes == changes_room) {
		changes_room = changes_room == 0 ? 1024 : changes_room * 2;
		history = realloc(history, changes_room * sizeof *history);
	}
	history[changes++] = (struct change){ version, kind, type, json_dumps(object, JSON_COMPACT), strdup(name_of(object)) };
	while (changes - first_change > (size_t)fault[WINDOW]) {
		free(history[first_change].text);
		free(history[first_change++].name);
	}
	pthread_cond_broadcast(&news);
}

static void now(char out[40])
{
	time_t t = time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void insert(enum kind kind, json_t *object)
{
	bool there;
	size_t at = place_of(kind, name_of(object), &there);
	char uid[32], when[40];

	if (store[kind].n == store[kind].room) {
		store[kind].room = store[kind].room == 0 ? 256 : store[kind].room * 2;
		store[kind].object = realloc(store[kind].object, store[kind].room * sizeof(json_t *));
	}
	memmove(store[kind].object + at + 1, store[kind].object + at, (store[kind].n - at) * sizeof(json_t *));
	store[kind].object[at] = object;
	store[kind].n++;
	snprintf(uid, sizeof uid, "uid-%llu", ++uids);
	now(when);
	json_object_set_new(meta(object), "uid", json_string(uid));
	json_object_set_new(meta(object), "creationTimestamp", json_string(when));
	record(kind, "ADDED", object);
}

static void erase(enum kind kind, size_t at)
{
	json_t *object = store[kind].object[at];

	memmove(store[kind].object + at, store[kind].object + at + 1, (store[kind].n - at - 1) * sizeof(json_t *));
	store[kind].n--;
	record(kind, "DELETED", object);
	json_decref(object);
}

/* RFC 7386 */
static void merge(json_t *into, json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach(patch, key, value) {
		if (json_is_null(value)) {
			json_object_del(into, key);
		} else if (json_is_object(value)) {
			if (!json_is_object(json_object_get(into, key)))
				json_object_set_new(into, key, json_object());
			merge(json_object_get(into, key), value);
		} else {
			json_object_set_new(into, key, json_deep_copy(value));
		}
	}
}

/* ---- HTTP --------------------------------------------------------------------------------------------------------- */

struct request {
	int fd;
	char method[16], path[4096], *query, *body, token[2048];
	char *buffer;
	size_t have, used, room;
};

static bool put(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, data, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		data += done;
		n -= (size_t)done;
	}
	return true;
}

static bool fires(int which)
{
	bool it;

	pthread_mutex_lock(&lock);
	it = fault[which] > 0;
	if (it)
		fault[which]--;
	pthread_mutex_unlock(&lock);
	return it;
}

/* false: the connection is to end. */
static bool answer(struct request *r, int status, const char *more, char *body)
{
	size_t n = body != NULL ? strlen(body) : 0;
	bool half = status == 200 && n > 2 && fires(HALF), good;
	char head[512];
	int m = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n", status, n, more);

	good = put(r->fd, head, (size_t)m) && put(r->fd, body != NULL ? body : "", half ? n / 2 : n);
	free(body);
	return good && !half;
}

static bool refuse(struct request *r, int status, const char *reason, const char *message)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "status", "Failure", "message",
				   message, "reason", reason, "code", status);
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	return answer(r, status, status == 429 ? "Retry-After: 1\r\n" : "", text);
}

static bool fill(struct request *r)
{
	ssize_t n;

	if (r->room - r->have < 4096) {
		r->room = r->room == 0 ? 16384 : r->room * 2;
		r->buffer = realloc(r->buffer, r->room);
	}
	n = recv(r->fd, r->buffer + r->have, r->room - r->have - 1, 0);
	if (n <= 0)
		return false;
	r->have += (size_t)n;
	r->buffer[r->have] = 0;
	return true;
}

static const char *header(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at != NULL ? at + strlen(name) : NULL;
}

static bool read_request(struct request *r)
{
	char *end = NULL;
	const char *it;
	size_t length = 0, head;

	free(r->body);
	r->body = NULL;
	if (r->buffer != NULL) {
		memmove(r->buffer, r->buffer + r->used, r->have - r->used);
		r->have -= r->used;
		r->used = 0;
		r->buffer[r->have] = 0;
	}
	while (r->have == 0 || (end = strstr(r->buffer, "\r\n\r\n")) == NULL)
		if (!fill(r))
			return false;
	*end = 0;
	head = (size_t)(end - r->buffer) + 4;
	if (sscanf(r->buffer, "%15s %4095s", r->method, r->path) != 2)
		return false;
	it = header(r->buffer, "\r\nContent-Length: ");
	length = it != NULL ? strtoul(it, NULL, 10) : 0;
	it = header(r->buffer, "\r\nAuthorization: Bearer ");
	r->token[0] = 0;
	if (it != NULL)
		snprintf(r->token, sizeof r->token, "%.*s", (int)strcspn(it, "\r"), it);
	while (r->have < head + length)
		if (!fill(r))
			return false;
	r->body = strndup(r->buffer + head, length);
	r->used = head + length;
	r->query = strchr(r->path, '?');
	if (r->query != NULL)
		*r->query++ = 0;
	return true;
}

/* A parameter's value, with %XX undone; "" where there is none. */
static const char *parameter(struct request *r, const char *name, char *out, size_t room)
{
	const char *at = r->query;
	size_t n = strlen(name), to = 0;

	*out = 0;
	for (; at != NULL; at = strchr(at, '&'), at = at != NULL ? at + 1 : NULL) {
		if (strncmp(at, name, n) != 0 || at[n] != '=')
			continue;
		for (at += n + 1; *at != 0 && *at != '&' && to + 1 < room; at++) {
			unsigned byte = 0;

			if (*at == '%' && sscanf(at + 1, "%2x", &byte) == 1)
				at += 2;
			out[to++] = byte != 0 ? (char)byte : *at;
		}
		out[to] = 0;
		break;
	}
	return out;
}

static unsigned long long number(struct request *r, const char *name)
{
	char text[64];

	return strtoull(parameter(r, name, text, sizeof text), NULL, 10);
}

/* ---- list and watch ----------------------------------------------------------------------------------------------- */

static bool selected(const char *selector, const char *name)
{
	const char *want = strstr(selector, "metadata.name=");

	return want == NULL || strcmp(want + strlen("metadata.name="), name) == 0;
}

static unsigned long long oldest(void)
{
	return first_change < changes ? history[first_change].version : version + 1;
}

static bool list(struct request *r, enum kind kind)
{
	char selector[512], from[600], next[600] = "", at[32];
	unsigned long long limit = number(r, "limit"), as_of = version;
	json_t *items = json_array(), *out;
	const char *after = NULL;
	char *text;

	parameter(r, "fieldSelector", selector, sizeof selector);
	parameter(r, "continue", from, sizeof from);
	pthread_mutex_lock(&lock);
	count[5]++;
	as_of = version;
	if (*from != 0) {
		as_of = strtoull(from, NULL, 10);
		after = strchr(from, '/') + 1;
	}
	if (*from != 0 && (as_of + 1 < oldest() || fault[EXPIRE] > 0)) {
		fault[EXPIRE] -= fault[EXPIRE] > 0;
		pthread_mutex_unlock(&lock);
		json_decref(items);
		return refuse(r, 410, "Expired", "The provided continue parameter is too old");
	}
	for (size_t i = 0; i < store[kind].n; i++) {
		const char *name = name_of(store[kind].object[i]);

		if ((after != NULL && strcmp(name, after) <= 0) || !selected(selector, name))
			continue;
		if (limit > 0 && json_array_size(items) == limit) {
			snprintf(next, sizeof next, "%llu/%s", as_of, name_of(json_array_get(items, limit - 1)));
			break;
		}
		json_array_append(items, store[kind].object[i]);
	}
	snprintf(at, sizeof at, "%llu", as_of);
	out = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "kind", list_name[kind], "apiVersion", "v1", "metadata", "resourceVersion", at,
			"continue", next, "items", items);
	text = json_dumps(out, JSON_COMPACT);
	json_decref(out);
	pthread_mutex_unlock(&lock);
	return answer(r, 200, "", text);
}

static bool chunk(int fd, const char *type, const char *object, bool half)
{
	char *line = NULL, head[32];
	int n = asprintf(&line, "{\"type\":\"%s\",\"object\":%s}\n", type, object), m;
	bool good;

	if (half)
		n /= 2;
	m = snprintf(head, sizeof head, "%x\r\n", n);
	good = put(fd, head, (size_t)m) && put(fd, line, (size_t)n) && put(fd, "\r\n", 2) && !half;
	free(line);
	return good;
}

/* Under the lock, which is let go while it writes. */
static bool tell(int fd, const char *type, const char *object)
{
	char *copy = strdup(object);
	bool half = fault[HALF] > 0, good;

	fault[HALF] -= half;
	pthread_mutex_unlock(&lock);
	good = chunk(fd, type, copy, half);
	pthread_mutex_lock(&lock);
	free(copy);
	return good;
}

static bool tell_error(int fd, int code)
{
	char text[200];

	snprintf(text, sizeof text, "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"%s\",\"code\":%d}",
		 code == 410 ? "too old resource version" : "etcdserver: leader changed", code);
	return tell(fd, "ERROR", text) && false;
}

static bool tell_bookmark(int fd, enum kind kind)
{
	char text[200];

	snprintf(text, sizeof text, "{\"kind\":\"%s\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%llu\",\"creationTimestamp\":null}}",
		 kind_name[kind], version);
	return tell(fd, "BOOKMARK", text);
}

/* Under the lock. Changes stay where they are in the array, so a place in it holds while the lock is let go. */
static bool follow(struct request *r, enum kind kind, const char *selector, unsigned long long from, time_t until)
{
	size_t at = first_change;
	unsigned long long dropped = drops, marked = bookmarks;

	if (from + 1 < oldest())
		return tell_error(r->fd, 410);
	while (time(NULL) < until && dropped == drops) {
		struct timespec t;
		char nothing;

		if (fault[ERROR_] > 0 || fault[BROKEN] > 0) {
			int which = fault[ERROR_] > 0 ? ERROR_ : BROKEN;

			fault[which]--;
			return tell_error(r->fd, which == ERROR_ ? 410 : 500);
		}
		if (at < first_change)
			return tell_error(r->fd, 410);
		for (; at < changes; at++)
			if (history[at].version > from && history[at].kind == kind && selected(selector, history[at].name))
				break;
		if (at < changes) {
			if (!tell(r->fd, history[at].type, history[at].text))
				return false;
			at++;
			continue;
		}
		if (marked != bookmarks && !tell_bookmark(r->fd, kind))
			return false;
		marked = bookmarks;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec++;
		pthread_cond_timedwait(&news, &lock, &t);
		if (recv(r->fd, &nothing, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
			return false;
	}
	return true;
}

static bool watch(struct request *r, enum kind kind)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
	unsigned long long seconds = number(r, "timeoutSeconds");
	char selector[512];
	bool good;

	if (fires(GONE_))
		return refuse(r, 410, "Gone", "too old resource version");
	parameter(r, "fieldSelector", selector, sizeof selector);
	if (!put(r->fd, head, sizeof head - 1))
		return false;
	pthread_mutex_lock(&lock);
	count[6]++;
	good = follow(r, kind, selector, number(r, "resourceVersion"), time(NULL) + (time_t)(seconds > 0 ? seconds : 1800));
	pthread_mutex_unlock(&lock);
	return put(r->fd, "0\r\n\r\n", 5) && good;
}

/* ---- one object --------------------------------------------------------------------------------------------------- */

static bool give(struct request *r, int status, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	pthread_mutex_unlock(&lock);
	return answer(r, status, "", text);
}

static bool refuse_locked(struct request *r, int status, const char *reason, const char *message)
{
	pthread_mutex_unlock(&lock);
	return refuse(r, status, reason, message);
}

static bool make(struct request *r, enum kind kind, json_t *object)
{
	bool there;

	pthread_mutex_lock(&lock);
	if (*name_of(object) == 0) {
		json_decref(object);
		return refuse_locked(r, 422, "Invalid", "metadata.name: Required value");
	}
	place_of(kind, name_of(object), &there);
	if (there) {
		json_decref(object);
		return refuse_locked(r, 409, "AlreadyExists", "already exists");
	}
	insert(kind, object);
	return give(r, 201, object);
}

static bool pod_cidrs_good(json_t *before, json_t *after)
{
	json_t *was = json_object_get(json_object_get(before, "spec"), "podCIDRs"), *is = json_object_get(json_object_get(after, "spec"), "podCIDRs"),
	       *one = json_object_get(json_object_get(after, "spec"), "podCIDR");

	if (json_array_size(was) > 0 && !json_equal(was, is))
		return false;
	return json_array_size(is) == 0 || json_equal(one, json_array_get(is, 0));
}

static bool differs(const char *said, const char *is)
{
	return *said != 0 && strcmp(said, is) != 0;
}

/* A PUT's object or a PATCH's, which is given back. */
static bool change(struct request *r, enum kind kind, const char *name, json_t *with, bool whole)
{
	json_t *before, *after;
	bool there;
	size_t at;

	pthread_mutex_lock(&lock);
	at = place_of(kind, name, &there);
	before = there ? store[kind].object[at] : NULL;
	if (before == NULL || (kind == NODES && !whole && fault[CONFLICT] > 0) ||
	    differs(text_of(meta(with), "resourceVersion"), text_of(meta(before), "resourceVersion")) ||
	    differs(text_of(meta(with), "uid"), text_of(meta(before), "uid"))) {
		fault[CONFLICT] -= before != NULL && kind == NODES && !whole && fault[CONFLICT] > 0;
		json_decref(with);
		return before == NULL ? refuse_locked(r, 404, "NotFound", "not found") :
					refuse_locked(r, 409, "Conflict", "the object has been modified; please apply your changes to the latest version");
	}
	after = whole ? json_deep_copy(with) : json_deep_copy(before);
	if (!whole)
		merge(after, with);
	json_decref(with);
	if (kind == NODES && !pod_cidrs_good(before, after)) {
		json_decref(after);
		return refuse_locked(r, 422, "Invalid", "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid");
	}
	json_object_set(meta(after), "uid", json_object_get(meta(before), "uid"));
	store[kind].object[at] = after;
	json_decref(before);
	record(kind, "MODIFIED", after);
	if (json_object_get(meta(after), "deletionTimestamp") != NULL && json_array_size(json_object_get(meta(after), "finalizers")) == 0) {
		json_incref(after);
		erase(kind, at);
	} else {
		json_incref(after);
	}
	if (kind == NODES && !whole && fault[LOST] > 0) {
		fault[LOST]--;
		json_decref(after);
		pthread_mutex_unlock(&lock);
		return false;
	}
	there = give(r, 200, after);
	json_decref(after);
	return there;
}

static bool remove_one(struct request *r, enum kind kind, const char *name)
{
	json_t *object;
	char when[40];
	bool there;
	size_t at;

	pthread_mutex_lock(&lock);
	at = place_of(kind, name, &there);
	if (!there)
		return refuse_locked(r, 404, "NotFound", "not found");
	object = store[kind].object[at];
	if (json_array_size(json_object_get(meta(object), "finalizers")) > 0) {
		now(when);
		json_object_set_new(meta(object), "deletionTimestamp", json_string(when));
		record(kind, "MODIFIED", object);
	} else {
		erase(kind, at);
	}
	pthread_mutex_unlock(&lock);
	return answer(r, 200, "", strdup("{\"kind\":\"Status\",\"status\":\"Success\"}"));
}

static bool one(struct request *r, enum kind kind, const char *name)
{
	json_t *body = NULL;
	bool there;
	size_t at;

	if (strcmp(r->method, "DELETE") == 0)
		return remove_one(r, kind, name);
	if (strcmp(r->method, "GET") == 0) {
		pthread_mutex_lock(&lock);
		at = place_of(kind, name, &there);
		return there ? give(r, 200, store[kind].object[at]) : refuse_locked(r, 404, "NotFound", "not found");
	}
	body = json_loads(r->body, 0, NULL);
	if (!json_is_object(body))
		return refuse(r, 400, "BadRequest", "no JSON object");
	return change(r, kind, name, body, strcmp(r->method, "PUT") == 0);
}

/* ---- the control paths and the rest -------------------------------------------------------------------------------- */

static bool set_faults(struct request *r)
{
	char text[64];

	pthread_mutex_lock(&lock);
	for (int i = 0; i < FAULTS; i++) {
		if (*parameter(r, fault_name[i], text, sizeof text) == 0)
			continue;
		if (i == DROP)
			drops++;
		else if (i == BOOKMARK)
			bookmarks++;
		else
			fault[i] = strtol(text, NULL, 10);
	}
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
	return answer(r, 200, "", strdup("{}"));
}

static bool bulk(struct request *r)
{
	json_t *all = json_loads(r->body, 0, NULL), *it;
	size_t i;
	bool there;

	pthread_mutex_lock(&lock);
	json_array_foreach(json_object_get(all, "items"), i, it) {
		place_of(NODES, name_of(it), &there);
		if (!there)
			insert(NODES, json_deep_copy(it));
	}
	pthread_mutex_unlock(&lock);
	json_decref(all);
	return answer(r, 200, "", strdup("{}"));
}

static bool say_count(struct request *r)
{
	char *text = NULL;
	unsigned long n = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; method_name[i] != NULL; i++)
		if (r->query != NULL && strcmp(method_name[i], r->query) == 0)
			n = count[i];
	pthread_mutex_unlock(&lock);
	return asprintf(&text, "%lu", n) > 0 && answer(r, 200, "", text);
}

static bool known(const char *token)
{
	char right[2048] = "";
	FILE *f = token_file != NULL ? fopen(token_file, "re") : NULL;

	if (token_file == NULL)
		return true;
	if (f == NULL || fscanf(f, "%2047s", right) != 1)
		right[0] = 0;
	if (f != NULL)
		fclose(f);
	return right[0] != 0 && strcmp(right, token) == 0;
}

/* The kind, and the object's name or "". */
static bool route(const char *path, enum kind *kind, const char **name)
{
	static const char *const collection[KINDS] = { "/nodes", "/events", "/leases" };

	for (int i = 0; i < KINDS; i++) {
		const char *at = strstr(path, collection[i]);

		if (at == NULL)
			continue;
		at += strlen(collection[i]);
		if (*at != 0 && *at != '/')
			continue;
		*kind = i;
		*name = *at == '/' ? at + 1 : "";
		return true;
	}
	return false;
}

static bool serve(struct request *r)
{
	enum kind kind;
	const char *name;
	char text[16];
	json_t *body;

	if (strcmp(r->path, "/fault") == 0)
		return set_faults(r);
	if (strcmp(r->path, "/bulk") == 0)
		return bulk(r);
	if (strcmp(r->path, "/count") == 0)
		return say_count(r);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 5; i++)
		count[i] += strcmp(r->method, method_name[i]) == 0;
	pthread_mutex_unlock(&lock);
	if (fault[SLOW] > 0)
		usleep((useconds_t)fault[SLOW] * 1000);
	if (!known(r->token) || fires(REJECT))
		return refuse(r, 401, "Unauthorized", "Unauthorized");
	if (fires(THROTTLE))
		return refuse(r, 429, "TooManyRequests", "Too many requests, please try again later");
	if (fires(FAIL))
		return refuse(r, 500, "InternalError", "etcdserver: request timed out");
	if (!route(r->path, &kind, &name))
		return refuse(r, 404, "NotFound", "the server could not find the requested resource");
	if (*name != 0)
		return one(r, kind, name);
	if (strcmp(r->method, "POST") == 0) {
		body = json_loads(r->body, 0, NULL);
		return body != NULL ? make(r, kind, body) : refuse(r, 400, "BadRequest", "no JSON");
	}
	if (strcmp(parameter(r, "watch", text, sizeof text), "true") == 0)
		return watch(r, kind);
	return list(r, kind);
}

static void *connection(void *arg)
{
	struct request *r = arg;

	while (read_request(r) && serve(r))
		;
	close(r->fd);
	free(r->body);
	free(r->buffer);
	free(r);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	FILE *f;

	if (argc < 2)
		return 2;
	token_file = argv[2];
	signal(SIGPIPE, SIG_IGN);
	if (bind(fd, (struct sockaddr *)&at, n) < 0 || listen(fd, 1024) < 0 || getsockname(fd, (struct sockaddr *)&at, &n) < 0 ||
	    (f = fopen(argv[1], "we")) == NULL) {
		perror("apiserver");
		return 1;
	}
	fprintf(f, "%d\n", ntohs(at.sin_port));
	fclose(f);
	while ((peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct request *r = calloc(1, sizeof *r);
		pthread_t thread;

		r->fd = peer;
		if (pthread_create(&thread, NULL, connection, r) == 0)
			pthread_detach(thread);
	}
	return 1;
}
