/* GET of one and of many. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

struct reply verb_get(struct request *request, const struct target *target)
{
	struct store *store = &request->server->store;
	struct object *object;
	struct reply reply;

	pthread_mutex_lock(&store->lock);
	object = store_get(store, target);
	reply = object ? reply_object(200, object) :
			 fail_named(404, "NotFound", target, "%s%s%s \"%s\" not found", target->kind->plural,
				    *target->kind->group ? "." : "", target->kind->group, target->name);
	pthread_mutex_unlock(&store->lock);
	return reply;
}

/* ---- continue tokens: 'VERSION NAMESPACE/NAME' of the last one sent, as base64 without padding */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const char *text, char *out)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += 3) {
		uint32_t word = (uint32_t)(unsigned char)text[i] << 16;

		if (i + 1 < n)
			word |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (i + 2 < n)
			word |= (unsigned char)text[i + 2];
		*out++ = digits[word >> 18];
		*out++ = digits[word >> 12 & 63];
		if (i + 1 < n)
			*out++ = digits[word >> 6 & 63];
		if (i + 2 < n)
			*out++ = digits[word & 63];
	}
	*out = 0;
}

static bool decode(const char *text, char *out, size_t size)
{
	uint32_t word = 0;
	unsigned bits = 0;
	size_t n = 0;

	for (; *text; text++) {
		const char *digit = strchr(digits, *text);

		if (!digit)
			return false;
		word = word << 6 | (uint32_t)(digit - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (n + 1 >= size)
				return false;
			out[n++] = (char)(word >> bits & 255);
		}
	}
	out[n] = 0;
	return true;
}

static void make_token(const struct object *last, int64_t version, char out[1024])
{
	char plain[600];

	snprintf(plain, sizeof plain, "%" PRId64 " %s/%s", version, last->namespace_, last->name);
	encode(plain, out);
}

/* ---- lists */

struct page {
	uint64_t version;
	struct object **objects;
	size_t begin, end, n; /* of objects: those of this page, and all */
	bool inconsistent;
};

/* The object after the one that a token names. */
static size_t after(const struct page *page, const char *namespace_, const char *name)
{
	size_t i = page->begin;

	for (; i < page->n; i++) {
		int order = strcmp(page->objects[i]->namespace_, namespace_);

		if (order > 0 || (order == 0 && strcmp(page->objects[i]->name, name) > 0))
			break;
	}
	return i;
}

/* 410 with a token to go on with, from what is there now. */
static struct reply too_old(const char *plain)
{
	char inconsistent[600], token[1024];
	const char *rest = strchr(plain, ' ');
	json_t *status = status_json(410, "Expired",
				     "The provided continue parameter is too old to display a consistent list result. You can "
				     "start a new list without the continue parameter.");

	snprintf(inconsistent, sizeof inconsistent, "-1%s", rest);
	encode(inconsistent, token);
	json_object_set_new(json_object_get(status, "metadata"), "continue", json_string(token));
	return reply_json(410, status);
}

/* What to list, at which version. Code 0, or the refusal. */
static struct reply choose(struct request *request, const struct target *target, struct page *page)
{
	struct store *store = &request->server->store;
	const char *token = request_arg(request, "continue"), *wanted = request_arg(request, "resourceVersion");
	const char *match = request_arg(request, "resourceVersionMatch");
	const struct snapshot *snapshot;
	char plain[600], *name, *slash;
	int64_t version;

	page->version = store->version;
	page->begin = store_range(store, target->kind, target->namespace_, &page->n);
	page->objects = store->objects;
	if (token && *token) {
		if (wanted && *wanted && strcmp(wanted, "0") != 0)
			return fail(400, "BadRequest", "specifying resource version is not allowed when using continue");
		if (!decode(token, plain, sizeof plain) || !(name = strchr(plain, ' ')) || !(slash = strchr(name, '/')))
			return fail(400, "BadRequest", "continue key is not valid");
		version = strtoll(plain, NULL, 10);
		snapshot = store_find_snapshot(store, target, (uint64_t)version);
		if (version >= 0 && !snapshot)
			return too_old(plain);
		if (snapshot) {
			page->version = snapshot->version;
			page->begin = 0;
			page->n = snapshot->n;
			page->objects = snapshot->objects;
		}
		page->inconsistent = version < 0;
		*slash = 0;
		page->begin = after(page, name + 1, slash + 1);
	} else if (wanted && *wanted) {
		version = strtoll(wanted, NULL, 10);
		if (version > (int64_t)store->version) {
			json_t *status = status_json(504, "Timeout", "Too large resource version");

			json_object_set_new(status, "details",
					    json_pack("{s:i, s:[{s:s, s:s}]}", "retryAfterSeconds", 1, "causes", "reason",
						      "ResourceVersionTooLarge", "message", "Too large resource version"));
			return reply_json(504, status);
		}
		if (match && strcmp(match, "Exact") == 0 && version < (int64_t)store->version)
			return fail(410, "Expired", "The resourceVersion for the provided list is too old.");
	}
	return (struct reply){ 0 };
}

static const char place[] = "@BALLAST@";

/* One that is as large as it may be, and more. */
static json_t *loaded(json_t *object, const char *ballast)
{
	json_t *copy = json_copy(object), *meta = json_copy(json_object_get(object, "metadata"));

	json_object_set_new(meta, "annotations", json_pack("{s:s}", "ballast", ballast));
	json_object_set_new(copy, "metadata", meta);
	return copy;
}

/* The body with so many bytes in each of the places. */
static void load(struct reply *reply, size_t ballast)
{
	size_t n = 0, room;
	char *body, *to;
	const char *from = reply->body, *at;

	for (at = from; (at = strstr(at, place)); at += sizeof place - 1)
		n++;
	room = reply->size + n * ballast;
	body = to = malloc(room);
	for (; (at = strstr(from, place)); from = at + sizeof place - 1) {
		to = mempcpy(to, from, (size_t)(at - from));
		memset(to, 'x', ballast);
		to += ballast;
	}
	to = mempcpy(to, from, (size_t)(reply->body + reply->size - from));
	free(reply->body);
	reply->body = body;
	reply->size = (size_t)(to - body);
}

struct reply verb_list(struct request *request, const struct target *target)
{
	struct store *store = &request->server->store;
	const char *limit_text = request_arg(request, "limit");
	size_t limit = limit_text ? strtoul(limit_text, NULL, 10) : 0;
	struct page page = { 0 };
	struct selector selector;
	struct reply reply;
	char token[1024], version[32], api[128];
	struct object *last = NULL;
	json_t *list, *items, *meta;
	size_t ballast = 0;

	reply = selector_parse(&selector, target->kind, request_arg(request, "fieldSelector"));
	if (reply.code)
		return reply;
	pthread_mutex_lock(&store->lock);
	reply = choose(request, target, &page);
	if (reply.code)
		goto out;
	if (store->page && limit > store->page)
		limit = store->page;
	items = json_array();
	ballast = store->ballast;
	for (page.end = page.begin; page.end < page.n && (limit == 0 || json_array_size(items) < limit); page.end++)
		if (selector_fits(&selector, page.objects[page.end])) {
			last = page.objects[page.end];
			json_array_append_new(items, ballast ? loaded(last->json, place) : json_incref(last->json));
		}
	snprintf(version, sizeof version, "%" PRIu64, page.version);
	meta = json_pack("{s:s}", "resourceVersion", version);
	if (page.end < page.n && last) {
		if (!page.inconsistent && !store_find_snapshot(store, target, page.version))
			store_snapshot(store, target->kind, target->namespace_);
		make_token(last, page.inconsistent ? -1 : (int64_t)page.version, token);
		json_object_set_new(meta, "continue", json_string(token));
		if (selector.n == 0)
			json_object_set_new(meta, "remainingItemCount", json_integer((json_int_t)(page.n - page.end)));
	}
	snprintf(api, sizeof api, "%s%s%s", target->kind->group, *target->kind->group ? "/" : "", target->kind->version);
	list = json_pack("{s:s+, s:s, s:o, s:o}", "kind", target->kind->name, "List", "apiVersion", api, "metadata", meta, "items", items);
	reply = reply_json(200, list);
out:
	pthread_mutex_unlock(&store->lock);
	if (ballast)
		load(&reply, ballast);
	return reply;
}
