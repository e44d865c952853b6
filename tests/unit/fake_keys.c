#include "fake_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_version {
	char *key, *value; /* value NULL: deleted */
	size_t key_size, size;
	int64_t revision, created, version, lease;
};

/* What a request is about: the one key, or all from it to the end. */
struct span {
	char *key, *end;
	size_t key_size, end_size;
};

static struct span span_of(const json_t *o)
{
	struct span s = { 0 };

	etcd_unbase64(o, "key", &s.key, &s.key_size);
	etcd_unbase64(o, "range_end", &s.end, &s.end_size);
	return s;
}

static void span_free(struct span *s)
{
	free(s->key);
	free(s->end);
}

static int order(const char *a, size_t n, const char *b, size_t m)
{
	int rc = memcmp(a, b, n < m ? n : m);

	return rc != 0 ? rc : n < m ? -1 : n > m;
}

static bool inside(const struct span *s, const struct fake_version *v)
{
	int from = order(v->key, v->key_size, s->key, s->key_size);

	if (s->end_size == 0)
		return from == 0;
	return from >= 0 && ((s->end_size == 1 && s->end[0] == 0) || order(v->key, v->key_size, s->end, s->end_size) < 0);
}

static int by_key(const void *a, const void *b)
{
	const struct fake_version *const *x = a, *const *y = b;

	return order((*x)->key, (*x)->key_size, (*y)->key, (*y)->key_size);
}

/* What is there at a revision, in the order of the keys. The caller's to free. */
static const struct fake_version **there(const struct fake_keys *k, const struct span *s, int64_t revision, size_t *n)
{
	const struct fake_version **list = calloc(k->count + 1, sizeof *list);
	size_t have = 0;

	*n = 0;
	for (size_t i = k->count; i-- > 0;)
		if (k->log[i].revision <= revision && inside(s, &k->log[i])) {
			size_t j = 0;

			while (j < have && by_key(&list[j], &(const struct fake_version *){ &k->log[i] }) != 0)
				j++;
			if (j == have)
				list[have++] = &k->log[i];
		}
	for (size_t i = 0; i < have; i++)
		if (list[i]->value != NULL)
			list[(*n)++] = list[i];
	qsort(list, *n, sizeof *list, by_key);
	return list;
}

static void append(struct fake_keys *k, const char *key, size_t key_size, const char *value, size_t size, int64_t lease)
{
	const struct span one = { .key = (char *)(uintptr_t)key, .key_size = key_size };
	const struct fake_version **now;
	struct fake_version *v;
	size_t n;

	k->log = reallocarray(k->log, k->count + 1, sizeof *k->log);
	now = there(k, &one, k->revision, &n);
	v = &k->log[k->count++];
	*v = (struct fake_version){ .key_size = key_size, .size = size, .revision = k->revision, .created = k->revision, .lease = lease };
	v->key = malloc(key_size + 1);
	memcpy(v->key, key, key_size);
	v->key[key_size] = 0;
	if (value != NULL) {
		v->value = malloc(size + 1);
		memcpy(v->value, value, size);
		v->version = n > 0 ? now[0]->version + 1 : 1;
		v->created = n > 0 ? now[0]->created : v->revision;
	}
	free(now);
}

void fake_keys_free(struct fake_keys *k)
{
	for (size_t i = 0; i < k->count; i++) {
		free(k->log[i].key);
		free(k->log[i].value);
	}
	free(k->log);
	*k = (struct fake_keys){ 0 };
}

void fake_keys_put(struct fake_keys *k, const char *key, const char *value)
{
	k->revision++;
	append(k, key, strlen(key), value, value == NULL ? 0 : strlen(value), 0);
}

void fake_keys_id(const struct fake_keys *k, const char *of, char id[17])
{
	const char *name = strchr(of, ' ') + 1;

	id[0] = 0;
	for (size_t i = 0; i < k->count; i++) {
		const struct fake_version *v = &k->log[i];
		const char *last = strrchr(v->key, '/'), *kind = strstr(v->key, "/state/");
		json_t *o;

		if (last == NULL || kind == NULL || v->value == NULL || strcmp(last + 1, name) != 0 ||
		    strncmp(kind + strlen("/state/"), of, (size_t)(name - of) - 1) != 0)
			continue;
		o = json_loadb(v->value, v->size, 0, NULL);
		snprintf(id, 17, "%s", json_string_value(json_object_get(o, "id")));
		json_decref(o);
	}
}

static json_t *int_json(int64_t n)
{
	return json_sprintf("%" PRId64, n);
}

/* What is 0 or empty is left out, as the gateway does. */
static json_t *kv_json(const struct fake_version *v)
{
	json_t *o = json_pack("{s:o, s:o}", "key", etcd_base64(v->key, v->key_size), "mod_revision", int_json(v->revision));

	if (v->value == NULL)
		return o;
	json_object_set_new(o, "create_revision", int_json(v->created));
	json_object_set_new(o, "version", int_json(v->version));
	if (v->size > 0)
		json_object_set_new(o, "value", etcd_base64(v->value, v->size));
	if (v->lease != 0)
		json_object_set_new(o, "lease", int_json(v->lease));
	return o;
}

void fake_keys_range(const struct fake_keys *k, const json_t *request, json_t *answer)
{
	int64_t at = etcd_int(request, "revision"), limit = etcd_int(request, "limit");
	struct span s = span_of(request);
	size_t n;
	const struct fake_version **list = there(k, &s, at == 0 ? k->revision : at, &n);
	json_t *kvs = json_array();

	for (size_t i = 0; i < n && (limit == 0 || i < (size_t)limit) && !json_is_true(json_object_get(request, "count_only")); i++)
		json_array_append_new(kvs, kv_json(list[i]));
	if (limit > 0 && n > (size_t)limit)
		json_object_set_new(answer, "more", json_true());
	if (json_array_size(kvs) > 0)
		json_object_set(answer, "kvs", kvs);
	json_decref(kvs);
	json_object_set_new(answer, "count", int_json((int64_t)n));
	free(list);
	span_free(&s);
}

/* ---- transactions ------------------------------------------------------------------------------------------------------ */

/* A key that isn't there is of revision 0. */
static bool holds(const struct fake_keys *k, const json_t *compare)
{
	int64_t wanted = etcd_int(compare, "mod_revision");
	struct span s = span_of(compare);
	size_t n;
	const struct fake_version **list = there(k, &s, k->revision, &n);
	bool good = n > 0 || wanted == 0;

	for (size_t i = 0; i < n; i++)
		good &= list[i]->revision == wanted;
	free(list);
	span_free(&s);
	return good;
}

static void do_put(struct fake_keys *k, const json_t *op)
{
	struct span s = span_of(op);
	char *value;
	size_t size;

	etcd_unbase64(op, "value", &value, &size);
	append(k, s.key, s.key_size, value, size, etcd_int(op, "lease"));
	free(value);
	span_free(&s);
}

static void delete (struct fake_keys *k, const struct fake_version **list, size_t n)
{
	struct etcd_key *key = calloc(n + 1, sizeof *key); /* the log moves */

	for (size_t i = 0; i < n; i++)
		key[i] = (struct etcd_key){ list[i]->key, list[i]->key_size };
	for (size_t i = 0; i < n; i++)
		append(k, key[i].data, key[i].size, NULL, 0, 0);
	free(key);
}

static void do_delete(struct fake_keys *k, const json_t *op)
{
	struct span s = span_of(op);
	size_t n;
	const struct fake_version **list = there(k, &s, k->revision, &n);

	delete (k, list, n);
	free(list);
	span_free(&s);
}

bool fake_keys_txn(struct fake_keys *k, const json_t *request, json_t *answer)
{
	const json_t *compare = json_object_get(request, "compare"), *op;
	size_t before = k->count, i;
	json_t *responses;
	bool good = true;

	json_array_foreach(compare, i, op)
		good &= holds(k, op);
	if (good) {
		k->revision++;
		json_array_foreach(json_object_get(request, "success"), i, op) {
			if (json_object_get(op, "request_put") != NULL)
				do_put(k, json_object_get(op, "request_put"));
			else
				do_delete(k, json_object_get(op, "request_delete_range"));
		}
		k->revision -= k->count == before;
		json_object_set_new(answer, "succeeded", json_true());
		return true;
	}
	responses = json_array();
	json_array_foreach(json_object_get(request, "failure"), i, op) {
		json_t *one = json_object();

		fake_keys_range(k, json_object_get(op, "request_range"), one);
		json_array_append_new(responses, json_pack("{s:o}", "response_range", one));
	}
	json_object_set_new(answer, "responses", responses);
	return false;
}

json_t *fake_keys_events(const struct fake_keys *k, const json_t *create, int64_t *from, int64_t *at)
{
	struct span s = span_of(create);
	json_t *events = NULL;

	*at = 0;
	for (size_t i = 0; i < k->count; i++) {
		const struct fake_version *v = &k->log[i];
		json_t *event;

		if (v->revision < *from || !inside(&s, v) || (*at != 0 && v->revision != *at))
			continue;
		*at = v->revision;
		events = events == NULL ? json_array() : events;
		event = json_pack("{s:o}", "kv", kv_json(v));
		if (v->value == NULL)
			json_object_set_new(event, "type", json_string("DELETE"));
		json_array_append_new(events, event);
	}
	if (events != NULL)
		*from = *at + 1;
	span_free(&s);
	return events;
}

void fake_keys_expire(struct fake_keys *k, int64_t lease)
{
	struct span all = { .key = (char[]){ 0 }, .end = (char[]){ 0 }, .key_size = 1, .end_size = 1 };
	size_t n, have = 0;
	const struct fake_version **list = there(k, &all, k->revision, &n);

	for (size_t i = 0; i < n; i++)
		if (list[i]->lease == lease)
			list[have++] = list[i];
	k->revision += have > 0;
	delete (k, list, have);
	free(list);
}

void fake_keys_restore(struct fake_keys *k, int64_t revision)
{
	while (k->count > 0 && k->log[k->count - 1].revision > revision) {
		k->count--;
		free(k->log[k->count].key);
		free(k->log[k->count].value);
	}
	k->revision = revision;
	k->compacted = k->compacted < revision ? k->compacted : 0;
}
