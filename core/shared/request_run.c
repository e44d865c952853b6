#include "shared/request_run.h"

#include "change/cluster.h"
#include "change/delegate.h"
#include "change/mirrored.h"
#include "change/node.h"
#include "engine/engine.h"
#include "engine/metrics.h"
#include "etcd/etcd.h"
#include "shared/format.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request.h"
#include "shared/request_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/* One change while it is asked. */
struct asking {
	struct remote *r;
	struct change *c;
	struct ask ask;
	int64_t until; /* as etcd_now_ms */
	struct remote_slot *avoid;
	size_t avoids;
	uint64_t doubted;  /* id of the own node that is in doubt because of this */
	int64_t behind;    /* memory was: up to this revision at least it must be mirrored */
	bool alive;        /* a machine that must not be is */
	bool proven;       /* what is there is what this asked for: */
	int64_t proven_at; /* as of then */
	bool lost;         /* of one at least no answer came */
	bool sent;         /* a copy of it may be under way still: the answer was lost, or something in between has made two of it */
	int64_t knew;      /* up to where all was mirrored when it was composed last */
	unsigned conflicts, futile; /* how often memory was wrong, and how often nothing new was told then */
	struct ipam_error error;
};

enum { QUICK = 8, FUTILE = 4, REST_MS = 20, REST_MOST_MS = 400, SOON_MS = 250 };

int64_t remote_now_ms(void)
{
	return meter_now() / 1000000;
}

int remote_jitter(int ms)
{
	return ms / 2 + (int)(meter_now() / 1000 % (ms / 2 + 1));
}

/* ---- what a failed transaction tells ------------------------------------------------------------------------------- */

static bool wanted(const struct ask *a, uint64_t cluster, const struct cidr *cidr)
{
	for (unsigned i = 0; i < a->wants; i++)
		if (a->want[i].cluster == cluster && cidr_compare(&a->want[i].cidr, cidr) == 0)
			return true;
	return false;
}

static int told(void *arg, const struct etcd_kv *kv)
{
	struct asking *t = arg;
	struct record_name name;

	if (record_parse_key(t->r->prefix, kv->key.data, kv->key.size, &name) < 0)
		return 0;
	if (t->ask.proof_key != NULL && strlen(t->ask.proof_key) == kv->key.size &&
	    memcmp(t->ask.proof_key, kv->key.data, kv->key.size) == 0 && strlen(t->ask.proof) == kv->value.size &&
	    memcmp(t->ask.proof, kv->value.data, kv->value.size) == 0) {
		t->proven = true;
		t->proven_at = kv->mod_revision;
	}
	if (name.what == RECORD_ALIVE) {
		t->alive = true;
	} else if (name.what == RECORD_BLOCK && wanted(&t->ask, name.id, &name.cidr)) {
		/* No need to wait for the watch to say so: it is somebody's. */
		struct remote_slot *bigger = reallocarray(t->avoid, t->avoids + 1, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		t->avoid = bigger;
		t->avoid[t->avoids++] = (struct remote_slot){ name.id, name.cidr };
	} else if (kv->mod_revision > t->behind) {
		t->behind = kv->mod_revision;
	}
	return 0;
}

/* ---- blocks that are asked for here, so that two changes of this machine don't ask for one ---------------------------------- */

static int speak_for(struct asking *t)
{
	struct remote *r = t->r;
	struct remote_slot *bigger;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	bigger = reallocarray(r->asked, r->askeds + t->ask.wants + 1, sizeof *bigger);
	if (bigger == NULL) {
		rc = -ENOMEM;
	} else {
		r->asked = bigger;
		for (unsigned i = 0; i < t->ask.wants; i++)
			r->asked[r->askeds++] = t->ask.want[i];
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void unspeak(struct asking *t)
{
	struct remote *r = t->r;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < t->ask.wants; i++)
		for (size_t k = 0; k < r->askeds; k++)
			if (r->asked[k].cluster == t->ask.want[i].cluster && cidr_compare(&r->asked[k].cidr, &t->ask.want[i].cidr) == 0) {
				r->asked[k] = r->asked[--r->askeds];
				break;
			}
	pthread_mutex_unlock(&r->lock);
}

/* ---- an own node that gives blocks back ------------------------------------------------------------------------------------ */

int remote_doubt(struct remote *r, uint64_t node, enum node_doubt doubt, uint32_t doubts)
{
	struct change *c = change_new(&change_doubt, NULL, NULL);

	if (c == NULL)
		return -ENOMEM;
	c->kind = IPAM_NODE;
	c->id = node;
	c->doubt = (uint8_t)doubt;
	c->revision = doubts;
	c->by.uid = IPAM_BY_NOBODY;
	return remote_run(r->ipam, c);
}

/* Durably in doubt, before the engine hears of it: should this process end now, the next one allocates nothing there before
 * it knows what became of it. */
static int begin_doubt(struct asking *t)
{
	struct ipam *ipam = t->r->ipam;
	struct node *n;
	int rc;

	pthread_rwlock_wrlock(&ipam->lock);
	n = registry_node(&ipam->registry, t->ask.withdraws);
	if (n != NULL) {
		/* In doubt already, and nobody asks: what made it so may be under way still. */
		n->unknown |= n->doubt == NODE_UNSETTLED && n->asking == 0;
		n->asking++;
		n->doubts++;
		t->doubted = n->id;
	}
	pthread_rwlock_unlock(&ipam->lock);
	rc = n == NULL ? -ENOENT : remote_doubt(t->r, t->doubted, NODE_UNSETTLED, 0);
	return rc == -ENOENT ? 0 : rc;
}

/* known: whether blocks went or not, memory says so. The last of those who ask ends the doubt, if all knew; else the pulse will, by
 * a record written anew. */
static void end_doubt(struct asking *t, bool known)
{
	struct ipam *ipam = t->r->ipam;
	struct change *wake;
	bool last = false;
	uint32_t doubts = 0;
	struct node *n;

	if (t->doubted == 0)
		return;
	pthread_rwlock_wrlock(&ipam->lock);
	n = registry_node(&ipam->registry, t->doubted);
	if (n != NULL) {
		n->unknown |= !known;
		last = n->asking == 1 && !n->unknown;
		doubts = n->doubts;
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (last)
		remote_doubt(t->r, t->doubted, NODE_SURE, doubts); /* -ENOENT: the node is gone, and that is it */
	pthread_rwlock_wrlock(&ipam->lock);
	n = registry_node(&ipam->registry, t->doubted);
	if (n != NULL)
		n->asking--;
	pthread_rwlock_unlock(&ipam->lock);
	if (!known) {
		remote_again(t->r);
		remote_probe(t->r); /* now, not with the next beat: no lease is given meanwhile */
	}
	/* What waited for the answer goes on. */
	wake = change_new(&change_wake, NULL, NULL);
	if (wake != NULL)
		remote_run(ipam, wake);
	t->doubted = 0;
}

/* ---- one try ----------------------------------------------------------------------------------------------------------- */

static void forget(struct asking *t)
{
	etcd_txn_free(t->ask.txn);
	free(t->ask.proof_key);
	free(t->ask.proof);
	t->ask = (struct ask){ 0 };
}

static int64_t mirrored(struct remote *r)
{
	int64_t revision;

	pthread_mutex_lock(&r->lock);
	revision = r->applied;
	pthread_mutex_unlock(&r->lock);
	return revision;
}

static int compose(struct asking *t)
{
	struct ipam *ipam = t->r->ipam;
	int rc;

	forget(t);
	t->ask = (struct ask){ .remote = t->r, .txn = etcd_txn_new(), .avoid = t->avoid, .avoids = t->avoids };
	if (t->ask.txn == NULL)
		return -ENOMEM;
	t->knew = mirrored(t->r);
	/* For writing, since looking for a free slot claims it for the moment. */
	pthread_rwlock_wrlock(&ipam->lock);
	t->c->now = engine_now();
	rc = t->c->type->share(ipam, t->c, &t->ask);
	if (rc == 0)
		rc = t->ask.rc;
	if (rc == 0 && etcd_txn_size(t->ask.txn) > ETCD_TXN_MAX)
		rc = -EMSGSIZE;
	if (rc == 0)
		rc = speak_for(t);
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

/* 0: there is something to compose from. Where the engine is known to be away nobody waits for it, least of all while the kernel holds
 * a directory for him. */
static int ready(struct asking *t)
{
	struct remote *r = t->r;

	if (etcd_astray(r->etcd, t->error.text, sizeof t->error.text))
		return -EHOSTUNREACH;
	if (remote_is_silent(r) || remote_was_late(r)) {
		remote_probe(r);
		return -EHOSTUNREACH;
	}
	return mirrored(r) > 0 || remote_await(r, 1, t->until) ? 0 : -EHOSTUNREACH;
}

/* What is there is what this asked for: by a copy of the same that was done before, whoever made it. What makes or changes something
 * is known by the record. What removes an own node is known by its not being there; of others', that may be somebody else's
 * work, if no answer was lost. */
static bool is_done(const struct asking *t, bool lost)
{
	if (t->ask.proof_key != NULL)
		return t->proven;
	return (lost || t->ask.withdraws != 0) && t->behind == 0 && !t->alive;
}

/* A transaction whose answer was lost may have been done. It is sent again: if it was done, its compares fail now, and what
 * is there is what it put, or, where it removes, isn't there any more. So it has its effect once. */
static int send(struct asking *t, int64_t *revision)
{
	struct remote *r = t->r;
	int64_t begun = remote_now_ms();
	bool lost = false;
	int rc = -EHOSTUNREACH;

	for (;;) {
		int64_t left = t->until - remote_now_ms();

		if (left <= 0 || (lost && remote_is_silent(r))) {
			if (lost && remote_now_ms() - begun > REMOTE_ANSWER_MS / 2)
				remote_silent(r);
			return -EHOSTUNREACH;
		}
		t->sent = true;
		t->behind = 0;
		t->proven = t->alive = false;
		rc = etcd_commit(r->etcd, t->ask.txn, (int)left, told, t, revision, &t->error);
		pthread_mutex_lock(&r->lock);
		r->tries++;
		r->conflicts += rc == 0;
		pthread_mutex_unlock(&r->lock);
		if (rc != -EHOSTUNREACH)
			break;
		remote_probe(r);
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		lost = t->lost = true;
	}
	if (rc >= 0)
		remote_refused(r, NULL);
	else if (rc != -ECANCELED && rc != -ENOMEM && rc != -EREMCHG)
		remote_refused(r, t->error.text);
	if (rc == 0 && is_done(t, lost)) {
		if (t->ask.proof_key != NULL)
			*revision = t->proven_at;
		else
			remote_again(r); /* a full read is up to that revision */
		rc = 1;
	}
	return rc;
}

/* After a conflict: memory was behind, and has caught up when this returns 0. If nothing new is told memory isn't behind but wrong, and
 * doesn't get right by waiting: all is read anew. That ends: -EAGAIN, nothing was done. Who is in the way of others again and again
 * makes way, longer each time. */
static int catch_up(struct asking *t, size_t avoided)
{
	struct remote *r = t->r;
	int64_t now = remote_now_ms(), until;
	int pause = REST_MS << (t->conflicts < 5 ? t->conflicts : 5);

	pause = remote_jitter(pause < REST_MOST_MS ? pause : REST_MOST_MS);
	if (t->conflicts++ >= QUICK)
		nanosleep(&(struct timespec){ .tv_nsec = pause * 1000000L }, NULL);
	if (t->behind > t->knew)
		return remote_await(r, t->behind, t->until) ? 0 : -EAGAIN;
	/* What was removed has no revision: is the watch about to tell of it? */
	until = now + SOON_MS + pause;
	if (t->avoids > avoided || remote_await(r, t->knew + 1, until < t->until ? until : t->until))
		return 0;
	if (t->futile++ == FUTILE || !remote_read_anew(r, t->until))
		return -EAGAIN;
	return 0;
}

static bool knows(struct remote *r, int schema)
{
	bool is;

	pthread_mutex_lock(&r->lock);
	is = r->schema >= schema;
	pthread_mutex_unlock(&r->lock);
	return is;
}

/* 1: done at *revision; 0: again; or an error. */
static int try(struct asking *t, int64_t *revision)
{
	struct remote *r = t->r;
	size_t avoided = t->avoids;
	int rc = compose(t);

	if (rc == CHANGE_DONE) {
		*revision = t->ask.since;
		return 1;
	}
	if (rc != 0)
		return rc;
	if (t->ask.withdraws != 0 && t->doubted != t->ask.withdraws) {
		unspeak(t);
		end_doubt(t, !t->sent); /* of another that went by this name */
		rc = begin_doubt(t);
		return rc < 0 ? rc : 0; /* asked anew: leases that were in flight have come to be */
	}
	if (!knows(r, t->ask.schema)) {
		unspeak(t);
		rc = remote_raise_schema(r, t->ask.schema, (int)(t->until - remote_now_ms()), &t->error);
		return rc < 0 ? rc : 0;
	}
	rc = send(t, revision);
	if (rc == 0 && t->alive)
		rc = -EBUSY;
	/* What is asked for stays spoken for until it is mirrored. */
	if (rc != 1)
		unspeak(t);
	return rc == 0 ? catch_up(t, avoided) : rc;
}

static void find_object(struct asking *t)
{
	struct ipam *ipam = t->r->ipam;
	struct change *c = t->c;
	struct cluster *cluster;
	struct node *n;

	if (t->ask.shared == 0)
		return;
	pthread_rwlock_rdlock(&ipam->lock);
	cluster = registry_cluster_shared(&ipam->registry, t->ask.shared);
	n = registry_node_shared(&ipam->registry, t->ask.shared);
	if (cluster != NULL)
		object_of_cluster(cluster, &c->object);
	else if (n != NULL)
		object_of_node(n, &c->object);
	c->has_object = cluster != NULL || n != NULL;
	c->object.created = c->type == &change_cluster_make || c->type == &change_node_make || c->type == &change_delegate;
	pthread_rwlock_unlock(&ipam->lock);
}

/* To who asked. */
static int error_of(int rc)
{
	switch (rc) {
	case -ECANCELED:
		return -ESHUTDOWN;
	case -EREMCHG:
		return -EHOSTUNREACH;
	case -EPROTO:
		return -EIO;
	default:
		return rc;
	}
}

void ask_run(struct remote *r, struct change *c)
{
	struct asking t = { .r = r, .c = c, .until = c->begun / 1000000 + REMOTE_ANSWER_MS };
	int64_t revision = 0;
	bool known;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	r->asks++;
	pthread_mutex_unlock(&r->lock);
	rc = ready(&t);
	while (rc == 0)
		rc = try(&t, &revision);
	/* A copy that is under way still can't be done after the same has been: its compares fail. After a refusal it may be, once what
	 * was in its way is gone. */
	known = rc == 1 || !t.sent;
	if (rc == 1 && revision > 0 && !remote_await(r, revision, t.until)) {
		/* Done, but this machine hears nothing of it yet. */
		known = false;
		rc = -EHOSTUNREACH;
		remote_again(r);
	}
	if (revision > 0)
		unspeak(&t);
	if (rc < 0 && remote_now_ms() >= t.until)
		remote_late(r);
	end_doubt(&t, known);
	/* Whatever it is that a later one was refused for: who asked isn't told that nothing was done while a copy may do it. */
	if (t.lost && rc < 0)
		rc = -EHOSTUNREACH;
	if (rc == 1) {
		rc = 0;
		find_object(&t);
	} else if (rc < 0 && t.error.text[0] != 0) {
		engine_log(r->ipam, LOG_WARNING, "the engine: %s", t.error.text);
	}
	forget(&t);
	free(t.avoid);
	change_finish(r->ipam, c, error_of(rc));
}

/* ---- asked alone ---------------------------------------------------------------------------------------------------------- */

static int never(struct ipam *ipam, struct change *c)
{
	(void)ipam, (void)c;
	return -EOPNOTSUPP; /* where there is no engine */
}

static void nothing(struct ipam *ipam, struct change *c)
{
	(void)ipam, (void)c;
}

const struct change_type change_grow = { .share = share_grow, .reserve = never, .settle = nothing };
const struct change_type change_force = { .share = share_force, .reserve = never, .settle = nothing };
const struct change_type change_attach = { .share = share_attach, .reserve = never, .settle = nothing };
