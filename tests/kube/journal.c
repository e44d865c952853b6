/* The log of requests, for what the tests check. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

void journal_init(struct journal *journal)
{
	memset(journal, 0, sizeof *journal);
	pthread_mutex_init(&journal->lock, NULL);
}

void journal_clear(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->n; i++) {
		free(journal->entries[i].uri);
		free(journal->entries[i].agent);
		free(journal->entries[i].body);
	}
	journal->n = 0;
	pthread_mutex_unlock(&journal->lock);
}

void journal_free(struct journal *journal)
{
	journal_clear(journal);
	free(journal->entries);
	pthread_mutex_destroy(&journal->lock);
}

void journal_add(struct journal *journal, const struct request *request, unsigned code, const struct rule *rule)
{
	struct entry *entry;

	pthread_mutex_lock(&journal->lock);
	if (journal->n == journal->room) {
		journal->room = journal->room ? 2 * journal->room : 1024;
		journal->entries = realloc(journal->entries, journal->room * sizeof *journal->entries);
	}
	entry = &journal->entries[journal->n++];
	memset(entry, 0, sizeof *entry);
	entry->at = request->at;
	entry->done = now_ms();
	entry->code = code;
	entry->rule = rule ? rule->id : 0;
	snprintf(entry->method, sizeof entry->method, "%s", request->method);
	snprintf(entry->user, sizeof entry->user, "%s", request->user);
	entry->uri = strdup(request->uri);
	entry->agent = strdup(request->agent);
	entry->body = request->size ? strndup(request->body, request->size) : NULL;
	pthread_mutex_unlock(&journal->lock);
}

static bool fits(const struct entry *entry, const char *method, const char *path, const char *user, const char *code)
{
	char plain[512];

	snprintf(plain, sizeof plain, "%.*s", (int)strcspn(entry->uri, "?"), entry->uri);
	return (!method || strcmp(method, entry->method) == 0) && (!path || fnmatch(path, plain, 0) == 0) &&
	       (!user || strcmp(user, entry->user) == 0) && (!code || strtoul(code, NULL, 10) == entry->code);
}

struct reply journal_show(struct journal *journal, const struct request *request)
{
	const char *method = request_arg(request, "method"), *path = request_arg(request, "path");
	const char *user = request_arg(request, "user"), *code = request_arg(request, "code");
	json_t *out = json_array(), *one;

	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->n; i++) {
		const struct entry *entry = &journal->entries[i];

		if (!fits(entry, method, path, user, code))
			continue;
		one = json_pack("{s:I, s:I, s:i, s:i, s:s, s:s, s:s, s:s}", "at", (json_int_t)entry->at, "done", (json_int_t)entry->done,
				"code", (int)entry->code, "rule", (int)entry->rule, "method", entry->method, "uri", entry->uri, "user",
				entry->user, "agent", entry->agent);
		if (entry->body)
			json_object_set_new(one, "body", json_string(entry->body));
		json_array_append_new(out, one);
	}
	pthread_mutex_unlock(&journal->lock);
	return reply_json(200, out);
}
