/* libmicrohttpd's side: a thread for each connection, which may sleep; a request gathered, answered, logged. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

#define BODY_MAX (3u << 20) /* as the real one's */

const char *request_arg(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct reply reply_json(unsigned code, json_t *value)
{
	struct reply reply = { .code = code, .body = json_dumps(value, JSON_COMPACT) };

	reply.size = strlen(reply.body);
	json_decref(value);
	return reply;
}

struct reply reply_object(unsigned code, const struct object *object)
{
	struct reply reply = { .code = code, .body = malloc(object->size), .size = object->size };

	memcpy(reply.body, object->text, object->size);
	return reply;
}

static struct reply plain(unsigned code, const char *text)
{
	struct reply reply = { .code = code, .body = strdup(text), .size = strlen(text), .type = "text/plain; charset=utf-8" };

	return reply;
}

static bool is_true(const char *argument)
{
	return argument && (strcmp(argument, "true") == 0 || strcmp(argument, "1") == 0);
}

static struct reply api(struct request *request)
{
	const char *method = request->method, *selector = request_arg(request, "labelSelector");
	const char *accept = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Accept");
	struct target target;

	if (strcmp(request->path, "/healthz") == 0 || strcmp(request->path, "/readyz") == 0 || strcmp(request->path, "/livez") == 0)
		return plain(200, "ok");
	if (strcmp(request->path, "/version") == 0)
		return reply_json(200, json_pack("{s:s, s:s, s:s}", "major", "1", "minor", "20", "gitVersion", "v1.20.0-standin"));
	if (!target_parse(&target, request->path))
		return plain(404, "404 page not found\n");
	if (accept && !strstr(accept, "application/json") && !strstr(accept, "*/*") && !strstr(accept, "application/*"))
		return fail(406, "NotAcceptable", "only the following media types are accepted: application/json");
	if ((selector && *selector) || request_arg(request, "dryRun"))
		return fail(501, "", "the stand-in knows no label selectors and no dry runs");
	if (strcmp(method, "GET") == 0 && is_true(request_arg(request, "watch")))
		return verb_watch(request, &target);
	if (strcmp(method, "GET") == 0)
		return *target.name ? verb_get(request, &target) : verb_list(request, &target);
	if (strcmp(method, "POST") == 0 && !*target.name && (*target.namespace_ || !target.kind->namespaced))
		return verb_create(request, &target);
	if (strcmp(method, "PUT") == 0 && *target.name)
		return verb_update(request, &target);
	if (strcmp(method, "PATCH") == 0 && *target.name)
		return verb_patch(request, &target);
	if (strcmp(method, "DELETE") == 0 && *target.name)
		return verb_delete(request, &target);
	return fail(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

/* What a rule's code answers. */
static struct reply by_rule(const struct request *request, const struct rule *rule)
{
	struct target target;
	struct reply reply;

	if (rule->text)
		reply = plain(rule->code, rule->text);
	else if (rule->code == 429)
		reply = plain(429, "Too many requests, please try again later.\n");
	else if (rule->code == 403 && target_parse(&target, request->path))
		reply = fail_named(403, "Forbidden", &target,
				   "%s \"%s\" is forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\"", target.kind->plural,
				   target.name, request->user, request->method, target.kind->plural, target.kind->group);
	else
		reply = fail(rule->code, reason_of(rule->code), "the stand-in was asked to answer %u", rule->code);
	reply.retry_after = rule->retry_after;
	return reply;
}

/* From the request to its reply. */
static struct reply handle(struct request *request)
{
	struct server *server = request->server;
	struct rule *rule;
	struct reply reply;

	if (strncmp(request->path, "/standin/", 9) == 0)
		return admin(request);
	if (!auth_user(&server->auth, request)) {
		reply = fail(401, "Unauthorized", "Unauthorized");
		journal_add(&server->journal, request, reply.code, NULL);
		return reply;
	}
	rule = rules_match(&server->rules, request);
	if (rule)
		rules_before(&server->rules, rule);
	if (rule && rule->lost == LOST_REQUEST)
		reply = (struct reply){ .lost = LOST_REQUEST };
	else if (rule && rule->code)
		reply = by_rule(request, rule);
	else if (request->size > BODY_MAX)
		reply = fail(413, "RequestEntityTooLarge", "Request entity too large: limit is %u", BODY_MAX);
	else
		reply = api(request);
	if (rule) {
		rules_after(&server->rules, rule);
		reply.cut = rule->cut;
		if (rule->lost)
			reply.lost = rule->lost;
	}
	journal_add(&server->journal, request, reply.lost ? 0 : reply.code, rule);
	return reply;
}

/* ---- a reply that ends too early */

struct cut {
	char *body;
	size_t size;
};

static ssize_t cut_read(void *cls, uint64_t at, char *out, size_t size)
{
	struct cut *cut = cls;

	if (at >= cut->size)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (size > cut->size - at)
		size = cut->size - at;
	memcpy(out, cut->body + at, size);
	return (ssize_t)size;
}

static void cut_free(void *cls)
{
	struct cut *cut = cls;

	free(cut->body);
	free(cut);
}

static struct MHD_Response *make_response(struct reply *reply)
{
	struct cut *cut;

	if (reply->watch)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, watch_read, reply->watch, watch_free);
	if (reply->cut == 0 || reply->cut >= reply->size)
		return MHD_create_response_from_buffer(reply->size, reply->body, MHD_RESPMEM_MUST_FREE);
	cut = malloc(sizeof *cut);
	*cut = (struct cut){ reply->body, reply->cut };
	return MHD_create_response_from_callback(reply->size, 16384, cut_read, cut, cut_free);
}

static enum MHD_Result send_reply(struct request *request, struct reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char seconds[16];

	if (reply->lost) {
		free(reply->body);
		if (reply->watch)
			watch_free(reply->watch);
		return MHD_NO;
	}
	response = make_response(reply);
	MHD_add_response_header(response, "Content-Type", reply->type ? reply->type : "application/json");
	if (reply->retry_after) {
		snprintf(seconds, sizeof seconds, "%u", reply->retry_after);
		MHD_add_response_header(response, "Retry-After", seconds);
	}
	result = MHD_queue_response(request->connection, reply->code, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- libmicrohttpd's callbacks */

static void *begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof *request);

	request->server = cls;
	request->connection = connection;
	request->uri = strdup(uri);
	request->at = now_ms();
	return request;
}

static void end(void *cls, struct MHD_Connection *connection, void **request_cls, enum MHD_RequestTerminationCode how)
{
	struct request *request = *request_cls;

	(void)cls, (void)connection, (void)how;
	if (!request)
		return;
	free(request->uri);
	free(request->body);
	free(request);
	*request_cls = NULL;
}

static void gather(struct request *request, const char *data, size_t size)
{
	size_t keep = size;

	if (request->size <= BODY_MAX) {
		if (request->size + keep + 1 > request->room) {
			request->room = 2 * (request->size + keep + 1);
			request->body = realloc(request->body, request->room);
		}
		memcpy(request->body + request->size, data, keep);
		request->body[request->size + keep] = 0;
	}
	request->size += keep;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			      const char *data, size_t *size, void **request_cls)
{
	struct request *request = *request_cls;
	const char *type, *agent;
	struct reply reply;

	(void)cls, (void)version;
	if (!request->method) {
		request->method = method;
		request->path = url;
		request->query = strchr(request->uri, '?');
		request->query = request->query ? request->query + 1 : "";
		type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
		agent = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "User-Agent");
		request->type = type ? type : "";
		request->agent = agent ? agent : "";
		return MHD_YES;
	}
	if (*size > 0) {
		gather(request, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (request->answered)
		return MHD_NO;
	request->answered = true;
	reply = handle(request);
	return send_reply(request, &reply);
}

struct MHD_Daemon *http_start(struct server *server, uint16_t *port, const char *certificate, const char *key, const char *client_ca)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[4] = { { MHD_OPTION_END, 0, NULL } };
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct MHD_Daemon *daemon;

	if (certificate) {
		flags |= MHD_USE_TLS;
		tls[0] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate };
		tls[1] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key };
		tls[2] = (struct MHD_OptionItem){ client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)client_ca };
		tls[3] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	}
	daemon = MHD_start_daemon(flags, *port, NULL, NULL, answer, server, MHD_OPTION_ARRAY, tls, MHD_OPTION_SOCK_ADDR, &here,
				  MHD_OPTION_URI_LOG_CALLBACK, begin, server, MHD_OPTION_NOTIFY_COMPLETED, end, NULL,
				  MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_THREAD_STACK_SIZE, (size_t)512 << 10,
				  MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!daemon) {
		fprintf(stderr, "apiserver: can't listen on port %u\n", *port);
		return NULL;
	}
	*port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	return daemon;
}

void http_stop(struct server *server, struct MHD_Daemon *daemon)
{
	pthread_mutex_lock(&server->store.lock);
	server->store.stopping = true;
	pthread_cond_broadcast(&server->store.changed);
	pthread_mutex_unlock(&server->store.lock);
	pthread_mutex_lock(&server->rules.lock);
	server->rules.stopping = true;
	pthread_cond_broadcast(&server->rules.changed);
	pthread_mutex_unlock(&server->rules.lock);
	MHD_stop_daemon(daemon);
}
