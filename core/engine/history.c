#include "engine/history.h"

#include "base/json_text.h"
#include "change/import.h"
#include "change/lease.h"
#include "engine/alarm.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "registry/registry.h"
#include "registry/xattr.h"
#include "store/store.h"
#include "text/label.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_STACK = 1024 };

struct history_line {
	struct history_line *next;
	struct ipam_event event;
	char text[];
};

/* ---- the line --------------------------------------------------------------------------------------------- */

/* RFC 3339 in UTC. */
static json_t *time_text(int64_t t)
{
	int64_t part = t % NANOSECONDS < 0 ? t % NANOSECONDS + NANOSECONDS : t % NANOSECONDS;
	time_t seconds = t / NANOSECONDS - (t % NANOSECONDS < 0);
	char text[64];
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof text - n, ".%09dZ", (int)part);
	return json_string(text);
}

static json_t *string(const char *s)
{
	return json_text(s, strlen(s));
}

static json_t *addresses(const struct history_event *e)
{
	json_t *list = json_array();
	char text[CIDR_ADDR_TEXT];

	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (e->has[f]) {
			cidr_print_addr(f, e->addr[f], text);
			json_array_append_new(list, json_string(text));
		}
	return list;
}

static void put_attributes(json_t *object, const struct xattr *x)
{
	for (; x != NULL; x = x->next) {
		char key[3 * IPAM_NAME_MAX + 1];
		json_t *name = string(x->data);

		/* A key must be UTF-8 too. */
		snprintf(key, sizeof key, "%s", name != NULL ? json_string_value(name) : "?");
		json_object_set_new(object, key, json_text(xattr_value(x), x->value_size));
		json_decref(name);
	}
}

static json_t *attributes(const struct history_event *e)
{
	json_t *object = json_object();

	put_attributes(object, e->xattr);
	put_attributes(object, e->more);
	return object;
}

json_t *history_labels(const char *labels)
{
	json_t *object = json_object();
	struct label l;

	while (labels_next(&labels, &l)) {
		char key[IPAM_LABELS_MAX + 1];

		memcpy(key, l.key, l.key_size);
		key[l.key_size] = 0;
		json_object_set_new(object, key, json_stringn(l.value, l.value_size));
	}
	return object;
}

/* NULL: no memory. Takes over e->detail. */
static json_t *compose(const struct change *c, const struct history_event *e)
{
	json_t *o = json_object();
	int rc = 0;

	rc |= json_object_set_new(o, "time", time_text(c->now));
	rc |= json_object_set_new(o, "event", json_string(e->event));
	if (e->cluster != NULL)
		rc |= json_object_set_new(o, "cluster", string(e->renamed != NULL && e->node == NULL ? e->renamed : e->cluster->name));
	if (e->node != NULL)
		rc |= json_object_set_new(o, "node", string(e->renamed != NULL ? e->renamed : e->node->name));
	if (e->name != NULL)
		rc |= json_object_set_new(o, "name", string(e->name));
	if (e->from != NULL)
		rc |= json_object_set_new(o, "from", string(e->from));
	if (e->has[CIDR_V4] || e->has[CIDR_V6])
		rc |= json_object_set_new(o, "addresses", addresses(e));
	if (e->block != NULL) {
		char text[CIDR_TEXT];

		cidr_print(e->block, text);
		rc |= json_object_set_new(o, "block", json_string(text));
	}
	if (e->labels != NULL)
		rc |= json_object_set_new(o, "labels", history_labels(e->labels));
	if (e->xattr != NULL || e->more != NULL)
		rc |= json_object_set_new(o, "attributes", attributes(e));
	if (e->detail != NULL)
		rc |= json_object_set_new(o, e->key, e->detail);
	if (e->since != 0)
		rc |= json_object_set_new(o, "since", time_text(e->since));
	if (e->reason != NULL)
		rc |= json_object_set_new(o, "reason", json_string(e->reason));
	if (c->by.uid != IPAM_BY_NOBODY)
		rc |= json_object_set_new(o, "uid", json_integer(c->by.uid));
	if (c->by.pid != 0)
		rc |= json_object_set_new(o, "pid", json_integer(c->by.pid));
	if (rc < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* ---- storing ---------------------------------------------------------------------------------------------- */

static void tell_changing(struct ipam *ipam, const struct ipam_event *event, uint64_t lease)
{
	const struct ipam_options *o = &ipam->options;

	if (o->changing == NULL)
		return;
	if (lease != 0)
		o->changing(o->arg, IPAM_LEASE, lease);
	if (event->node != 0)
		o->changing(o->arg, IPAM_NODE, event->node);
	if (event->cluster != 0)
		o->changing(o->arg, IPAM_CLUSTER, event->cluster);
}

static int remember(struct ipam *ipam, const struct ipam_event *event)
{
	struct history_line *line = malloc(sizeof *line + event->size);

	if (line == NULL)
		return -ENOMEM;
	line->next = NULL;
	line->event = *event;
	memcpy(line->text, event->line, event->size);
	line->event.line = line->text;
	*ipam->history.tail = line;
	ipam->history.tail = &line->next;
	return 0;
}

/* Takes over the object. */
static int store(struct ipam *ipam, const struct change *c, const struct history_event *e, json_t *o)
{
	char key[CIDR_FAMILIES][CIDR_TEXT], stack[LINE_MAX_STACK], *line = stack;
	const char *keys[CIDR_FAMILIES] = { NULL };
	struct ipam_event event = { .number = ipam->history.next_id,
				    .cluster = e->cluster != NULL ? e->cluster->id : 0,
				    .node = e->node != NULL ? e->node->id : 0 };
	int rc = o == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		event.size = json_dumpb(o, stack, sizeof stack, JSON_COMPACT) + 1;
		if (event.size > sizeof stack) {
			line = malloc(event.size);
			rc = line == NULL ? -ENOMEM : 0;
			if (rc == 0)
				json_dumpb(o, line, event.size, JSON_COMPACT);
		}
	}
	json_decref(o);
	if (rc < 0)
		return rc;
	line[event.size - 1] = '\n';
	event.line = line;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (e->has[f]) {
			cidr_print_addr(f, e->addr[f], key[f]);
			keys[f] = key[f];
		}
	if (e->block != NULL) {
		cidr_print(e->block, key[e->block->family]);
		keys[e->block->family] = key[e->block->family];
	}
	rc = store_add_history(ipam->store, ipam->history.next_id, c->now, &event, keys);
	if (rc == 0) {
		tell_changing(ipam, &event, e->lease);
		ipam->history.next_id++;
		atomic_fetch_add(&ipam->history.rows, 1);
		if (atomic_load(&ipam->history.listening))
			rc = remember(ipam, &event);
	}
	if (line != stack)
		free(line);
	return rc;
}

int history_add(struct ipam *ipam, const struct change *c, struct history_event *e)
{
	return store(ipam, c, e, compose(c, e));
}

int history_add_lease(struct ipam *ipam, const struct change *c, struct history_event *e)
{
	bool all = !e->has[CIDR_V4] && !e->has[CIDR_V6];
	const struct lease *l;
	json_t *o;

	pthread_rwlock_rdlock(&ipam->lock);
	l = registry_lease(&ipam->registry, c->lease);
	if (c->type != &change_lease_make && c->type != &change_import)
		e->lease = l->id;
	e->node = lease_node(&ipam->registry, l);
	e->cluster = e->node->cluster;
	e->xattr = l->xattr;
	if (e->name == NULL)
		e->name = l->name;
	for (unsigned f = 0; all && f < CIDR_FAMILIES; f++) {
		e->has[f] = lease_has(l, f);
		e->addr[f] = lease_addr(l, f);
	}
	o = compose(c, e);
	pthread_rwlock_unlock(&ipam->lock);
	return store(ipam, c, e, o);
}

int history_add_block(struct ipam *ipam, const struct change *c, const char *event, const char *reason, const struct block *b)
{
	return history_add(ipam, c,
			   &(struct history_event){ .event = event,
						    .reason = reason,
						    .cluster = c->cluster,
						    .node = c->node,
						    .labels = c->node->labels,
						    .block = &b->pool.prefix });
}

int history_add_node(struct ipam *ipam, const struct change *c, const char *event)
{
	return history_add(ipam, c,
			   &(struct history_event){ .event = event, .cluster = c->cluster, .node = c->node, .labels = c->node->labels });
}

int history_add_cluster(struct ipam *ipam, const struct change *c, const char *event)
{
	return history_add(ipam, c, &(struct history_event){ .event = event, .cluster = c->cluster });
}

int history_add_list(struct ipam *ipam, const struct change *c, const char *event, int rc, json_t *detail)
{
	struct history_event e = { .event = event, .cluster = c->cluster, .node = c->node, .key = event, .detail = detail };

	if (rc < 0) {
		json_decref(detail);
		return rc;
	}
	return history_add(ipam, c, &e);
}

/* ---- telling ---------------------------------------------------------------------------------------------- */

struct history_line **history_mark(struct ipam *ipam)
{
	return ipam->history.tail;
}

void history_undo(struct ipam *ipam, struct history_line **mark)
{
	struct history_line *line = *mark;

	*mark = NULL;
	ipam->history.tail = mark;
	while (line != NULL) {
		struct history_line *next = line->next;

		free(line);
		line = next;
	}
}

void history_forget(struct ipam *ipam)
{
	history_undo(ipam, &ipam->history.first);
}

void history_tell(struct ipam *ipam)
{
	for (const struct history_line *line = ipam->history.first; line != NULL; line = line->next)
		ipam->options.event(ipam->options.arg, &line->event);
	history_forget(ipam);
}

/* ---- retention --------------------------------------------------------------------------------------------- */

enum {
	TRIM_ROWS = 200,       /* in one transaction: a millisecond or two, for which changes wait */
	TRIM_PAUSE = 20000000, /* nanoseconds; so 10,000 rows a second go, more than ever come for long */
};
static const int64_t trim_rest = (int64_t)60 * NANOSECONDS;

static int trim_reserve(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	c->soft = true; /* what comes back goes again */
	return 0;
}

static int trim_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_trim_history(ipam->store, TRIM_ROWS, engine_kept(ipam) - ipam->options.history_days * (int64_t)86400 * NANOSECONDS);

	if (rc < 0)
		return rc;
	c->size = (size_t)rc;
	return 0;
}

static void trim_settle(struct ipam *ipam, struct change *c)
{
	if (c->error == 0)
		atomic_fetch_add(&ipam->history.expired, c->size);
	if (c->error == 0 && c->size > 0) { /* there may be more */
		int64_t next = engine_due(ipam) + TRIM_PAUSE;

		atomic_store(&ipam->history.next_trim, next);
		timer_at(ipam, next);
	}
}

static const struct change_type change_history_trim = { .reserve = trim_reserve, .apply = trim_apply, .settle = trim_settle };

int64_t history_trim(struct ipam *ipam, int64_t now)
{
	int64_t due = atomic_load(&ipam->history.next_trim);
	struct change *c;

	if (ipam->options.history_days == 0)
		return INT64_MAX;
	if (due > now && due - now <= trim_rest) /* else the clock was put back */
		return due;
	atomic_store(&ipam->history.next_trim, now + trim_rest);
	c = change_new(&change_history_trim, NULL, NULL);
	if (c != NULL)
		change_submit(ipam, c); /* which sets the time anew where there is more */
	return atomic_load(&ipam->history.next_trim);
}

void ipam_listen(struct ipam *ipam, bool on)
{
	atomic_store(&ipam->history.listening, on && ipam->options.event != NULL);
}
