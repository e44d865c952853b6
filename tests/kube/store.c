/* The objects, and all that ever happened to them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apiserver.h"

const char *const change_names[] = { "ADDED", "MODIFIED", "DELETED" };

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct object *object_ref(struct object *object)
{
	atomic_fetch_add(&object->refs, 1);
	return object;
}

void object_unref(struct object *object)
{
	if (!object || atomic_fetch_sub(&object->refs, 1) != 1)
		return;
	json_decref(object->json);
	free(object->namespace_);
	free(object->name);
	free(object->text);
	free(object);
}

void store_init(struct store *store)
{
	pthread_condattr_t monotonic;

	memset(store, 0, sizeof *store);
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&store->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	store->version = store->oldest = 1;
	store->bookmark_ms = 60000;
}

static void drop_snapshot(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n; i++)
		object_unref(snapshot->objects[i]);
	free(snapshot->objects);
	memset(snapshot, 0, sizeof *snapshot);
}

void store_free(struct store *store)
{
	for (size_t i = 0; i < store->n; i++)
		object_unref(store->objects[i]);
	for (size_t i = 0; i < store->n_changes; i++)
		object_unref(store->changes[i].object);
	for (size_t i = 0; i < SNAPSHOTS; i++)
		drop_snapshot(&store->snapshots[i]);
	for (size_t i = 0; i < store->n_told; i++)
		free(store->told[i]);
	free(store->told);
	free(store->objects);
	free(store->changes);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->lock);
}

static int compare(const struct object *object, const struct kind *kind, const char *namespace_, const char *name)
{
	int order;

	if (object->kind != kind)
		return object->kind < kind ? -1 : 1;
	order = strcmp(object->namespace_, namespace_);
	return order ? order : strcmp(object->name, name);
}

/* Where it is, or belongs. */
static size_t place(const struct store *store, const struct kind *kind, const char *namespace_, const char *name)
{
	size_t low = 0, high = store->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(store->objects[middle], kind, namespace_, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct object *store_get(const struct store *store, const struct target *target)
{
	size_t at = place(store, target->kind, target->namespace_, target->name);

	if (at == store->n || compare(store->objects[at], target->kind, target->namespace_, target->name) != 0)
		return NULL;
	return store->objects[at];
}

size_t store_range(const struct store *store, const struct kind *kind, const char *namespace_, size_t *end)
{
	size_t begin = place(store, kind, namespace_, "");

	*end = begin;
	while (*end < store->n && store->objects[*end]->kind == kind &&
	       (!*namespace_ || strcmp(store->objects[*end]->namespace_, namespace_) == 0))
		++*end;
	return begin;
}

/* What is sent: an object of a list has no kind and apiVersion, alone it has. */
static void write_text(struct object *object)
{
	const struct kind *kind = object->kind;
	char version[128];
	json_t *whole;

	snprintf(version, sizeof version, "%s%s%s", kind->group, *kind->group ? "/" : "", kind->version);
	whole = json_pack("{s:s, s:s}", "kind", kind->name, "apiVersion", version);
	json_object_update(whole, object->json);
	object->text = json_dumps(whole, JSON_COMPACT);
	object->size = strlen(object->text);
	json_decref(whole);
}

static void remember(struct store *store, struct object *object, enum change_type type)
{
	if (store->n_changes == store->room_changes) {
		store->room_changes = store->room_changes ? 2 * store->room_changes : 1024;
		store->changes = realloc(store->changes, store->room_changes * sizeof *store->changes);
	}
	store->changes[store->n_changes++] = (struct change){ type, object_ref(object), now_ms() };
	pthread_cond_broadcast(&store->changed);
}

struct object *store_put(struct store *store, const struct target *target, json_t *json, enum change_type type)
{
	struct object *object = calloc(1, sizeof *object);
	size_t at = place(store, target->kind, target->namespace_, target->name);
	char version[32];

	atomic_init(&object->refs, 1);
	object->kind = target->kind;
	object->namespace_ = strdup(target->namespace_);
	object->name = strdup(target->name);
	object->version = ++store->version;
	object->json = json;
	snprintf(version, sizeof version, "%" PRIu64, object->version);
	json_object_set_new(json_object_get(json, "metadata"), "resourceVersion", json_string(version));
	write_text(object);
	remember(store, object, type);
	if (type == ADDED) {
		if (store->n == store->room) {
			store->room = store->room ? 2 * store->room : 256;
			store->objects = realloc(store->objects, store->room * sizeof *store->objects);
		}
		memmove(store->objects + at + 1, store->objects + at, (store->n - at) * sizeof *store->objects);
		store->n++;
		store->objects[at] = object;
	} else if (type == MODIFIED) {
		object_unref(store->objects[at]);
		store->objects[at] = object;
	} else {
		object_unref(store->objects[at]);
		store->n--;
		memmove(store->objects + at, store->objects + at + 1, (store->n - at) * sizeof *store->objects);
		object_unref(object);
	}
	return object; /* the history holds it, come what may */
}

void store_forget(struct store *store)
{
	store->oldest = store->version;
	for (size_t i = 0; i < SNAPSHOTS; i++)
		drop_snapshot(&store->snapshots[i]);
}

const struct snapshot *store_snapshot(struct store *store, const struct kind *kind, const char *namespace_)
{
	struct snapshot *snapshot = &store->snapshots[store->next_snapshot++ % SNAPSHOTS];
	size_t end, begin = store_range(store, kind, namespace_, &end);

	drop_snapshot(snapshot);
	snapshot->version = store->version;
	snapshot->kind = kind;
	snprintf(snapshot->namespace_, sizeof snapshot->namespace_, "%s", namespace_);
	snapshot->n = end - begin;
	snapshot->objects = calloc(snapshot->n + 1, sizeof *snapshot->objects);
	for (size_t i = 0; i < snapshot->n; i++)
		snapshot->objects[i] = object_ref(store->objects[begin + i]);
	return snapshot;
}

const struct snapshot *store_find_snapshot(const struct store *store, const struct target *target, uint64_t version)
{
	for (size_t i = 0; i < SNAPSHOTS; i++)
		if (store->snapshots[i].kind == target->kind && store->snapshots[i].version == version &&
		    strcmp(store->snapshots[i].namespace_, target->namespace_) == 0)
			return &store->snapshots[i];
	return NULL;
}
