/* /standin/: what the tests ask of the stand-in itself. It needs no authentication, and is not in the log.
 *
 *   GET  rules, POST rules {...}, DELETE rules      what goes wrong with which requests; a rule has
 *        method, path, query, user                  globs ('*': all)
 *        skip, times                                so many that fit are let be; then so many are met (1; -1 for ever)
 *        delay, delayAnswer                         ms before it is done, before it is answered
 *        hold: before | after                       until POST release
 *        code, text, retryAfter                     it is not done; answer this
 *        lose: request | answer                     close the connection before it is done, or after
 *        cut: N                                     close it after N bytes of the answer's body
 *   POST release                                    let go of all that is held, and hold no more by these rules
 *   POST drop?how=end|reset                         end all watches
 *   POST forget                                     what is older than now is 410 Expired
 *   POST settings {...}                             bookmarks (bool), bookmarkMs, gone (event | code), stall (bool: watches say
 *                                                   nothing more, nor end), page (no longer pages of lists), ballast (each object of a
 *                                                   list has so many bytes more), version (the last change's: a store that was restored)
 *   POST tell TEXT                                  all watches of Nodes are told that line, as it is, and nothing is stored
 *   POST store {...}                                a Node is put in place of the one of its name, as by whom the API doesn't check
 *   GET  requests?method=&path=&user=&code=, DELETE requests   the log
 *   GET  history                                    every change of every object
 *   GET  overlaps                                   the pairs of Nodes whose podCIDRs ever overlapped
 *   GET  state                                      version, oldest, objects, watches */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

static struct reply done(void)
{
	return reply_json(200, json_object());
}

static struct reply drop(struct request *request)
{
	struct store *store = &request->server->store;
	const char *how = request_arg(request, "how");

	pthread_mutex_lock(&store->lock);
	store->drops++;
	store->drop_hard = how && strcmp(how, "reset") == 0;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	return done();
}

static struct reply forget(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store_forget(store);
	pthread_mutex_unlock(&store->lock);
	return done();
}

static struct reply settings(struct store *store, json_t *wanted)
{
	struct reply reply = done();
	const char *key;
	json_t *value;

	pthread_mutex_lock(&store->lock);
	json_object_foreach(wanted, key, value) {
		if (strcmp(key, "bookmarks") == 0) {
			store->no_bookmarks = !json_is_true(value);
		} else if (strcmp(key, "bookmarkMs") == 0) {
			store->bookmark_ms = (unsigned)json_integer_value(value);
		} else if (strcmp(key, "gone") == 0) {
			store->gone_by_code = json_is_string(value) && strcmp(json_string_value(value), "code") == 0;
		} else if (strcmp(key, "page") == 0) {
			store->page = (size_t)json_integer_value(value);
		} else if (strcmp(key, "ballast") == 0) {
			store->ballast = (size_t)json_integer_value(value);
		} else if (strcmp(key, "version") == 0) {
			store->version = store->oldest = (uint64_t)json_integer_value(value);
			store->restored = store->n_changes;
		} else if (strcmp(key, "stall") == 0) {
			store->stalled = json_is_true(value);
		} else {
			free(reply.body);
			reply = fail(400, "BadRequest", "there is no setting '%s'", key);
		}
	}
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	return reply;
}

static struct reply tell(struct request *request)
{
	struct store *store = &request->server->store;

	pthread_mutex_lock(&store->lock);
	store->told = realloc(store->told, (store->n_told + 1) * sizeof *store->told);
	if (asprintf(&store->told[store->n_told], "%s\n", request->size ? request->body : "") < 0)
		abort();
	store->n_told++;
	pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
	return done();
}

static struct reply put_node(struct store *store, json_t *node)
{
	struct target target;
	char path[300];

	snprintf(path, sizeof path, "/api/v1/nodes/%s", text_at(node, "metadata.name"));
	if (!target_parse(&target, path) || !*target.name)
		return fail(400, "BadRequest", "it has no name");
	pthread_mutex_lock(&store->lock);
	store_put(store, &target, json_incref(node), store_get(store, &target) ? MODIFIED : ADDED);
	pthread_mutex_unlock(&store->lock);
	return done();
}

static struct reply history(struct store *store)
{
	json_t *out = json_array();

	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < store->n_changes; i++)
		json_array_append_new(out, json_pack("{s:s, s:I, s:s, s:O}", "type", change_names[store->changes[i].type], "at",
						     (json_int_t)store->changes[i].at, "kind", store->changes[i].object->kind->name,
						     "object", store->changes[i].object->json));
	pthread_mutex_unlock(&store->lock);
	return reply_json(200, out);
}

static struct reply state(struct store *store)
{
	json_t *out;

	pthread_mutex_lock(&store->lock);
	out = json_pack("{s:I, s:I, s:I, s:i}", "version", (json_int_t)store->version, "oldest", (json_int_t)store->oldest, "objects",
			(json_int_t)store->n, "watches", (int)store->n_watches);
	pthread_mutex_unlock(&store->lock);
	return reply_json(200, out);
}

struct reply admin(struct request *request)
{
	struct server *server = request->server;
	const char *what = request->path + strlen("/standin/");
	bool get = strcmp(request->method, "GET") == 0, post = strcmp(request->method, "POST") == 0;
	bool delete = strcmp(request->method, "DELETE") == 0;
	json_t *body = request->size ? json_loadb(request->body, request->size, JSON_ALLOW_NUL, NULL) : NULL;
	struct reply reply;

	if (strcmp(what, "rules") == 0 && post)
		reply = rules_add(&server->rules, body);
	else if (strcmp(what, "rules") == 0 && get)
		reply = rules_show(&server->rules);
	else if (strcmp(what, "rules") == 0 && delete)
		rules_clear(&server->rules), reply = done();
	else if (strcmp(what, "release") == 0 && post)
		rules_release(&server->rules), reply = done();
	else if (strcmp(what, "drop") == 0 && post)
		reply = drop(request);
	else if (strcmp(what, "forget") == 0 && post)
		reply = forget(&server->store);
	else if (strcmp(what, "settings") == 0 && post && json_is_object(body))
		reply = settings(&server->store, body);
	else if (strcmp(what, "tell") == 0 && post)
		reply = tell(request);
	else if (strcmp(what, "store") == 0 && post && json_is_object(body))
		reply = put_node(&server->store, body);
	else if (strcmp(what, "requests") == 0 && get)
		reply = journal_show(&server->journal, request);
	else if (strcmp(what, "requests") == 0 && delete)
		journal_clear(&server->journal), reply = done();
	else if (strcmp(what, "history") == 0 && get)
		reply = history(&server->store);
	else if (strcmp(what, "overlaps") == 0 && get)
		reply = overlaps(&server->store);
	else if (strcmp(what, "state") == 0 && get)
		reply = state(&server->store);
	else
		reply = fail(404, "NotFound", "the stand-in has no %s /standin/%s, or not with this body", request->method, what);
	json_decref(body);
	return reply;
}
