#include "shared/astray.h"

#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/registry.h"
#include "shared/presence.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request_run.h"
#include "store/store_shared.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SURVEY_MS = 1000, READ_MS = 30000 };

/* ---- what is noted ----------------------------------------------------------------------------------------------------- */

char *astray_text(struct remote *r)
{
	struct etcd_identity id;
	char *text = NULL;

	etcd_known(r->etcd, &id);
	return asprintf(&text, "%" PRIu64 " %" PRId64, id.cluster, id.revision) < 0 ? NULL : text;
}

int astray_open(struct remote *r)
{
	struct registry *reg = &r->ipam->registry;
	struct etcd_identity id = { 0 };
	char *text = NULL;
	int rc = store_get_engine(r->ipam->store, "etcd", &text);

	if (rc == 0 && sscanf(text, "%" SCNu64 " %" SCNd64, &id.cluster, &id.revision) != 2)
		id = (struct etcd_identity){ 0 };
	free(text);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	/* What is mirrored was known, whenever that was noted. */
	for (struct cluster *c = reg->first; c != NULL; c = c->next) {
		if (c->revision > id.revision)
			id.revision = c->revision;
		for (struct node *n = c->first; n != NULL; n = n->next)
			if (n->revision > id.revision)
				id.revision = n->revision;
	}
	etcd_expect(r->etcd, &id);
	text = NULL;
	rc = store_get_engine(r->ipam->store, "astray", &text);
	if (rc == 0 && text[0] != 0) {
		etcd_mark_astray(r->etcd, text);
		reg->standing = OWN_ASTRAY;
		remote_complain(r, REMOTE_ASTRAY, "this isn't the etcd that this machine knew: %s; nothing is leased nor delegated", text);
	}
	free(text);
	return rc == -ENOENT ? 0 : rc;
}

static void note(struct remote *r, const char *what)
{
	char *text = astray_text(r);

	remote_note(r, "astray", what);
	if (text != NULL && what[0] == 0)
		remote_note(r, "etcd", text);
	free(text);
}

/* ---- it begins, it ends -------------------------------------------------------------------------------------------------- */

bool astray_is(struct remote *r)
{
	char what[200];

	if (!etcd_astray(r->etcd, what, sizeof what))
		return false;
	if (remote_standing(r) != OWN_ASTRAY) {
		remote_stand(r, OWN_ASTRAY);
		remote_complain(r, REMOTE_ASTRAY, "this isn't the etcd that this machine knew: %s; nothing is leased nor delegated", what);
		note(r, what);
	}
	return true;
}

/* From now on it is this one, with what it has, whatever is here. */
static void end(struct remote *r, const struct etcd_identity *id)
{
	struct registry *reg = &r->ipam->registry;

	pthread_rwlock_wrlock(&r->ipam->lock);
	for (struct cluster *c = reg->first; c != NULL; c = c->next) {
		c->revision = 0;
		for (struct node *n = c->first; n != NULL; n = n->next)
			n->revision = n->written = n->told = 0;
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	pthread_mutex_lock(&r->lock);
	r->accepted = false;
	r->applied = 0;
	r->settled = remote_now_ms();
	r->schema = 0; /* nothing is written before what lies under the prefix was looked at */
	pthread_mutex_unlock(&r->lock);
	etcd_expect(r->etcd, id);
	note(r, "");
	remote_stand(r, OWN_ASKED); /* presence is said anew, and ends that */
	remote_complain(r, REMOTE_ASTRAY, "%s", "");
}

int astray_accept(struct remote *r)
{
	if (!etcd_astray(r->etcd, NULL, 0))
		return -EINVAL;
	pthread_mutex_lock(&r->lock);
	r->accepted = true;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* ---- who answers -------------------------------------------------------------------------------------------------------- */

struct survey {
	unsigned answers;
	bool mixed;
	struct etcd_identity id; /* at the least revision */
	char first[100], what[256];
};

static int hear(void *arg, const char *endpoint, const struct etcd_identity *id)
{
	struct survey *s = arg;

	if (s->answers++ == 0) {
		s->id = *id;
		snprintf(s->first, sizeof s->first, "%s", endpoint);
	} else if (id->cluster != s->id.cluster) {
		s->mixed = true;
		snprintf(s->what, sizeof s->what, "the endpoints are of two clusters of etcd, %.90s of %" PRIx64 ", %.90s of %" PRIx64,
			 s->first, s->id.cluster, endpoint, id->cluster);
	}
	if (id->revision < s->id.revision)
		s->id.revision = id->revision;
	return 0;
}

static void survey(struct remote *r, struct survey *s)
{
	char key[RECORD_KEY];
	struct etcd_key k = { key, record_key(r->prefix, "schema", key) };

	*s = (struct survey){ 0 };
	etcd_survey(r->etcd, k, SURVEY_MS, hear, s);
}

void astray_look(struct remote *r)
{
	struct survey s;

	survey(r, &s);
	if (s.mixed)
		etcd_mark_astray(r->etcd, s.what);
}

/* ---- does it agree with what is known here ------------------------------------------------------------------------------------ */

struct owner {
	uint64_t cluster, node;
	struct cidr cidr;
};

struct state {
	struct remote *r;
	struct record *record;
	struct owner *owner;
	size_t records, owners;
};

/* Room for one more: doubled when the count reaches a power of two. */
static void *more(void *array, size_t count, size_t element)
{
	return (count & (count - 1)) == 0 ? reallocarray(array, count == 0 ? 1 : count * 2, element) : array;
}

static int collect(void *arg, const struct etcd_kv *kv)
{
	struct state *s = arg;
	struct record_name name;

	if (record_parse_key(s->r->prefix, kv->key.data, kv->key.size, &name) < 0)
		return 0;
	if (name.what == RECORD_BLOCK) {
		struct owner *bigger = more(s->owner, s->owners, sizeof *bigger);
		struct record_block b;

		if (bigger == NULL)
			return -ENOMEM;
		s->owner = bigger;
		if (record_decode_block(kv->value.data, kv->value.size, &b) == 0)
			bigger[s->owners++] = (struct owner){ name.id, b.node, name.cidr };
	} else if (name.what == RECORD_CLUSTER || name.what == RECORD_NODE) {
		struct record *bigger = more(s->record, s->records, sizeof *bigger);
		int rc;

		if (bigger == NULL)
			return -ENOMEM;
		s->record = bigger;
		rc = record_decode(name.what == RECORD_CLUSTER ? IPAM_CLUSTER : IPAM_NODE, name.name, name.name_size, kv->value.data,
				   kv->value.size, &bigger[s->records]);
		if (rc == -ENOMEM)
			return rc;
		if (rc == 0) {
			bigger[s->records].cluster = name.id;
			bigger[s->records++].revision = kv->mod_revision;
		}
	}
	return 0;
}

static int by_id(const void *x, const void *y)
{
	const struct record *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int by_block(const void *x, const void *y)
{
	const struct owner *a = x, *b = y;

	return a->cluster != b->cluster ? (a->cluster < b->cluster ? -1 : 1) : cidr_compare(&a->cidr, &b->cidr);
}

static const struct record *record_of(const struct state *s, uint64_t id)
{
	const struct record key = { .id = id };

	return s->records == 0 ? NULL : bsearch(&key, s->record, s->records, sizeof key, by_id);
}

static bool has_block(const struct state *s, const struct node *n, const struct cidr *cidr)
{
	const struct owner key = { n->cluster->shared, 0, *cidr };
	const struct owner *found = s->owners == 0 ? NULL : bsearch(&key, s->owner, s->owners, sizeof key, by_block);

	return found != NULL && found->node == n->shared;
}

/* Its record is there, with its blocks, whose keys say so. */
static bool has_node(const struct state *s, const struct node *n)
{
	const struct record *record = record_of(s, n->shared);
	char *blocks = record == NULL || record->cluster != n->cluster->shared ? NULL : record_node_cidrs(n);
	bool has = blocks != NULL && strcmp(blocks, record->cidrs) == 0 &&
		   (n->held != NODE_HELD_HERE || strcmp(record->machine, s->r->machine) == 0);

	free(blocks);
	for (uint32_t i = 0; has && i < n->blocks; i++)
		has = has_block(s, n, &n->block[i]->pool.prefix);
	return has;
}

struct newest {
	uint64_t id;
	int64_t revision;
};

static void newer(struct newest *n, uint64_t shared, int64_t revision)
{
	if (shared != 0 && revision > n->revision)
		*n = (struct newest){ shared, revision };
}

/* The newest of the records that are known here is there as of the same revision: then so is all that was before it, or has been changed
 * since. */
static bool goes_on(const struct state *s)
{
	struct ipam *ipam = s->r->ipam;
	struct newest newest = { 0 };
	const struct record *record;

	pthread_rwlock_rdlock(&ipam->lock);
	for (const struct cluster *c = ipam->registry.first; c != NULL; c = c->next) {
		newer(&newest, c->shared, c->revision);
		for (const struct node *n = c->first; n != NULL; n = n->next)
			if (n->doubt != NODE_ORPHANED)
				newer(&newest, n->shared, n->revision);
	}
	pthread_rwlock_unlock(&ipam->lock);
	record = record_of(s, newest.id);
	return newest.id == 0 || (record != NULL && record->revision == newest.revision);
}

/* All that is known here is so there. What differs is said in text. */
static bool agrees(const struct state *s, char *text, size_t size)
{
	struct ipam *ipam = s->r->ipam;
	bool good = true;

	pthread_rwlock_rdlock(&ipam->lock);
	for (const struct cluster *c = ipam->registry.first; good && c != NULL; c = c->next) {
		good = c->pending || c->shared == 0 || record_of(s, c->shared) != NULL;
		if (!good)
			snprintf(text, size, "cluster '%s' isn't there", c->name);
		for (const struct node *n = c->first; good && n != NULL; n = n->next) {
			good = n->pending || n->shared == 0 || n->doubt == NODE_ORPHANED || has_node(s, n);
			if (!good)
				snprintf(text, size, "node '%s/%s' isn't there, or has other blocks", c->name, n->name);
		}
	}
	pthread_rwlock_unlock(&ipam->lock);
	return good;
}

static int read_state(struct state *s, struct ipam_error *error)
{
	char key[RECORD_KEY], end_key[RECORD_KEY + 1];
	struct etcd_key from = { key, record_key(s->r->prefix, "state/", key) };
	int rc = etcd_range(s->r->etcd, from, (struct etcd_key){ end_key, etcd_prefix_end(from, end_key) }, READ_MS, collect, s, NULL,
			    error);

	if (s->records > 1)
		qsort(s->record, s->records, sizeof *s->record, by_id);
	if (s->owners > 1)
		qsort(s->owner, s->owners, sizeof *s->owner, by_block);
	return rc;
}

static bool compare(struct remote *r, const char *what)
{
	struct state s = { .r = r };
	char text[600] = "";
	struct ipam_error error;
	bool good = read_state(&s, &error) == 0 && (goes_on(&s) || agrees(&s, text, sizeof text));

	if (!good && text[0] != 0)
		remote_complain(
			r, REMOTE_ASTRAY,
			"this isn't the etcd that this machine knew: %.100s: %.60s; nothing is leased nor delegated until it agrees, or "
			".ipam/accept is told 'engine'",
			what, text);
	for (size_t i = 0; i < s.records; i++)
		record_free(&s.record[i]);
	free(s.record);
	free(s.owner);
	return good;
}

bool astray_settle(struct remote *r)
{
	struct survey s;
	bool accepted;
	char what[200] = "";

	etcd_astray(r->etcd, what, sizeof what);
	survey(r, &s);
	pthread_mutex_lock(&r->lock);
	accepted = r->accepted;
	pthread_mutex_unlock(&r->lock);
	if (s.answers == 0)
		return false;
	if (s.mixed) {
		remote_complain(r, REMOTE_ASTRAY, "%s; nothing is leased nor delegated", s.what);
		return false;
	}
	if (!accepted && !compare(r, what))
		return false;
	end(r, &s.id);
	return true;
}
