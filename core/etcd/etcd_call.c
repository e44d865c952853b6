#include "etcd/etcd_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what may be done twice, a range changes nothing and the others end the same. */
static bool changes(const char *path)
{
	return strcmp(path, "/v3/kv/txn") == 0 || strcmp(path, "/v3/kv/put") == 0;
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* What a member says that can't serve now, and has not passed the request on either: nothing was done. Of all else that goes
 * wrong on its way it isn't known. */
static bool is_unseen(const char *text)
{
	static const char *const word[] = { "no leader", "not capable", "too many requests", "connection refused", NULL };

	for (int i = 0; word[i] != NULL; i++)
		if (strstr(text, word[i]) != NULL)
			return true;
	return false;
}

/* gRPC's code. A stream of 3.4 has HTTP's beside it, and calls this one by its name. */
static const json_t *refusal_code(const json_t *o)
{
	const json_t *code = json_object_get(o, "grpc_code");

	if (code == NULL)
		code = json_object_get(o, "code");
	return json_is_integer(code) ? code : NULL;
}

int etcd_refusal(const char *endpoint, long status, const json_t *reply, struct ipam_error *error)
{
	const json_t *said = json_object_get(reply, "error");
	const char *text;
	int code;

	/* A stream's error is an object. */
	if (json_is_object(said))
		reply = said;
	/* etcd 3.4 says {"error": TEXT, "code": N}, later ones {"message": TEXT, "code": N}. */
	if (!json_is_string(said) && refusal_code(reply) != NULL)
		said = json_object_get(reply, "message");
	text = json_string_value(said);
	code = (int)json_integer_value(refusal_code(reply));
	if (text == NULL)
		return etcd_fail(error, -EPROTO, "%s: HTTP status %ld: that is no etcd, or none with the v3 gateway", endpoint, status);
	/* gRPC's codes. Whatever isn't surely a refusal is a member's trouble. */
	enum { INVALID = 3, MISSING = 5, DENIED = 7, PRECONDITION = 9, RANGE = 11, UNIMPLEMENTED = 12, UNKNOWN_USER = 16 };
	if (strstr(text, "space exceeded") != NULL)
		return etcd_fail(error, -ENOSPC, "%s: %s", endpoint, text);
	if (code == DENIED || code == UNKNOWN_USER || status == 401 || status == 403 || strstr(text, "auth") != NULL ||
	    strstr(text, "user name is empty") != NULL)
		return etcd_fail(error, -EACCES, "%s: %s", endpoint, text);
	if ((code == INVALID || code == MISSING || code == PRECONDITION || code == RANGE || code == UNIMPLEMENTED) && !is_unseen(text))
		return etcd_fail(error, -EINVAL, "%s: %s", endpoint, text);
	return etcd_fail(error, -EHOSTUNREACH, "%s: %s", endpoint, text);
}

static bool etcd_is_tls(const struct ipam_error *error)
{
	return strstr(error->text, ": TLS: ") != NULL;
}

/* ---- one request ------------------------------------------------------------------------------------------------ */

bool etcd_is_for_next(int rc, const struct ipam_error *error)
{
	return rc == -EHOSTUNREACH || rc == -EPROTO || (rc == -EACCES && etcd_is_tls(error));
}

/* Waits for its turn: a machine whose memory or whose peers drive it in circles asks so often and no more. */
static int await_turn(struct etcd *e, const char *endpoint, int64_t until, struct ipam_error *error)
{
	int64_t turn = etcd_turn(e, etcd_now_ms(), until);

	if (turn > until)
		return etcd_fail(error, -EHOSTUNREACH, "%s: this machine has asked %d times a second", endpoint, ETCD_RATE);
	while (etcd_now_ms() < turn && !atomic_load(&e->stop))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return 0;
}

/* Every answer begins with the header, that of a stream in its result. */
static bool is_etcds(const json_t *reply)
{
	return json_is_object(json_object_get(reply, "header")) ||
	       json_is_object(json_object_get(json_object_get(reply, "result"), "header"));
}

/* *sent: it may have reached the server. */
static int post(struct etcd *e, const char *endpoint, const char *path, const char *body, int64_t timeout_ms, json_t **reply, bool *sent,
		struct ipam_error *error)
{
	int64_t until = etcd_now_ms() + timeout_ms, known;
	struct etcd_answer answer = { 0 };
	int rc = await_turn(e, endpoint, until, error);

	*reply = NULL;
	*sent = false;
	if (rc < 0)
		return rc;
	timeout_ms = until - etcd_now_ms();
	known = atomic_load(&e->revision);
	rc = e->transport->post(e, endpoint, path, body, timeout_ms < 1 ? 1 : timeout_ms, changes(path), &answer, error);
	*sent = answer.sent && rc != -EACCES;
	if (rc < 0) {
		free(answer.data);
		return rc;
	}
	*reply = answer.size == 0 ? NULL : json_loadb(answer.data, answer.size, 0, NULL);
	free(answer.data);
	if (answer.status != 200)
		rc = etcd_refusal(endpoint, answer.status, *reply, error);
	else if (!is_etcds(*reply))
		rc = etcd_fail(error, -EPROTO, "%s: the answer isn't etcd's: that is no etcd, or none with the v3 gateway", endpoint);
	else
		etcd_identify(e, endpoint, path, known, *reply);
	if (rc == -EHOSTUNREACH && is_unseen(error->text))
		*sent = false;
	if (rc < 0) {
		json_decref(*reply);
		*reply = NULL;
	}
	return rc;
}

/* Each endpoint in turn, until one answers, or all say one after the other that they aren't etcd, or that their certificates are
 * wrong. Once a request that changes something may have been taken it is not sent again. */
static int post_anywhere(struct etcd *e, const char *path, const char *body, int timeout_ms, json_t **reply, struct ipam_error *error)
{
	int64_t until = etcd_now_ms() + timeout_ms;
	size_t first = atomic_load(&e->current), strangers = 0;
	int64_t rest_ms = 50;
	int rc = etcd_fail(error, -EHOSTUNREACH, "%s: no time is left", e->endpoint[first]);

	for (size_t i = 0; strangers < e->endpoints; i++) {
		size_t n = (first + i) % e->endpoints;
		int64_t left = until - etcd_now_ms();
		/* A member that hangs must leave time for the others. */
		int64_t share = i + 1 < e->endpoints && left > 1000 ? left / (e->endpoints - i < 3 ? 2 : 3) : left;
		bool sent = false;

		if (atomic_load(&e->stop))
			return etcd_fail(error, -ECANCELED, "stopping");
		if (left <= 0)
			return -EHOSTUNREACH;
		if (i > 0 && i % e->endpoints == 0) {
			/* All of them were asked: not at once again. */
			const struct timespec pause = { .tv_nsec = (rest_ms < left ? rest_ms : left) * 1000000 };

			nanosleep(&pause, NULL);
			rest_ms = rest_ms < 400 ? rest_ms * 2 : 400;
		}
		rc = post(e, e->endpoint[n], path, body, share, reply, &sent, error);
		if (!etcd_is_for_next(rc, error)) {
			atomic_store(&e->current, n);
			return rc;
		}
		if (sent && changes(path)) {
			atomic_store(&e->current, (n + 1) % e->endpoints); /* the next call goes elsewhere */
			return -EHOSTUNREACH;
		}
		strangers = rc == -EHOSTUNREACH ? 0 : strangers + 1;
	}
	return rc;
}

int etcd_call_at(struct etcd *e, size_t endpoint, const char *path, const json_t *request, int timeout_ms, json_t **reply,
		 struct ipam_error *error)
{
	char *body = json_dumps(request, JSON_COMPACT);
	bool sent;
	int rc;

	*reply = NULL;
	rc = body == NULL ? etcd_fail(error, -ENOMEM, "out of memory") :
			    post(e, e->endpoint[endpoint], path, body, timeout_ms, reply, &sent, error);
	free(body);
	return rc;
}

/* ---- users ------------------------------------------------------------------------------------------------------ */

/* The first line of its file; the caller's to wipe and free. */
static int read_password(const struct etcd *e, char **out, struct ipam_error *error)
{
	int fd = open(e->password_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* of a FIFO nobody may be at the other end */
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	size_t room = 0;
	ssize_t n;
	int rc = 0;

	*out = NULL;
	n = f == NULL ? -1 : getline(out, &room, f);
	if (n < 0)
		rc = etcd_fail(error, -EACCES, "the password of user '%s': %s: %s", e->user, e->password_file,
			       f == NULL ? strerror(errno) : "the file is empty");
	else
		(*out)[strcspn(*out, "\r\n")] = 0;
	if (f != NULL)
		fclose(f);
	return rc;
}

static void wipe(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

int etcd_login(struct etcd *e, const char *refused, int timeout_ms, struct ipam_error *error)
{
	char *have = etcd_token(e), *body = NULL, *password = NULL;
	json_t *request = NULL, *reply = NULL;
	const char *token;
	int rc = 0;

	/* Another thread may have got a new one meanwhile. */
	if (e->user == NULL || (have != NULL && (refused == NULL || strcmp(have, refused) != 0)))
		goto out;
	rc = read_password(e, &password, error);
	if (rc < 0)
		goto out;
	request = json_pack("{s:s, s:s}", "name", e->user, "password", password);
	body = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
	rc = body == NULL ? etcd_fail(error, -ENOMEM, "the user's name or password is no UTF-8") :
			    post_anywhere(e, ETCD_LOGIN, body, timeout_ms, &reply, error);
	if (rc == -EINVAL && strstr(error->text, "authentication is not enabled") != NULL) {
		rc = 0; /* then anybody may */
		goto out;
	}
	token = json_string_value(json_object_get(reply, "token"));
	if (rc == 0 && token == NULL)
		rc = etcd_fail(error, -EPROTO, "etcd gave no token to user '%s'", e->user);
	if (rc == 0) {
		pthread_mutex_lock(&e->lock);
		free(e->token);
		e->token = strdup(token);
		pthread_mutex_unlock(&e->lock);
	}
out:
	free(have);
	wipe(body);
	wipe(password);
	json_decref(request);
	json_decref(reply);
	return rc;
}

/* Nothing is changed in an etcd that may be another one, and what it says of a change isn't believed. */
static int refuse_astray(struct etcd *e, const char *path, struct ipam_error *error)
{
	char what[200];

	return changes(path) && etcd_astray(e, what, sizeof what) ? etcd_fail(error, -EREMCHG, "%s", what) : 0;
}

int etcd_call(struct etcd *e, const char *path, const json_t *request, int timeout_ms, json_t **reply, struct ipam_error *error)
{
	char *body = json_dumps(request, JSON_COMPACT), *token = NULL;
	int64_t until = etcd_now_ms() + timeout_ms;
	int rc = body == NULL ? etcd_fail(error, -ENOMEM, "out of memory") : 0;

	*reply = NULL;
	if (rc == 0)
		rc = refuse_astray(e, path, error);
	if (rc == 0)
		rc = etcd_login(e, NULL, timeout_ms, error);
	if (rc == 0) {
		token = etcd_token(e);
		rc = post_anywhere(e, path, body, (int)(until - etcd_now_ms()), reply, error);
	}
	/* A token ends after a while, or with its server. */
	if (rc == -EACCES && token != NULL && !etcd_is_tls(error) && strstr(error->text, "permission") == NULL &&
	    (rc = etcd_login(e, token, (int)(until - etcd_now_ms()), error)) == 0)
		rc = post_anywhere(e, path, body, (int)(until - etcd_now_ms()), reply, error);
	if (rc == 0 && (rc = refuse_astray(e, path, error)) < 0) {
		json_decref(*reply);
		*reply = NULL;
	}
	free(token);
	free(body);
	return rc;
}
