#include "follow.h"

#include "clock.h"
#include "metrics.h"
#include "node.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 500, WATCH_S = 300, WATCH_GRACE_MS = 30000 };

static const char *const list_wanted[] = { "kind", "metadata.resourceVersion", "metadata.continue", NODE_WANTED("items.*."), NULL };
static const char *const event_wanted[] = { "type", "object.code", "object.message", NODE_WANTED("object."), NULL };

static void forget_answer(struct follow *f)
{
	answer_free(&f->answer);
	f->answer = (struct answer){ 0 };
}

static int broken(struct follow *f, const char *why)
{
	snprintf(f->answer.error, sizeof f->answer.error, "%s: %s", f->path, why);
	return -EPROTO;
}

/* What a status that isn't 2xx means here. */
static int refusal(const struct answer *a)
{
	switch (a->status) {
	case 410:
		return -ESTALE;
	case 400:
	case 401:
	case 403:
	case 404:
		return -EACCES;
	default:
		return -EHOSTUNREACH;
	}
}

static bool is_older(const struct follow *f, const char *version)
{
	return version_number(version) < version_number(f->version) && version_number(version) != 0;
}

static int keep_version(struct follow *f, const json_t *metadata)
{
	const char *version = text_in(metadata, "resourceVersion");
	char *copy;

	if (version == NULL || *version == 0)
		return broken(f, "an answer without a resourceVersion");
	copy = strdup(version);
	if (copy == NULL)
		return -ENOMEM;
	free(f->version);
	f->version = copy;
	return 0;
}

/* ---- the list -------------------------------------------------------------------------------------------------------- */

/* One chunk; *next is where the next one begins, or NULL. */
static int chunk(struct follow *f, char **next)
{
	struct call call = {
		.method = "GET", .timeout_ms = f->timeout_ms, .wanted = list_wanted, .take = f->item, .arg = f->arg, .kind = f->kind
	};
	char *path = NULL, *escaped = *next == NULL ? NULL : client_escape(*next);
	const char *more, *kind;
	json_t *items, *metadata;
	int rc = *next != NULL && escaped == NULL ? -ENOMEM : 0;

	if (rc == 0 && asprintf(&path, "%s?limit=%d%s%s%s", f->path, CHUNK, f->query,
				escaped == NULL ? "" : "&continue=", escaped == NULL ? "" : escaped) < 0)
		rc = -ENOMEM;
	free(escaped);
	free(*next);
	*next = NULL;
	if (rc < 0)
		return rc;
	forget_answer(f);
	call.path = path;
	rc = conn_call(f->conn, &call, &f->answer);
	free(path);
	if (rc < 0)
		return rc;
	if (f->answer.status != 200)
		return refusal(&f->answer);
	/* A page of a proxy, or of another server, is no list without items. */
	kind = text_in(f->answer.json, "kind");
	items = json_object_get(f->answer.json, "items");
	if (kind == NULL || strcmp(kind, f->kind) != 0 || !(json_is_array(items) || json_is_null(items)))
		return broken(f, "the answer is no list of Nodes");
	metadata = json_object_get(f->answer.json, "metadata");
	f->went_back |= is_older(f, text_in(metadata, "resourceVersion"));
	rc = keep_version(f, metadata);
	more = text_in(metadata, "continue");
	if (rc == 0 && more != NULL && *more != 0) {
		*next = strdup(more);
		rc = *next == NULL ? -ENOMEM : 0;
	}
	return rc;
}

int follow_list(struct follow *f)
{
	char *next = NULL;
	int rc;

	metrics_add(METRIC_LISTS, 1);
	f->went_back = false;
	do
		rc = chunk(f, &next);
	while (rc == 0 && next != NULL);
	free(next);
	if (rc == 0) {
		forget_answer(f);
		malloc_trim(0); /* whole Nodes are large, and were only looked at */
	}
	return rc;
}

/* ---- the watch ------------------------------------------------------------------------------------------------------- */

static int taken(void *arg, const char *text, size_t n)
{
	static const char *const names[] = { "ADDED", "MODIFIED", "DELETED" };
	struct follow *f = arg;
	json_t *event = sieve_text(text, n, event_wanted), *object = json_object_get(event, "object");
	const char *type = text_in(event, "type"), *version = text_in(json_object_get(object, "metadata"), "resourceVersion");
	int rc = -EPROTO;

	metrics_add(METRIC_WATCH_EVENTS, 1);
	if (type == NULL || !json_is_object(object)) {
		rc = broken(f, "a line that is no event");
	} else if (strcmp(type, "ERROR") == 0) {
		const char *message = json_string_value(json_object_get(object, "message"));

		rc = json_integer_value(json_object_get(object, "code")) == 410 ? -ESTALE :
										  broken(f, message == NULL ? "an error" : message);
	} else if (is_older(f, version)) { /* events come in their order: who tells this isn't who told the others, or mistakes it */
		broken(f, "an event that is older than what is known; all is read anew");
		rc = -ESTALE;
	} else if (strcmp(type, "BOOKMARK") == 0) {
		rc = 0;
	} else {
		for (int i = 0; i < 3; i++)
			if (strcmp(type, names[i]) == 0) {
				f->change(f->arg, (enum follow_change)i, object);
				rc = 0;
			}
		if (rc < 0)
			broken(f, "an event of an unknown type");
	}
	/* Without one, what was known is told once more by the next watch. */
	if (rc == 0 && version != NULL)
		rc = keep_version(f, json_object_get(object, "metadata"));
	json_decref(event);
	return rc;
}

int follow_watch(struct follow *f)
{
	char *path, *version = client_escape(f->version);
	int64_t seconds = jitter(WATCH_S);
	int rc;

	if (version == NULL)
		return -ENOMEM;
	rc = asprintf(&path, "%s?watch=true&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%lld%s", f->path, version,
		      (long long)seconds, f->query);
	free(version);
	if (rc < 0)
		return -ENOMEM;
	forget_answer(f);
	metrics_add(METRIC_WATCHES, 1);
	rc = conn_stream(f->conn, path, seconds * 1000 + WATCH_GRACE_MS, taken, f, &f->answer);
	free(path);
	if (rc == 0 && f->answer.status != 200)
		rc = refusal(&f->answer);
	f->retry_ms = f->answer.retry_ms;
	return rc;
}

void follow_free(struct follow *f)
{
	forget_answer(f);
	free(f->version);
	f->version = NULL;
}
