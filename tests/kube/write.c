/* POST, PUT, PATCH, DELETE: apiserver/pkg/registry/{rest,generic}. Each runs from beginning to end under the store's lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "apiserver.h"

static void make_uid(char out[37])
{
	unsigned char b[16];

	if (getrandom(b, sizeof b, 0) != sizeof b)
		abort();
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
		 b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static json_t *time_now(void)
{
	char text[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return json_string(text);
}

static bool is_deleting(const json_t *object)
{
	return *text_at(object, "metadata.deletionTimestamp") != 0;
}

static bool has_finalizers(const json_t *object)
{
	return json_array_size(json_object_get(json_object_get(object, "metadata"), "finalizers")) > 0;
}

static struct reply not_found(const struct target *target)
{
	return fail_named(404, "NotFound", target, "%s%s%s \"%s\" not found", target->kind->plural, *target->kind->group ? "." : "",
			  target->kind->group, target->name);
}

static struct reply conflict(const struct target *target, const char *why)
{
	return fail_named(409, "Conflict", target, "Operation cannot be fulfilled on %s%s%s \"%s\": %s", target->kind->plural,
			  *target->kind->group ? "." : "", target->kind->group, target->name, why);
}

static struct reply conflict_uid(const struct target *target, const char *wanted, const char *is)
{
	char why[512];

	snprintf(why, sizeof why, "Precondition failed: UID in precondition: %s, UID in object meta: %s", wanted, is);
	return conflict(target, why);
}

/* A DNS-1123 subdomain. */
static bool is_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < 254 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n && !strchr("-.", name[0]) &&
	       !strchr("-.", name[n - 1]);
}

/* The object in the body, in a shape that can be worked on. Code 0, or the refusal. */
static struct reply parse_body(struct request *request, const struct target *target, json_t **object)
{
	const struct kind *kind = target->kind;
	const char *name, *api;
	char version[128];
	json_error_t error;
	json_t *meta;

	*object = NULL;
	if (strncmp(request->type, "application/json", 16) != 0 && *request->type)
		return fail(415, "UnsupportedMediaType",
			    "the body of the request was in an unknown format - accepted media types include: application/json");
	*object = json_loadb(request->body ? request->body : "", request->size, JSON_ALLOW_NUL, &error); /* as Go's does */
	if (!json_is_object(*object))
		return fail(400, "BadRequest", "%s in version \"%s\" cannot be handled as a %s: %s", kind->name, kind->version, kind->name,
			    *object ? "not an object" : error.text);
	name = text_at(*object, "kind");
	api = text_at(*object, "apiVersion");
	snprintf(version, sizeof version, "%s%s%s", kind->group, *kind->group ? "/" : "", kind->version);
	if ((*name && strcmp(name, kind->name) != 0) || (*api && strcmp(api, version) != 0))
		return fail(400, "BadRequest", "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered", name, api,
			    kind->name, name);
	meta = json_object_get(*object, "metadata");
	if (!json_is_object(meta))
		json_object_set_new(*object, "metadata", meta = json_object());
	name = text_at(meta, "namespace");
	if (*name && strcmp(name, target->namespace_) != 0)
		return fail(400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request");
	if (kind->namespaced)
		json_object_set_new(meta, "namespace", json_string(target->namespace_));
	json_object_del(*object, "kind");
	json_object_del(*object, "apiVersion");
	return (struct reply){ 0 };
}

/* Store what is new, with the lock held. Takes OBJECT. */
static struct reply create(struct store *store, const struct target *target, json_t *object)
{
	json_t *meta = json_object_get(object, "metadata"), *causes = json_array();
	struct reply reply;
	char uid[37];

	if (target->kind->namespaced && !is_namespace(target->namespace_)) {
		json_decref(causes);
		reply = fail(404, "NotFound", "namespaces \"%s\" not found", target->namespace_);
		goto out;
	}
	make_uid(uid);
	json_object_set_new(meta, "uid", json_string(uid));
	json_object_set_new(meta, "creationTimestamp", time_now());
	json_object_del(meta, "deletionTimestamp");
	json_object_del(meta, "deletionGracePeriodSeconds");
	json_object_del(meta, "generation");
	json_object_del(meta, "generateName");
	json_object_del(meta, "managedFields");
	target->kind->normalise(object);
	if (!is_name(target->name))
		add_cause(causes, "metadata.name", "FieldValueInvalid", "Invalid value: \"%s\": must be a DNS-1123 subdomain",
			  target->name);
	target->kind->validate(object, NULL, causes);
	reply = fail_invalid(target, causes);
	if (reply.code)
		goto out;
	if (store_get(store, target)) {
		reply = fail_named(409, "AlreadyExists", target, "%s%s%s \"%s\" already exists", target->kind->plural,
				   *target->kind->group ? "." : "", target->kind->group, target->name);
		goto out;
	}
	return reply_object(201, store_put(store, target, object, ADDED));
out:
	json_decref(object);
	return reply;
}

struct reply verb_create(struct request *request, const struct target *target)
{
	struct store *store = &request->server->store;
	struct target named = *target;
	json_t *object, *meta;
	struct reply reply = parse_body(request, target, &object);
	char uid[37];

	if (reply.code)
		goto out;
	meta = json_object_get(object, "metadata");
	snprintf(named.name, sizeof named.name, "%s", text_at(meta, "name"));
	if (!*named.name && *text_at(meta, "generateName")) {
		make_uid(uid);
		snprintf(named.name, sizeof named.name, "%.248s%.5s", text_at(meta, "generateName"), uid);
		json_object_set_new(meta, "name", json_string(named.name));
	}
	if (*text_at(meta, "resourceVersion")) {
		reply = fail(500, "", "resourceVersion should not be set on objects to be created");
		goto out;
	}
	pthread_mutex_lock(&store->lock);
	reply = create(store, &named, object);
	pthread_mutex_unlock(&store->lock);
	return reply;
out:
	json_decref(object);
	return reply;
}

/* What an update may not change it keeps; what it may not ask for is a cause. */
static void keep_meta(json_t *new, const json_t *old, json_t *causes)
{
	static const char *const kept[] = { "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation" };
	json_t *meta = json_object_get(new, "metadata"), *was = json_object_get(old, "metadata"), *it, *finalizers;
	size_t i, j;

	for (i = 0; i < sizeof kept / sizeof *kept; i++) {
		if (json_object_get(was, kept[i]))
			json_object_set(meta, kept[i], json_object_get(was, kept[i]));
		else
			json_object_del(meta, kept[i]);
	}
	json_object_del(meta, "managedFields");
	if (!*text_at(meta, "uid"))
		json_object_set(meta, "uid", json_object_get(was, "uid"));
	if (strcmp(text_at(meta, "uid"), text_at(was, "uid")) != 0)
		add_cause(causes, "metadata.uid", "FieldValueInvalid", "Invalid value: \"%s\": field is immutable", text_at(meta, "uid"));
	if (strcmp(text_at(meta, "name"), text_at(was, "name")) != 0)
		add_cause(causes, "metadata.name", "FieldValueInvalid", "Invalid value: \"%s\": field is immutable", text_at(meta, "name"));
	if (!is_deleting(old))
		return;
	finalizers = json_object_get(was, "finalizers");
	json_array_foreach(json_object_get(meta, "finalizers"), i, it) {
		for (j = 0; j < json_array_size(finalizers) && !json_equal(it, json_array_get(finalizers, j)); j++)
			;
		if (j == json_array_size(finalizers))
			add_cause(causes, "metadata.finalizers", "FieldValueForbidden",
				  "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
				  "[]string{\"%s\"}",
				  json_string_value(it));
	}
}

/* Put NEW in OLD's place, with the lock held. Takes NEW. */
static struct reply replace(struct store *store, const struct target *target, struct object *old, json_t *new)
{
	json_t *meta = json_object_get(new, "metadata"), *causes = json_array();
	const char *version = text_at(meta, "resourceVersion"), *is = text_at(old->json, "metadata.resourceVersion");
	struct reply reply;

	if (!*version && !target->kind->unconditional) {
		add_cause(causes, "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update");
	} else if (*version && strcmp(version, is) != 0) {
		json_decref(causes);
		reply = conflict(target, "the object has been modified; please apply your changes to the latest version and try again");
		goto out;
	}
	keep_meta(new, old->json, causes);
	target->kind->normalise(new);
	target->kind->validate(new, old->json, causes);
	reply = fail_invalid(target, causes);
	if (reply.code)
		goto out;
	json_object_set(meta, "resourceVersion", json_object_get(json_object_get(old->json, "metadata"), "resourceVersion"));
	if (json_equal(new, old->json)) { /* nothing is written, nobody is told */
		reply = reply_object(200, old);
		goto out;
	}
	return reply_object(200, store_put(store, target, new, is_deleting(new) && !has_finalizers(new) ? DELETED : MODIFIED));
out:
	json_decref(new);
	return reply;
}

struct reply verb_update(struct request *request, const struct target *target)
{
	struct store *store = &request->server->store;
	struct object *old;
	json_t *object;
	struct reply reply = parse_body(request, target, &object);
	const char *name, *uid;

	if (reply.code) {
		json_decref(object);
		return reply;
	}
	name = text_at(object, "metadata.name");
	uid = text_at(object, "metadata.uid");
	pthread_mutex_lock(&store->lock);
	old = store_get(store, target);
	if (strcmp(name, target->name) != 0) {
		reply = fail(400, "BadRequest", "the name of the object (%s) does not match the name on the URL (%s)", name, target->name);
	} else if (old && *uid && strcmp(uid, text_at(old->json, "metadata.uid")) != 0) {
		reply = conflict_uid(target, uid, text_at(old->json, "metadata.uid"));
	} else if (old) {
		reply = replace(store, target, old, json_incref(object));
	} else if (!target->kind->put_creates) {
		reply = not_found(target);
	} else if (*uid) {
		reply = conflict_uid(target, uid, "");
	} else {
		json_object_del(json_object_get(object, "metadata"), "resourceVersion");
		reply = create(store, target, json_incref(object));
	}
	pthread_mutex_unlock(&store->lock);
	json_decref(object);
	return reply;
}

/* Code 0, or the refusal. */
static struct reply apply_patch(const struct request *request, json_t **object)
{
	const char *type = request->type, *why = "";
	size_t length = strcspn(type, "; ");
	json_error_t error;
	json_t *patch;
	bool good;

	patch = json_loadb(request->body ? request->body : "", request->size, JSON_ALLOW_NUL, &error);
	if (!patch)
		return fail(400, "BadRequest", "error decoding patch: %s", error.text);
	if (strncmp(type, "application/merge-patch+json", length) == 0 && length == 28) {
		good = patch_merge(object, patch);
	} else if (strncmp(type, "application/strategic-merge-patch+json", length) == 0 && length == 38) {
		good = patch_strategic(object, patch);
	} else if (strncmp(type, "application/json-patch+json", length) == 0 && length == 27) {
		good = patch_json(object, patch, &why);
		if (!good) {
			json_decref(patch);
			return fail(422, "Invalid", "the server rejected our request due to an error in our request: %s", why);
		}
	} else {
		json_decref(patch);
		return fail(415, "UnsupportedMediaType",
			    "the body of the request was in an unknown format - accepted media types include: "
			    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json");
	}
	json_decref(patch);
	if (!good || !json_is_object(*object) || !json_is_object(json_object_get(*object, "metadata")))
		return fail(400, "BadRequest", "the patch can't be applied");
	return (struct reply){ 0 };
}

struct reply verb_patch(struct request *request, const struct target *target)
{
	struct store *store = &request->server->store;
	struct object *old;
	struct reply reply;
	json_t *object;

	pthread_mutex_lock(&store->lock);
	old = store_get(store, target);
	if (!old) {
		reply = not_found(target);
	} else {
		object = json_deep_copy(old->json);
		reply = apply_patch(request, &object);
		json_object_del(object, "kind");
		json_object_del(object, "apiVersion");
		if (reply.code)
			json_decref(object);
		else
			reply = replace(store, target, old, object);
	}
	pthread_mutex_unlock(&store->lock);
	return reply;
}

/* DeleteOptions' preconditions. Code 0, or the refusal. */
static struct reply check_preconditions(const struct target *target, const struct object *object, const json_t *options)
{
	const char *uid = text_at(options, "preconditions.uid"), *version = text_at(options, "preconditions.resourceVersion");
	char why[512];

	if (*uid && strcmp(uid, text_at(object->json, "metadata.uid")) != 0)
		return conflict_uid(target, uid, text_at(object->json, "metadata.uid"));
	if (*version && strcmp(version, text_at(object->json, "metadata.resourceVersion")) != 0) {
		snprintf(why, sizeof why, "Precondition failed: ResourceVersion in precondition: %s, ResourceVersion in object meta: %s",
			 version, text_at(object->json, "metadata.resourceVersion"));
		return conflict(target, why);
	}
	return (struct reply){ 0 };
}

/* It goes now, or when its finalizers do; with the lock held. */
static struct reply remove_object(struct store *store, const struct target *target, struct object *object)
{
	json_t *json, *meta, *status;

	if (has_finalizers(object->json) && is_deleting(object->json))
		return reply_object(200, object);
	json = json_deep_copy(object->json);
	meta = json_object_get(json, "metadata");
	if (has_finalizers(json)) {
		json_object_set_new(meta, "deletionTimestamp", time_now());
		json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(0));
		return reply_object(200, store_put(store, target, json, MODIFIED));
	}
	status = json_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:O}}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
			   "Success", "details", "name", target->name, "kind", target->kind->plural, "uid", json_object_get(meta, "uid"));
	store_put(store, target, json, DELETED);
	return reply_json(200, status);
}

struct reply verb_delete(struct request *request, const struct target *target)
{
	struct store *store = &request->server->store;
	json_t *options = NULL;
	struct object *object;
	json_error_t error;
	struct reply reply;

	if (request->size > 0 && !(options = json_loadb(request->body, request->size, 0, &error)))
		return fail(400, "BadRequest", "couldn't decode DeleteOptions: %s", error.text);
	pthread_mutex_lock(&store->lock);
	object = store_get(store, target);
	if (!object) {
		reply = not_found(target);
	} else {
		reply = check_preconditions(target, object, options);
		if (!reply.code)
			reply = remove_object(store, target, object);
	}
	pthread_mutex_unlock(&store->lock);
	json_decref(options);
	return reply;
}
