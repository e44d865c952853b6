#include "etcd/etcd_stream.h"

#include "etcd/etcd_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int take_events(struct etcd_stream *s, const json_t *events, int64_t revision)
{
	size_t n = json_array_size(events), have = 0;
	struct etcd_kv *kv = calloc(n + 1, sizeof *kv);
	int rc = kv == NULL ? -ENOMEM : 0;

	for (; rc == 0 && have < n; have++) {
		rc = etcd_kv_parse(json_object_get(json_array_get(events, have), "kv"), &kv[have]);
		if (rc < 0)
			break;
	}
	/* The header has the store's revision, of which one that catches up has not been told all; but a sign of life without
	 * events is given only to who has. */
	if (rc == 0)
		rc = s->events(s->arg, kv, n, n > 0 ? kv[n - 1].mod_revision : revision);
	while (have > 0)
		etcd_kv_free(&kv[--have]);
	free(kv);
	return rc;
}

static int take_line(struct etcd_stream *s)
{
	json_t *o = json_loadb(s->line, s->size, 0, NULL);
	const json_t *result = json_object_get(o, "result");
	int rc = 0;

	if (o == NULL || (result == NULL && json_object_get(o, "error") == NULL)) {
		rc = etcd_fail(s->error, -EPROTO, "%s: the answer isn't etcd's", s->endpoint);
	} else if (result == NULL) {
		rc = etcd_refusal(s->endpoint, 200, o, s->error);
	} else if (json_is_true(json_object_get(result, "canceled"))) {
		const char *why = json_string_value(json_object_get(result, "cancel_reason"));

		s->compacted = etcd_int(result, "compact_revision");
		if (s->compacted != 0)
			rc = etcd_fail(s->error, -ESTALE, "%s: history is compacted up to %" PRId64, s->endpoint, s->compacted);
		else if (why != NULL && strstr(why, "permission") != NULL)
			rc = etcd_fail(s->error, -EACCES, "%s: %s", s->endpoint, why);
		else
			rc = etcd_fail(s->error, -EHOSTUNREACH, "%s: the watch was ended: %s", s->endpoint, why != NULL ? why : "");
	} else if (!json_is_true(json_object_get(result, "created"))) {
		rc = take_events(s, json_object_get(result, "events"), etcd_int(json_object_get(result, "header"), "revision"));
	}
	json_decref(o);
	return rc;
}

int etcd_stream_take(struct etcd_stream *s, const char *data, size_t n)
{
	const char *end = data + n;

	for (const char *p = data; s->rc == 0 && p < end;) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t part = (size_t)((eol != NULL ? eol : end) - p);

		if (s->size + part + 1 > s->room) {
			size_t room = (s->size + part) * 2 + 4096;
			char *bigger = room > ETCD_REPLY_MAX ? NULL : realloc(s->line, room);

			if (bigger == NULL) {
				s->rc = etcd_fail(s->error, -ENOMEM, "%s: events too long for memory", s->endpoint);
				break;
			}
			s->line = bigger;
			s->room = room;
		}
		memcpy(s->line + s->size, p, part);
		s->size += part;
		p += part;
		if (eol == NULL)
			break;
		p++;
		if (s->size > 0)
			s->rc = take_line(s);
		s->size = 0;
	}
	return s->rc;
}

void etcd_stream_free(struct etcd_stream *s)
{
	free(s->line);
	s->line = NULL;
	s->size = s->room = 0;
}
