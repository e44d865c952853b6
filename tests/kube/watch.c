/* WATCH: a stream of lines that ends by time, by /standin/, or with the connection. */
#include <inttypes.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apiserver.h"

/* How often it is looked whether the client is still there. */
#define LOOK_MS 100

struct watch {
	struct store *store;
	const struct kind *kind;
	char namespace_[254];
	struct selector selector;
	int socket;
	bool bookmarks, failed;
	uint64_t drops;          /* the store's, when it began */
	uint64_t end, bookmark;  /* monotonic ms */
	struct object **initial; /* what is told first, as ADDED */
	size_t n_initial, next_initial;
	size_t next;   /* of the store's changes */
	size_t told;   /* of what /standin/tell said */
	char *pending; /* text that is being sent */
	size_t size, sent;
};

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void watch_free(void *cls)
{
	struct watch *watch = cls;

	pthread_mutex_lock(&watch->store->lock);
	watch->store->n_watches--;
	pthread_mutex_unlock(&watch->store->lock);
	for (size_t i = 0; i < watch->n_initial; i++)
		object_unref(watch->initial[i]);
	free(watch->initial);
	free(watch->pending);
	free(watch);
}

static void write_line(struct watch *watch, const char *type, const char *object, size_t size)
{
	free(watch->pending);
	watch->size = size + strlen(type) + 23;
	watch->pending = malloc(watch->size + 1);
	watch->sent = 0;
	watch->size = (size_t)sprintf(watch->pending, "{\"type\":\"%s\",\"object\":%s}\n", type, object);
}

static void write_error(struct watch *watch, const char *message)
{
	json_t *status = status_json(410, "Expired", message);
	char *text = json_dumps(status, JSON_COMPACT);

	write_line(watch, "ERROR", text, strlen(text));
	free(text);
	json_decref(status);
	watch->failed = true;
}

static void write_bookmark(struct watch *watch)
{
	char text[256];
	int n = snprintf(
		text, sizeof text,
		"{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\",\"creationTimestamp\":null}}",
		watch->kind->name, watch->kind->group, *watch->kind->group ? "/" : "", watch->kind->version, watch->store->version);

	write_line(watch, "BOOKMARK", text, (size_t)n);
}

static bool is_mine(const struct watch *watch, const struct object *object)
{
	return object->kind == watch->kind && (!*watch->namespace_ || strcmp(object->namespace_, watch->namespace_) == 0) &&
	       selector_fits(&watch->selector, object);
}

/* The next line, if there is one; with the lock held. */
static bool next_line(struct watch *watch)
{
	struct store *store = watch->store;

	if (store->stalled)
		return false;
	if (watch->next_initial < watch->n_initial) {
		struct object *object = watch->initial[watch->next_initial++];

		write_line(watch, change_names[ADDED], object->text, object->size);
		return true;
	}
	while (watch->next < store->n_changes) {
		const struct change *change = &store->changes[watch->next++];

		if (is_mine(watch, change->object)) {
			write_line(watch, change_names[change->type], change->object->text, change->object->size);
			return true;
		}
	}
	if (watch->told < store->n_told && strcmp(watch->kind->name, "Node") == 0) {
		const char *line = store->told[watch->told++];

		free(watch->pending);
		watch->pending = strdup(line);
		watch->size = strlen(line);
		watch->sent = 0;
		return true;
	}
	if (watch->bookmarks && !store->no_bookmarks && monotonic_ms() >= watch->bookmark) {
		watch->bookmark = monotonic_ms() + store->bookmark_ms;
		write_bookmark(watch);
		return true;
	}
	return false;
}

static void wait_for_change(struct watch *watch)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&watch->store->changed, &watch->store->lock, &until);
}

static bool is_gone(const struct watch *watch)
{
	struct pollfd p = { .fd = watch->socket, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

ssize_t watch_read(void *cls, uint64_t at, char *out, size_t size)
{
	struct watch *watch = cls;
	struct store *store = watch->store;
	ssize_t result = 0;

	(void)at;
	pthread_mutex_lock(&store->lock);
	while (watch->sent == watch->size) {
		if (store->drops != watch->drops)
			result = store->drop_hard ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
		else if (store->stopping || watch->failed || (monotonic_ms() >= watch->end && !store->stalled))
			result = MHD_CONTENT_READER_END_OF_STREAM;
		else if (is_gone(watch))
			result = MHD_CONTENT_READER_END_WITH_ERROR;
		if (result < 0)
			goto out;
		if (!next_line(watch))
			wait_for_change(watch);
	}
	if (size > watch->size - watch->sent)
		size = watch->size - watch->sent;
	memcpy(out, watch->pending + watch->sent, size);
	watch->sent += size;
	result = (ssize_t)size;
out:
	pthread_mutex_unlock(&store->lock);
	return result;
}

/* Tell of what is there first. */
static void begin_with_all(struct watch *watch)
{
	struct store *store = watch->store;
	size_t end, begin = store_range(store, watch->kind, watch->namespace_, &end);

	watch->initial = calloc(end - begin + 1, sizeof *watch->initial);
	for (; begin < end; begin++)
		if (is_mine(watch, store->objects[begin]))
			watch->initial[watch->n_initial++] = object_ref(store->objects[begin]);
	watch->next = store->n_changes;
}

/* The first change after VERSION. */
static size_t change_after(const struct store *store, uint64_t version)
{
	size_t low = store->restored, high = store->n_changes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->changes[middle].object->version <= version)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct reply verb_watch(struct request *request, const struct target *target)
{
	const char *from = request_arg(request, "resourceVersion"), *seconds = request_arg(request, "timeoutSeconds");
	const char *bookmarks = request_arg(request, "allowWatchBookmarks");
	struct store *store = &request->server->store;
	uint64_t version = from ? strtoull(from, NULL, 10) : 0;
	struct selector selector;
	struct reply reply = selector_parse(&selector, target->kind, request_arg(request, "fieldSelector"));
	struct watch *watch;
	char message[128];

	if (reply.code)
		return reply;
	if (from && strspn(from, "0123456789") != strlen(from))
		return fail(400, "BadRequest", "Invalid value: \"%s\": invalid resource version", from);
	watch = calloc(1, sizeof *watch);
	watch->store = store;
	watch->kind = target->kind;
	watch->selector = selector;
	snprintf(watch->namespace_, sizeof watch->namespace_, "%s", target->namespace_);
	if (*target->name) { /* of one, by its path */
		snprintf(watch->selector.terms[0].field, sizeof watch->selector.terms[0].field, "metadata.name");
		snprintf(watch->selector.terms[0].value, sizeof watch->selector.terms[0].value, "%s", target->name);
		watch->selector.n = 1;
	}
	watch->socket = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	watch->bookmarks = bookmarks && (strcmp(bookmarks, "true") == 0 || strcmp(bookmarks, "1") == 0);
	watch->end = monotonic_ms() + (seconds ? strtoull(seconds, NULL, 10) : 1800) * 1000;
	pthread_mutex_lock(&store->lock);
	store->n_watches++;
	watch->drops = store->drops;
	watch->told = store->n_told;
	watch->bookmark = monotonic_ms() + store->bookmark_ms;
	if (version == 0) {
		begin_with_all(watch);
	} else if (version < store->oldest) {
		snprintf(message, sizeof message, "too old resource version: %" PRIu64 " (%" PRIu64 ")", version, store->oldest);
		if (store->gone_by_code)
			reply = fail(410, "Expired", "%s", message);
		else
			write_error(watch, message);
	} else {
		watch->next = change_after(store, version);
	}
	pthread_mutex_unlock(&store->lock);
	if (reply.code) {
		watch_free(watch);
		return reply;
	}
	return (struct reply){ .code = 200, .watch = watch };
}
