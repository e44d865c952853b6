/* The thread that mirrors: a full read, then a watch from there; again from the last revision when the watch is lost, and a full
 * read when that revision is compacted, or when somebody asks for it. */
#include "shared/watch.h"

#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/registry.h"
#include "shared/astray.h"
#include "shared/format.h"
#include "shared/mirror.h"
#include "shared/mirror_quarantine.h"
#include "shared/publish.h"
#include "shared/publish_take.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	READ_MS = 30000,
	PAUSE_MS = 300,
	REFUSED_MS = 5000,
	ASTRAY_MS = 2000,
	SOON_MS = 5000,               /* until all is read anew where something is wrong: twice as long each time, */
	NOW_AND_THEN_MS = 30 * 60000, /* to this, which it is where nothing is */
};

static struct etcd_key text_key(const char *s)
{
	return (struct etcd_key){ s, strlen(s) };
}

static bool stopping(struct remote *r)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->stop;
	pthread_mutex_unlock(&r->lock);
	return is;
}

static void applied(struct remote *r, int64_t revision)
{
	etcd_saw(r->etcd, revision);
	pthread_mutex_lock(&r->lock);
	if (revision > r->applied)
		r->applied = revision;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

/* ---- records ----------------------------------------------------------------------------------------------------------- */

struct records {
	struct record *record; /* clusters and nodes that are */
	size_t count, size;
	struct remote *r;
	uint64_t foreign; /* keys that aren't understood */
	struct unread {
		enum ipam_kind kind;
		uint64_t cluster;
		char name[IPAM_NAME_MAX + 1];
	} * unread; /* what is there, and can't be read */
	size_t unreads;
	struct publish_keys published;
};

static void records_free(struct records *list)
{
	for (size_t i = 0; i < list->count; i++)
		record_free(&list->record[i]);
	free(list->record);
	free(list->unread);
	free(list->published.key);
}

/* It may say anything, but not that it isn't there. */
static int keep_unread(struct records *list, const struct record_name *name)
{
	struct unread *bigger = reallocarray(list->unread, list->unreads + 1, sizeof *bigger);

	if (bigger == NULL)
		return -ENOMEM;
	list->unread = bigger;
	if (name->name_size == 0 || name->name_size > IPAM_NAME_MAX)
		return 0;
	bigger += list->unreads++;
	*bigger = (struct unread){ name->what == RECORD_CLUSTER ? IPAM_CLUSTER : IPAM_NODE, name->id, "" };
	memcpy(bigger->name, name->name, name->name_size);
	return 0;
}

static bool is_unread(const struct records *list, enum ipam_kind kind, uint64_t cluster, const char *name)
{
	for (size_t i = 0; i < list->unreads; i++)
		if (list->unread[i].kind == kind && list->unread[i].cluster == cluster && strcmp(list->unread[i].name, name) == 0)
			return true;
	return false;
}

static int keep(struct records *list, const struct record_name *name, const struct etcd_kv *kv)
{
	struct record *bigger;
	int rc;

	if (list->count == list->size) {
		bigger = reallocarray(list->record, list->size * 2 + 16, sizeof *bigger);
		if (bigger == NULL)
			return -ENOMEM;
		list->record = bigger;
		list->size = list->size * 2 + 16;
	}
	rc = record_decode(name->what == RECORD_CLUSTER ? IPAM_CLUSTER : IPAM_NODE, name->name, name->name_size, kv->value.data,
			   kv->value.size, &list->record[list->count]);
	if (rc < 0)
		return rc;
	list->record[list->count].cluster = name->id;
	list->record[list->count].revision = kv->mod_revision;
	list->count++;
	return 0;
}

static int take_block(struct remote *r, const struct record_name *name, const struct etcd_kv *kv)
{
	struct record_block b = { 0 };
	int rc = kv->version == 0 ? 0 : record_decode_block(kv->value.data, kv->value.size, &b);

	return rc < 0 ? rc : mirror_rest(r, name->id, &name->cidr, b.node == 0 ? b.until : 0, kv->mod_revision);
}

/* Of a full read. */
static int collect(void *arg, const struct etcd_kv *kv)
{
	struct records *list = arg;
	struct record_name name;
	int rc = record_parse_key(list->r->prefix, kv->key.data, kv->key.size, &name);

	if (rc == 0 && (name.what == RECORD_CLUSTER || name.what == RECORD_NODE))
		rc = keep(list, &name, kv);
	if (rc == -EPROTO) {
		list->foreign++;
		rc = name.what == RECORD_CLUSTER || name.what == RECORD_NODE ? keep_unread(list, &name) : 0;
	}
	return rc;
}

/* ---- a full read ------------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a, *y = *(struct record *const *)b;

	return x->id < y->id ? -1 : x->id > y->id;
}

struct ours {
	uint64_t id, shared;
};

static bool has(struct record *const *sorted, size_t n, uint64_t shared)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (sorted[mid]->id == shared)
			return true;
		if (sorted[mid]->id < shared)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* The ids of ours that the engine has no longer: nodes or clusters. */
static int gone(const struct records *list, struct record *const *sorted, enum ipam_kind kind, uint64_t **ids, size_t *n)
{
	struct remote *r = list->r;
	struct registry *reg = &r->ipam->registry;
	size_t room;

	*n = 0;
	pthread_rwlock_rdlock(&r->ipam->lock);
	room = kind == IPAM_CLUSTER ? reg->clusters : reg->nodes;
	*ids = calloc(room + 1, sizeof **ids);
	for (struct cluster *c = *ids == NULL ? NULL : reg->first; c != NULL; c = c->next) {
		if (kind == IPAM_CLUSTER && !c->pending && c->shared != 0 && !has(sorted, list->count, c->shared) &&
		    !is_unread(list, IPAM_CLUSTER, 0, c->name))
			(*ids)[(*n)++] = c->id;
		for (struct node *node = kind == IPAM_NODE ? c->first : NULL; node != NULL; node = node->next)
			if (!node->pending && !has(sorted, list->count, node->shared) && !is_unread(list, IPAM_NODE, c->shared, node->name))
				(*ids)[(*n)++] = node->id;
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	return *ids == NULL ? -ENOMEM : 0;
}

static int remove_gone(const struct records *list, struct record *const *sorted, enum ipam_kind kind)
{
	uint64_t *ids;
	size_t n;
	int rc = gone(list, sorted, kind, &ids, &n);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = mirror_gone_id(list->r, kind, ids[i]);
	free(ids);
	return rc == -EUCLEAN ? 0 : rc;
}

/* One that can't be shown keeps none of the others from it. */
static int put_all(struct remote *r, const struct records *list, enum ipam_kind kind, bool narrow)
{
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0 && !stopping(r); i++) {
		if (list->record[i].kind != kind)
			continue;
		rc = mirror_put(r, &list->record[i], narrow);
		if (rc == -ENOENT && !narrow)
			remote_complain(r, REMOTE_RECORDS, "node '%s' can't be shown: its cluster isn't here", list->record[i].name);
		if (rc == -EUCLEAN || rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

/* What goes first, then what comes, so that a block that went from one node to another is free in between. */
static int mirror_all(struct remote *r, const struct records *list)
{
	struct record **sorted = calloc(list->count + 1, sizeof(struct record *));
	int rc = sorted == NULL ? -ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < list->count; i++)
		sorted[i] = &list->record[i];
	if (rc == 0) {
		qsort(sorted, list->count, sizeof *sorted, by_id);
		rc = remove_gone(list, sorted, IPAM_NODE);
	}
	if (rc == 0)
		rc = put_all(r, list, IPAM_NODE, true);
	if (rc == 0)
		rc = put_all(r, list, IPAM_CLUSTER, false);
	if (rc == 0)
		rc = put_all(r, list, IPAM_NODE, false);
	if (rc == 0)
		rc = remove_gone(list, sorted, IPAM_CLUSTER);
	free(sorted);
	return rc;
}

static int take_rest(void *arg, const struct etcd_kv *kv)
{
	struct records *list = arg;
	struct record_name name;

	if (record_parse_key(list->r->prefix, kv->key.data, kv->key.size, &name) == 0 && name.what == RECORD_BLOCK &&
	    take_block(list->r, &name, kv) == -EPROTO)
		list->foreign++;
	return 0;
}

static void take_published(struct remote *r, const struct record_name *name, const struct etcd_kv *kv)
{
	if (name->what == RECORD_LEASES)
		publish_take(r, name->id, name->bucket, kv->value.data, kv->value.size);
	else if (name->what == RECORD_PUBLISHED)
		publish_take_time(r, name->id, kv->value.data, kv->value.size);
}

static int collect_published(void *arg, const struct etcd_kv *kv)
{
	struct records *list = arg;
	struct record_name name;

	if (record_parse_key(list->r->prefix, kv->key.data, kv->key.size, &name) < 0)
		return 0;
	take_published(list->r, &name, kv);
	return name.what == RECORD_LEASES ? publish_seen(&list->published, name.id, name.bucket) : 0;
}

static int read_published(struct records *list, struct ipam_error *error)
{
	static const char *const kind[] = { "leases/", "published/" };
	struct remote *r = list->r;
	int rc = 0;

	for (size_t i = 0; r->leases && rc == 0 && i < sizeof kind / sizeof *kind; i++) {
		char key[RECORD_KEY], end[RECORD_KEY + 1];

		record_key(r->prefix, kind[i], key);
		rc = etcd_range(r->etcd, text_key(key), (struct etcd_key){ end, etcd_prefix_end(text_key(key), end) }, READ_MS,
				collect_published, list, NULL, error);
	}
	return rc == 0 ? publish_forget_unseen(r, &list->published) : rc;
}

/* A record that is older than it was: the engine went back, and has gone on since. */
static void look_back(struct records *list)
{
	struct registry *reg = &list->r->ipam->registry;
	char text[500] = "";

	pthread_rwlock_rdlock(&list->r->ipam->lock);
	for (size_t i = 0; i < list->count && text[0] == 0; i++) {
		const struct record *record = &list->record[i];
		const struct cluster *c = record->kind == IPAM_CLUSTER ? registry_cluster_shared(reg, record->id) : NULL;
		const struct node *n = record->kind == IPAM_NODE ? registry_node_shared(reg, record->id) : NULL;
		int64_t known = c != NULL ? c->revision : n != NULL ? n->revision : 0;

		if (record->revision < known)
			snprintf(text, sizeof text, "'%s' is there as of revision %lld, and was as of %lld", record->name,
				 (long long)record->revision, (long long)known);
	}
	pthread_rwlock_unlock(&list->r->ipam->lock);
	if (text[0] != 0)
		etcd_mark_astray(list->r->etcd, text);
}

/* *revision: up to which all is mirrored. Publications are read later than that: the watch tells what changed in between
 * once more. */
static int read_all(struct remote *r, int64_t *revision, struct ipam_error *error)
{
	char key[RECORD_KEY], end[RECORD_KEY + 1];
	struct records list = { .r = r };
	struct etcd_key first, past;
	int rc = remote_check_schema(r, error);

	pthread_mutex_lock(&r->lock);
	r->complained = false;
	pthread_mutex_unlock(&r->lock);
	record_key(r->prefix, "state/", key);
	first = text_key(key);
	past = (struct etcd_key){ end, etcd_prefix_end(first, end) };
	if (rc == 0)
		rc = etcd_range(r->etcd, first, past, READ_MS, collect, &list, revision, error);
	if (rc == 0)
		look_back(&list);
	if (rc == 0 && etcd_astray(r->etcd, error->text, sizeof error->text))
		rc = -EREMCHG;
	if (rc == 0) {
		mirror_rests_forget(r);
		rc = mirror_all(r, &list);
		if (rc < 0)
			snprintf(error->text, sizeof error->text, "what the engine has can't be stored: %s", strerror(-rc));
	}
	if (rc == 0)
		rc = etcd_range(r->etcd, first, past, READ_MS, take_rest, &list, NULL, error);
	if (rc == 0)
		rc = read_published(&list, error);
	if (rc == 0 && list.foreign > 0)
		remote_complain(r, REMOTE_RECORDS, "%llu keys under '%s' aren't understood", (unsigned long long)list.foreign, r->prefix);
	if (rc == 0 && !r->complained)
		remote_complain(r, REMOTE_RECORDS, "%s", "");
	records_free(&list);
	return rc;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

struct event {
	const struct etcd_kv *kv;
	struct record_name name;
};

static int put_event(struct remote *r, const struct event *e)
{
	struct records one = { .r = r };
	int rc = keep(&one, &e->name, e->kv);

	if (rc == 0)
		rc = mirror_put(r, &one.record[0], false);
	else if (rc == -EPROTO)
		remote_complain(r, REMOTE_RECORDS, "the record of '%.*s' isn't understood", (int)e->name.name_size, e->name.name);
	records_free(&one);
	return rc;
}

static int gone_event(struct remote *r, const struct event *e)
{
	char name[IPAM_NAME_MAX + 1];

	if (e->name.name_size > IPAM_NAME_MAX)
		return 0;
	memcpy(name, e->name.name, e->name.name_size);
	name[e->name.name_size] = 0;
	return mirror_gone(r, e->name.what == RECORD_CLUSTER ? IPAM_CLUSTER : IPAM_NODE, e->name.id, name, e->kv->mod_revision);
}

static bool is_rest(const struct event *e)
{
	struct record_block b = { 0 };

	return e->kv->version > 0 && record_decode_block(e->kv->value.data, e->kv->value.size, &b) == 0 && b.node == 0;
}

static bool complains(struct remote *r)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->complaint[REMOTE_RECORDS][0] != 0;
	pthread_mutex_unlock(&r->lock);
	return is;
}

/* What is wrong may be right now, and what was told may have been mixed up on its way: a full read shows it. */
static void read_again_later(struct remote *r, bool news)
{
	int64_t now = remote_now_ms(), wait = NOW_AND_THEN_MS;
	uint64_t chance = 0;

	record_new_id(&chance);
	if (!complains(r))
		r->read_wait = 0;
	else
		wait = r->read_wait = news || r->read_wait == 0 ? SOON_MS : r->read_wait < wait / 2 ? r->read_wait * 2 : wait;
	wait += (int64_t)(chance % (uint64_t)(wait / 4)); /* not all machines at once */
	if (!news || now + wait < r->read_due)
		r->read_due = now + wait;
}

/* The events of one revision, which happened at once, in an order in which each is possible: rests end, what is there comes,
 * what is gone goes, rests begin. */
static int take_revision(struct remote *r, const struct event *e, size_t n)
{
	int rc = 0;

	for (int step = 0; step < 4; step++)
		for (size_t i = 0; i < n && (rc == 0 || rc == -EUCLEAN || rc == -EPROTO || rc == -ENOENT); i++) {
			bool block = e[i].name.what == RECORD_BLOCK, thing = e[i].name.what <= RECORD_NODE;

			if ((step == 0 && block && !is_rest(&e[i])) || (step == 3 && block && is_rest(&e[i])))
				rc = take_block(r, &e[i].name, e[i].kv);
			else if (step == 1 && thing && e[i].kv->version > 0)
				rc = put_event(r, &e[i]);
			else if (step == 2 && thing && e[i].kv->version == 0)
				rc = gone_event(r, &e[i]);
			else if (step == 2 && r->leases)
				take_published(r, &e[i].name, e[i].kv);
		}
	if (complains(r))
		read_again_later(r, true);
	return rc == -EUCLEAN || rc == -EPROTO || rc == -ENOENT ? 0 : rc;
}

static int take_events(void *arg, const struct etcd_kv *kv, size_t n, int64_t revision)
{
	struct remote *r = arg;
	struct event *e = calloc(n + 1, sizeof *e);
	size_t have = 0;
	int rc = e == NULL ? -ENOMEM : 0;

	if (etcd_astray(r->etcd, NULL, 0)) {
		free(e);
		return -ECANCELED;
	}
	remote_reached(r, NULL);
	remote_complain(r, REMOTE_UNREAD, "%s", "");
	for (size_t i = 0; rc == 0 && i < n; i++) {
		e[have].kv = &kv[i];
		if (record_parse_key(r->prefix, kv[i].key.data, kv[i].key.size, &e[have].name) == 0)
			have++;
		if (i + 1 < n && kv[i + 1].mod_revision == kv[i].mod_revision)
			continue;
		rc = take_revision(r, e, have);
		if (rc == 0)
			applied(r, kv[i].mod_revision);
		have = 0;
	}
	free(e);
	if (rc == 0)
		applied(r, revision);
	else
		remote_again(r); /* it could not be stored: the database's own trouble; all anew, later */
	return rc;
}

static bool give_up(void *arg)
{
	struct remote *r = arg;
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->stop || r->again || remote_now_ms() >= r->read_due || etcd_astray(r->etcd, NULL, 0);
	pthread_mutex_unlock(&r->lock);
	return is;
}

/* ---- the thread ----------------------------------------------------------------------------------------------------------- */

static void pause_for(struct remote *r, int ms)
{
	int64_t until = remote_now_ms() + ms;
	struct timespec t = { until / 1000, until % 1000 * 1000000 };

	pthread_mutex_lock(&r->lock);
	while (!r->stop && pthread_cond_timedwait(&r->moved, &r->lock, &t) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&r->lock);
}

static int watch(struct remote *r, int64_t from, struct ipam_error *error)
{
	char key[RECORD_KEY], end[RECORD_KEY + 1];
	struct etcd_watch w = { .from = from, .events = take_events, .stop = give_up, .arg = r };
	int64_t compacted;

	record_key(r->prefix, r->leases ? "" : "state/", key);
	w.key = text_key(key);
	w.end = (struct etcd_key){ end, etcd_prefix_end(w.key, end) };
	return etcd_watch(r->etcd, &w, &compacted, error);
}

static uint64_t begin_again(struct remote *r)
{
	uint64_t number;

	pthread_mutex_lock(&r->lock);
	r->again = false;
	number = ++r->resyncs;
	pthread_mutex_unlock(&r->lock);
	return number;
}

static void end_again(struct remote *r, uint64_t number)
{
	pthread_mutex_lock(&r->lock);
	r->reads = number;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

/* How long to wait before the next try: longer after each that failed without anything new, and not as long as other machines. */
static int pause_after(int rc, unsigned failures)
{
	int ms = PAUSE_MS;

	if (rc == -ENOTSUP || rc == -EACCES || rc == -EPROTO || rc == -EINVAL)
		return REFUSED_MS;
	if (rc == -ECANCELED || rc == -ESTALE)
		ms /= 10;
	for (; failures > 1 && ms < REFUSED_MS; failures--)
		ms *= 2;
	return remote_jitter(ms < REFUSED_MS ? ms : REFUSED_MS);
}

/* Whether more is mirrored than was known. */
static bool is_news(struct remote *r, int64_t *known)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->applied != *known;
	*known = r->applied;
	pthread_mutex_unlock(&r->lock);
	return is;
}

void *remote_sync(void *arg)
{
	struct remote *r = arg;
	unsigned failures = 0;
	int64_t known = -1;
	bool read = false;

	astray_look(r);
	while (!stopping(r)) {
		bool reading = !read;
		struct ipam_error error = { "" };
		int64_t revision = 0, begun = remote_now_ms();
		uint64_t number;
		int rc;

		if (astray_is(r)) {
			read = false;
			if (!astray_settle(r))
				pause_for(r, ASTRAY_MS);
			continue;
		}
		pthread_mutex_lock(&r->lock);
		reading |= r->again || remote_now_ms() >= r->read_due;
		revision = r->applied;
		pthread_mutex_unlock(&r->lock);
		if (reading) {
			number = begin_again(r);
			rc = read_all(r, &revision, &error);
			read = rc == 0;
			if (read) {
				remote_reached(r, NULL);
				remote_complain(r, REMOTE_UNREAD, "%s", "");
				read_again_later(r, false);
				publish_all(r->publish);
				applied(r, revision);
				end_again(r, number);
			}
		} else {
			rc = watch(r, revision + 1, &error);
			if (rc == -ESTALE)
				read = false;
		}
		/* A watch that is lost says something of one member alone; the pulse tells whether there are others. What is refused is
		 * another matter than a member that is away. */
		if (rc == -EHOSTUNREACH && reading)
			remote_reached(r, error.text);
		else if (rc < 0 && rc != -EHOSTUNREACH && rc != -ECANCELED && rc != -ESTALE && rc != -EREMCHG)
			remote_complain(r, REMOTE_UNREAD, "what the engine has can't be read: %s", error.text);
		if (rc >= 0)
			continue;
		failures = is_news(r, &known) || remote_now_ms() - begun > REFUSED_MS ? 1 : failures + 1;
		pause_for(r, pause_after(rc, failures));
	}
	return NULL;
}
