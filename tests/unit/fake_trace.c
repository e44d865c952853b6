#include "fake_trace.h"

#include "shared/record_key.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS = 256, PARTS = 4, MACHINES = 8 };

static struct {
	pthread_mutex_t lock;
	char *text;
	size_t size, room, lines;
	char id[IDS][17];
	size_t ids;
	int64_t revision[IDS];
	size_t revisions;
	const char *part[PARTS];
	struct {
		char id[RECORD_MACHINE], name[16];
	} machine[MACHINES];
} it = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void add(const char *s, size_t n)
{
	if (it.size + n + 1 > it.room) {
		it.room = (it.room + n) * 2 + 1024;
		it.text = realloc(it.text, it.room);
	}
	memcpy(it.text + it.size, s, n);
	it.size += n;
	it.text[it.size] = 0;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	add(text, strlen(text));
}

/* ---- names for what is made by chance -------------------------------------------------------------------------------------- */

static void say_id(const char *id)
{
	size_t i = 0;

	while (i < it.ids && strcmp(it.id[i], id) != 0)
		i++;
	if (i == it.ids && it.ids < IDS)
		strcpy(it.id[it.ids++], id);
	say("#%zu", i + 1);
}

static void say_number(uint64_t id)
{
	char text[17];

	snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
	say_id(text);
}

static void say_machine(const char *id)
{
	for (int i = 0; i < MACHINES; i++)
		if (strcmp(it.machine[i].id, id) == 0) {
			say("%s", it.machine[i].name);
			return;
		}
	say("somebody");
}

/* Ids in it by their names. */
static void say_text(const char *s, size_t n)
{
	for (size_t i = 0, run; i < n; i += run) {
		char id[RECORD_MACHINE] = "";

		for (run = 0; i + run < n && isxdigit((unsigned char)s[i + run]); run++)
			;
		if (run == 16 || run == 32)
			memcpy(id, s + i, run);
		if (run == 16)
			say_id(id);
		else if (run == 32)
			say_machine(id);
		else
			add(s + i, run = run == 0 ? 1 : run);
	}
}

static void say_revision(int64_t revision)
{
	size_t i = it.revisions; /* one that was put back has some of them twice: the last */

	while (i > 0 && it.revision[i - 1] != revision)
		i--;
	if (i > 0)
		say("r%zu", i);
	else
		say("r?");
}

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static void say_key(const json_t *op)
{
	struct record_name name;
	char cidr[CIDR_TEXT];
	char *key, *end;
	size_t n, end_size;

	etcd_unbase64(op, "key", &key, &n);
	etcd_unbase64(op, "range_end", &end, &end_size);
	if (end_size > 0 || record_parse_key(FAKE_PREFIX, key, n, &name) < 0) {
		say_text(key + strlen(FAKE_PREFIX) + 1, n - strlen(FAKE_PREFIX) - 1);
		if (end_size > 0)
			say("..");
	} else if (name.what == RECORD_CLUSTER || name.what == RECORD_NODE) {
		say("%s %.*s", name.what == RECORD_CLUSTER ? "cluster" : "node", (int)name.name_size, name.name);
	} else if (name.what == RECORD_BLOCK) {
		cidr_print(&name.cidr, cidr);
		say("block %s", cidr);
	} else {
		say("%s ", name.what == RECORD_ALIVE ? "alive" : name.what == RECORD_LEASES ? "leases" : "published");
		say_number(name.id);
		if (name.what == RECORD_LEASES)
			say("/%llu", (unsigned long long)name.bucket);
	}
	free(key);
	free(end);
}

static void say_list(const json_t *list)
{
	const json_t *one, *address;
	size_t i, k;

	json_array_foreach(list, i, one) {
		say("%s", i > 0 ? " " : "");
		if (json_is_string(one))
			say("%s", json_string_value(one));
		else
			say("%s", json_string_value(json_object_get(one, "name")));
		json_array_foreach(json_object_get(one, "addresses"), k, address)
			say("=%s", json_string_value(address));
	}
}

static bool is_dull(const char *key, const json_t *value)
{
	static const char *const dull[] = { "uid", "gid", "mode", "made", "time", "boot", "session", "file" };

	for (size_t i = 0; i < sizeof dull / sizeof *dull; i++)
		if (strcmp(key, dull[i]) == 0)
			return true;
	return (json_is_array(value) && json_array_size(value) == 0) || (json_is_string(value) && json_string_length(value) == 0);
}

static void say_value(const json_t *op)
{
	bool first = true;
	const char *key;
	json_t *o, *value;
	char *text;
	size_t n;

	etcd_unbase64(op, "value", &text, &n);
	o = json_loadb(text, n, 0, NULL);
	say(" {");
	if (json_is_array(o))
		say_list(o);
	json_object_foreach(o, key, value) {
		if (is_dull(key, value))
			continue;
		say("%s%s", first ? "" : ", ", strcmp(key, "until") == 0 ? "rests" : key);
		first = false;
		if (json_is_integer(value))
			continue;
		say(" ");
		if (json_is_array(value))
			say_list(value);
		else
			say_text(json_string_value(value), json_string_length(value));
	}
	say("}");
	json_decref(o);
	free(text);
}

bool fake_trace_has(const json_t *request)
{
	char *text;
	bool has = false;
	const json_t *op;
	size_t i, n;

	json_array_foreach(json_object_get(request, "success"), i, op) {
		const json_t *put = json_object_get(op, "request_put");

		etcd_unbase64(put != NULL ? put : json_object_get(op, "request_delete_range"), "key", &text, &n);
		for (int k = 0; k < PARTS && it.part[k] != NULL; k++)
			has |= strstr(text, it.part[k]) != NULL;
		free(text);
	}
	return has;
}

void fake_trace_txn(const char *machine, const json_t *request, bool done, int64_t revision, const char *remark)
{
	const json_t *op;
	size_t i;

	pthread_mutex_lock(&it.lock);
	it.lines++;
	say("%s: if ", machine);
	json_array_foreach(json_object_get(request, "compare"), i, op) {
		int64_t at = etcd_int(op, "mod_revision");

		say("%s%s", i > 0 ? ", " : "", at == 0 ? "no " : "");
		say_key(op);
		if (at != 0) {
			say(" is of ");
			say_revision(at);
		}
	}
	say(":");
	json_array_foreach(json_object_get(request, "success"), i, op) {
		const json_t *put = json_object_get(op, "request_put");

		say("%s %s ", i > 0 ? "," : "", put != NULL ? "put" : "delete");
		say_key(put != NULL ? put : json_object_get(op, "request_delete_range"));
		if (put != NULL)
			say_value(put);
	}
	say(" -> ");
	if (done && it.revisions < IDS) {
		it.revision[it.revisions++] = revision;
		say_revision(revision);
	} else if (revision != 0) {
		say("no");
	}
	say("%s%s\n", remark != NULL && revision != 0 ? ", " : "", remark != NULL ? remark : "");
	pthread_mutex_unlock(&it.lock);
}

/* ---- by the test --------------------------------------------------------------------------------------------------------- */

void fake_trace_begin(void)
{
	pthread_mutex_lock(&it.lock);
	it.ids = it.revisions = it.lines = it.size = 0;
	memset(it.machine, 0, sizeof it.machine);
	memset(it.part, 0, sizeof it.part);
	it.part[0] = "/state/";
	pthread_mutex_unlock(&it.lock);
}

void fake_trace_too(const char *part)
{
	pthread_mutex_lock(&it.lock);
	for (int i = 0; i < PARTS; i++)
		if (it.part[i] == NULL) {
			it.part[i] = part;
			break;
		}
	pthread_mutex_unlock(&it.lock);
}

void fake_name(const char *machine_id, const char *name)
{
	pthread_mutex_lock(&it.lock);
	for (int i = 0; i < MACHINES; i++)
		if (it.machine[i].id[0] == 0 || strcmp(it.machine[i].id, machine_id) == 0) {
			snprintf(it.machine[i].id, sizeof it.machine[i].id, "%s", machine_id);
			snprintf(it.machine[i].name, sizeof it.machine[i].name, "%s", name);
			break;
		}
	pthread_mutex_unlock(&it.lock);
}

void fake_say(const char *line)
{
	pthread_mutex_lock(&it.lock);
	it.lines++;
	say("%s\n", line);
	pthread_mutex_unlock(&it.lock);
}

char *fake_trace(void)
{
	char *text;

	pthread_mutex_lock(&it.lock);
	text = it.text;
	it.text = NULL;
	it.size = it.room = it.lines = 0;
	pthread_mutex_unlock(&it.lock);
	return text == NULL ? strdup("") : text;
}

size_t fake_lines(void)
{
	size_t n;

	pthread_mutex_lock(&it.lock);
	n = it.lines;
	pthread_mutex_unlock(&it.lock);
	return n;
}
