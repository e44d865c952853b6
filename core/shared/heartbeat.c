/* The thread with the steady beat: says that this machine is there, takes the nodes that are its, ends what is orphaned and empty, and
 * publishes. */
#include "shared/heartbeat.h"

#include "engine/change.h"
#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/registry.h"
#include "shared/astray.h"
#include "shared/mirror.h"
#include "shared/mirror_quarantine.h"
#include "shared/presence.h"
#include "shared/publish.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request_run.h"
#include "store/store_shared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

enum {
	CALL_MS = 3000,
	PROBE_MS = 2000,
	REFUSED_MS = 5000,
	DEAF_MS = 5000,
	CONTACT_MS = 10000,
	WAIT_MS = 3000, /* for what lies under the prefix to be looked at: leases may wait for it */
	TEND_MS = 3000, /* nodes are taken for so long at most, before it is said again that this machine is there */
};

struct pulse {
	struct remote *r;
	int64_t noted; /* when it was stored that the engine was heard of; 0 never */
	int64_t began;
	int64_t probed;    /* when the engine was asked whether it is there, */
	int rc;            /* with that answer */
	int64_t published; /* when, */
	int64_t heard;     /* when the watch told something */
	int64_t echo;      /* at this revision: the watch is to tell of it */
	struct own *own;   /* as they were at this beat */
	size_t owns, size;
	struct ipam_error error;
};

static int add_own(struct pulse *p, const struct node *n)
{
	if (p->owns == p->size) {
		struct own *bigger = reallocarray(p->own, p->size * 2 + 16, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		p->own = bigger;
		p->size = p->size * 2 + 16;
	}
	p->own[p->owns] = (struct own){ .id = n->id,
					.shared = n->shared,
					.held = n->held,
					.doubt = n->doubt,
					.asking = n->asking > 0,
					.doubts = n->doubts,
					.empty = n->leases == 0,
					.told = n->told != 0 && n->told == p->r->alive,
					.cluster_id = n->cluster->id };
	snprintf(p->own[p->owns].name, sizeof p->own[0].name, "%s", n->name);
	snprintf(p->own[p->owns].cluster, sizeof p->own[0].cluster, "%s", n->cluster->name);
	p->owns++;
	return 0;
}

/* The nodes that go by this machine's name, or are its under an older one. */
static int list_own(struct pulse *p)
{
	struct remote *r = p->r;
	int rc = 0;

	p->owns = 0;
	pthread_rwlock_rdlock(&r->ipam->lock);
	for (struct cluster *c = r->ipam->registry.first; c != NULL; c = c->next) {
		struct node *named = r->node == NULL ? NULL : registry_node_named(&r->ipam->registry, c, r->node);

		for (struct node *node = c->first; rc == 0 && node != NULL; node = node->next)
			if (!node->pending && node->shared != 0 && (node == named || node->held == NODE_HELD_HERE))
				rc = add_own(p, node);
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	return rc;
}

/* ---- is the engine there, and does the watch hear of what it does? ----------------------------------------------------- */

/* What was published comes back with the watch. Where it doesn't, and nothing else does, that one is deaf. */
static void listen_for_echo(struct pulse *p, int64_t before)
{
	struct remote *r = p->r;
	int64_t applied;

	pthread_mutex_lock(&r->lock);
	applied = r->applied;
	pthread_mutex_unlock(&r->lock);
	if (applied != before)
		p->heard = remote_now_ms();
	if (r->leases && applied < p->echo && remote_now_ms() - p->heard > DEAF_MS && remote_now_ms() - p->published > DEAF_MS) {
		etcd_watch_leave(r->etcd);
		p->heard = remote_now_ms();
	}
}

/* Whether it is allowed is looked at first; and then nothing is written, since a key can't both be there and not. */
static int probe_writing(struct pulse *p, struct etcd_key k)
{
	struct etcd_txn *txn = etcd_txn_new();
	const char version[] = { '0' + RECORD_SCHEMA, 0 };
	int64_t revision;
	int rc = txn == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		etcd_if_revision(txn, k, (struct etcd_key){ 0 }, 0);
		etcd_if_revision(txn, k, (struct etcd_key){ 0 }, 1);
		etcd_put(txn, k, (struct etcd_key){ version, 1 }, 0);
		rc = etcd_commit(p->r->etcd, txn, CALL_MS, NULL, NULL, &revision, &p->error);
	}
	etcd_txn_free(txn);
	return rc < 0 ? rc : 0;
}

static bool is_refusal(int rc)
{
	return rc == -EACCES || rc == -ENOSPC || rc == -EINVAL;
}

/* The watch's member first; then, if that one doesn't know, or there is no watch, any. */
static int probe(struct pulse *p)
{
	struct remote *r = p->r;
	char key[RECORD_KEY];
	struct etcd_key k = { key, record_key(r->prefix, "schema", key) };
	bool now, refused;
	int rc;

	pthread_mutex_lock(&r->lock);
	now = r->probe;
	refused = r->refusal[0] != 0;
	r->probe = false;
	pthread_mutex_unlock(&r->lock);
	if (!now && remote_now_ms() - p->probed < (is_refusal(p->rc) ? REFUSED_MS : PROBE_MS))
		return p->rc;
	rc = etcd_watch_probe(r->etcd, k, CALL_MS / 2, &p->error);
	if (rc < 0)
		rc = etcd_range(r->etcd, k, (struct etcd_key){ 0 }, CALL_MS, NULL, NULL, NULL, &p->error);
	p->probed = remote_now_ms();
	p->rc = rc;
	if (rc != -ECANCELED)
		remote_reached(r, rc < 0 ? p->error.text : NULL);
	if (rc == -EHOSTUNREACH)
		remote_silent(r);
	if (rc == 0 && refused && (rc = probe_writing(p, k)) == 0)
		remote_refused(r, NULL);
	return rc;
}

/* ---- that the engine was heard of -------------------------------------------------------------------------------------------- */

static int contact_reserve(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	c->soft = true; /* an older one errs on the safe side */
	return 0;
}

static int contact_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_put_engine(ipam->store, "contact", c->name);

	return rc == 0 ? store_put_engine(ipam->store, "etcd", c->text) : rc;
}

static void contact_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	(void)c;
}

static const struct change_type change_contact = { .reserve = contact_reserve, .apply = contact_apply, .settle = contact_settle };

/* For the next start: see remote.c. */
static void note_contact(struct pulse *p)
{
	int64_t now = remote_now_ms();
	struct change *c;
	char text[32], *etcd;

	if (p->noted != 0 && now - p->noted < CONTACT_MS)
		return;
	etcd = astray_text(p->r);
	snprintf(text, sizeof text, "%lld", (long long)(engine_now() / 1000000000));
	c = etcd == NULL ? NULL : change_name(change_new(&change_contact, NULL, NULL), text);
	if (c != NULL)
		c = change_text(c, etcd, strlen(etcd));
	free(etcd);
	if (c == NULL)
		return;
	p->noted = now;
	change_submit(p->r->ipam, c);
}

/* ---- nodes that are this machine's ------------------------------------------------------------------------------------------ */

static void attach(struct pulse *p, const struct own *own)
{
	struct ipam_wait *w = ipam_wait_new();
	struct change *c = w == NULL ? NULL : change_new(&change_attach, ipam_wait_done, w);

	if (c == NULL)
		return;
	c->id = own->id;
	c->by.uid = IPAM_BY_NOBODY;
	ask_run(p->r, c);
	if (ipam_wait(w, NULL) < 0 || own->doubt != NODE_UNSETTLED)
		return;
	/* It has its blocks, and nothing that was under way can take them any more. */
	remote_doubt(p->r, own->id, NODE_SURE, own->doubts);
}

/* What is wrong with it, if anything is: the first is told of. */
static void tend_one(struct pulse *p, const struct own *own, char *complaint, size_t size)
{
	struct remote *r = p->r;
	bool named = r->node != NULL && strcmp(own->name, r->node) == 0;

	if ((named && own->held == NODE_HELD_NOT) || (own->held == NODE_HELD_HERE && own->doubt == NODE_UNSETTLED && !own->asking))
		attach(p, own);
	else if (named && own->held == NODE_HELD_THERE && complaint[0] == 0)
		snprintf(complaint, size,
			 "node '%s/%s' is another machine's, or this one's under a state file that is lost: nothing is given here; "
			 "'ipamctl node remove --force' if that one is dead",
			 own->cluster, own->name);
	else if (own->doubt == NODE_ORPHANED && own->empty)
		mirror_gone_id(r, IPAM_NODE, own->id), remote_again(r);
	else if (own->doubt == NODE_ORPHANED && complaint[0] == 0)
		snprintf(complaint, size,
			 "node '%s/%s' was removed elsewhere, by force: its leases stay until they are released, no address is given",
			 own->cluster, own->name);
}

static void tend(struct pulse *p)
{
	int64_t until = remote_now_ms() + TEND_MS;
	char complaint[1024] = "";
	size_t i = 0;

	for (; i < p->owns && remote_now_ms() < until; i++)
		tend_one(p, &p->own[i], complaint, sizeof complaint);
	if (i == p->owns || complaint[0] != 0)
		remote_complain(p->r, REMOTE_NODES, "%s", complaint);
}

/* ---- the thread --------------------------------------------------------------------------------------------------------------- */

/* Waits for the next one. false: stop. *applied: up to which all is mirrored. */
static bool next_beat(struct remote *r, int64_t *applied)
{
	int64_t until = remote_now_ms() + REMOTE_PULSE_MS;
	struct timespec t = { until / 1000, until % 1000 * 1000000 };
	int64_t before;
	bool stop;
	int schema;

	pthread_mutex_lock(&r->lock);
	before = r->applied;
	schema = r->schema;
	/* Something came: a node of ours may be among it. */
	while (!r->stop && !r->probe && r->applied == before && r->schema == schema &&
	       pthread_cond_timedwait(&r->moved, &r->lock, &t) != ETIMEDOUT)
		;
	stop = r->stop;
	*applied = r->applied;
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

/* Nothing is written before it is known that what lies under the prefix is ours. */
static bool may_write(struct remote *r)
{
	bool may;

	pthread_mutex_lock(&r->lock);
	may = r->schema > 0;
	pthread_mutex_unlock(&r->lock);
	return may;
}

/* Since the start, or since another etcd was accepted, of which as little is known. */
static bool waits_long(struct pulse *p)
{
	int64_t since;

	pthread_mutex_lock(&p->r->lock);
	since = p->r->settled > p->began ? p->r->settled : p->began;
	pthread_mutex_unlock(&p->r->lock);
	return remote_now_ms() - since > WAIT_MS;
}

static int beat(struct pulse *p, bool read)
{
	struct remote *r = p->r;
	int rc = probe(p);
	bool may;

	if (astray_is(r)) {
		presence_again(r->presence);
		return rc;
	}
	may = may_write(r); /* of this etcd, which isn't astray: in this order */
	if (rc == 0)
		rc = list_own(p);
	if (rc == 0 && may)
		rc = presence_tell(r->presence, p->own, p->owns, &p->error);
	if (rc < 0 || (!may && waits_long(p)))
		presence_untold(r->presence);
	/* A copy of another's state keeps what that one publishes. */
	if (rc == 0 && read && remote_standing(r) == OWN_SURE) {
		note_contact(p);
		tend(p);
		mirror_rests_end(r);
		if (remote_now_ms() - p->published >= REMOTE_PULSE_MS) {
			rc = publish_round(r, &p->echo, &p->error);
			p->published = remote_now_ms();
		}
	}
	return rc;
}

void *remote_pulse(void *arg)
{
	struct remote *r = arg;
	struct pulse p = { .r = r, .began = remote_now_ms() };
	int64_t applied = 0, before = 0;

	/* The first one at once: leases may wait for it. */
	do {
		int rc = beat(&p, applied > 0);

		if (rc == -EHOSTUNREACH && p.rc == 0)
			p.probed = 0;
		else if (is_refusal(rc) && p.rc == 0)
			remote_refused(r, p.error.text);
		listen_for_echo(&p, before);
		before = applied;
	} while (next_beat(r, &applied));
	/* What was changed last is told still, and that this machine leaves. */
	if (r->up) {
		if (remote_standing(r) == OWN_SURE && !etcd_astray(r->etcd, NULL, 0))
			publish_round(r, &p.echo, &p.error);
		presence_end(r->presence, CALL_MS / 3);
	}
	free(p.own);
	return NULL;
}
