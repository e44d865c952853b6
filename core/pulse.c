/* The thread with the steady beat: keeps this machine's lease of presence alive, takes the nodes that are its, ends what is
 * orphaned and empty, and publishes. */
#include "ask.h"
#include "mirror.h"
#include "publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

enum {
	CALL_MS = 3000,
	KEEP_MS = REMOTE_ALIVE_S * 1000 / 4,
	OWN_MAX = 64,
	PROBE_MS = 2000,
	REFUSED_MS = 5000,
	DEAF_MS = 5000,
	CONTACT_MS = 30000
};

struct pulse {
	struct remote *r;
	int64_t noted;     /* when it was stored that the engine was heard of; 0 never */
	int64_t kept;      /* when the lease was kept alive last, */
	int64_t probed;    /* and the engine was asked whether it is there, */
	int rc;            /* with that answer */
	int64_t published; /* when, */
	int64_t heard;     /* when the watch told something */
	int64_t echo;      /* at this revision: the watch is to tell of it */
	char boot[IPAM_BOOT_ID];
	uint64_t said[OWN_MAX]; /* nodes whose presence is told with this lease */
	size_t saids;
	struct ipam_error error;
};

struct own {
	uint64_t id, shared;
	char name[IPAM_NAME_MAX + 1], cluster[IPAM_NAME_MAX + 1];
	uint64_t cluster_id;
	enum ipam_held held;
	enum node_doubt doubt;
	bool asking, empty;
	uint32_t doubts;
};

/* The nodes that go by this machine's name, or are its under an older one. */
static size_t list_own(struct remote *r, struct own own[OWN_MAX])
{
	size_t n = 0;

	pthread_rwlock_rdlock(&r->ipam->lock);
	for (struct cluster *c = r->ipam->registry.first; c != NULL; c = c->next) {
		struct node *named = r->node == NULL ? NULL : registry_node_named(&r->ipam->registry, c, r->node);

		for (struct node *node = c->first; node != NULL && n < OWN_MAX; node = node->next) {
			if (node->pending || node->shared == 0 || (node != named && node->held != NODE_HELD_HERE))
				continue;
			own[n] = (struct own){ .id = node->id,
					       .shared = node->shared,
					       .held = node->held,
					       .doubt = node->doubt,
					       .asking = node->asking > 0,
					       .doubts = node->doubts,
					       .empty = node->leases == 0,
					       .cluster_id = c->id };
			snprintf(own[n].name, sizeof own[n].name, "%s", node->name);
			snprintf(own[n].cluster, sizeof own[n].cluster, "%s", c->name);
			n++;
		}
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	return n;
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
	return store_put_engine(ipam->store, "contact", c->name);
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
	char text[32];

	if (p->noted != 0 && now - p->noted < CONTACT_MS)
		return;
	snprintf(text, sizeof text, "%lld", (long long)(engine_now() / 1000000000));
	c = change_name(change_new(&change_contact, NULL, NULL), text);
	if (c == NULL)
		return;
	p->noted = now;
	change_submit(p->r->ipam, c);
}

/* ---- presence ------------------------------------------------------------------------------------------------------------ */

static int keep_lease(struct pulse *p)
{
	struct remote *r = p->r;
	int64_t now = remote_now_ms();
	int rc = 0;

	if (r->alive != 0 && now - p->kept < KEEP_MS)
		return 0;
	if (r->alive != 0) {
		rc = etcd_keep_alive(r->etcd, r->alive, CALL_MS, &p->error);
		if (rc == -ENOENT)
			r->alive = 0;
		else if (rc < 0)
			return rc;
	}
	if (r->alive == 0) {
		p->saids = 0;
		rc = etcd_grant(r->etcd, REMOTE_ALIVE_S, CALL_MS, &r->alive, &p->error);
	}
	if (rc == 0)
		p->kept = now;
	return rc;
}

struct presence {
	bool there, ours, this_boot, this_session;
	int64_t revision;
	const struct pulse *p;
};

static int see(void *arg, const struct etcd_kv *kv)
{
	struct presence *s = arg;
	json_t *o = json_loadb(kv->value.data, kv->value.size, 0, NULL);
	const char *machine = json_string_value(json_object_get(o, "machine")), *boot = json_string_value(json_object_get(o, "boot")),
		   *session = json_string_value(json_object_get(o, "session"));

	s->there = true;
	s->revision = kv->mod_revision;
	s->ours = machine != NULL && strcmp(machine, s->p->r->machine) == 0;
	s->this_boot = boot != NULL && strcmp(boot, s->p->boot) == 0;
	s->this_session = session != NULL && strcmp(session, s->p->r->session) == 0;
	json_decref(o);
	return 0;
}

static void set_doubled(struct remote *r, const struct own *own, bool doubled)
{
	struct node *n;
	bool news = false;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node(&r->ipam->registry, own->id);
	if (n != NULL && n->doubt == (doubled ? NODE_SURE : NODE_DOUBLED)) {
		n->doubt = doubled ? NODE_DOUBLED : NODE_SURE;
		news = true;
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	if (news)
		engine_log(r->ipam, doubled ? LOG_CRIT : LOG_NOTICE,
			   doubled ? "node '%s/%s': another machine with the same state file is there, or was until a moment ago: no "
				     "address is given" :
				     "node '%s/%s': the other machine is gone",
			   own->cluster, own->name);
}

/* Says that the node's machine is there. What an earlier process of this boot said is replaced: the lock of the state file proves
 * that it is gone. One of another boot is a copy of this machine, or this one before it went down: waited for to end. */
static int say_present(struct pulse *p, const struct own *own)
{
	struct remote *r = p->r;
	struct presence seen = { .p = p };
	char key[RECORD_KEY], *value;
	struct etcd_key k = { key, record_key_of(r->prefix, "alive", own->shared, key) };
	json_t *o = json_pack("{s:s, s:s, s:s}", "machine", r->machine, "boot", p->boot, "session", r->session);
	int64_t revision, at = 0;
	int rc = 0;

	value = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (value == NULL)
		return -ENOMEM;
	/* Twice at most: if it is there, and may be replaced, at the revision that was told. */
	for (int i = 0; rc == 0 && i < 2; i++) {
		struct etcd_txn *txn = etcd_txn_new();

		if (txn == NULL)
			break;
		seen.there = false;
		etcd_if_revision(txn, k, (struct etcd_key){ 0 }, at);
		etcd_put(txn, k, (struct etcd_key){ value, strlen(value) }, r->alive);
		rc = etcd_commit(r->etcd, txn, CALL_MS, see, &seen, &revision, &p->error);
		etcd_txn_free(txn);
		at = seen.revision;
		if (rc == 0 && seen.there && (!seen.ours || !(seen.this_boot || seen.this_session)))
			break;
	}
	free(value);
	if (rc == 0 && seen.there)
		set_doubled(r, own, true);
	else if (rc > 0)
		set_doubled(r, own, false);
	return rc;
}

static bool is_said(const struct pulse *p, uint64_t shared)
{
	for (size_t i = 0; i < p->saids; i++)
		if (p->said[i] == shared)
			return true;
	return false;
}

static int be_present(struct pulse *p, const struct own *own, size_t n)
{
	int rc = keep_lease(p);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (own[i].held != NODE_HELD_HERE || own[i].doubt == NODE_ORPHANED || is_said(p, own[i].shared))
			continue;
		rc = say_present(p, &own[i]);
		if (rc == 1) {
			if (p->saids == OWN_MAX)
				p->saids = 0; /* said again, that is all */
			p->said[p->saids++] = own[i].shared;
			rc = 0;
		}
	}
	return rc;
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

static void tend(struct pulse *p, const struct own *own, size_t n)
{
	struct remote *r = p->r;

	for (size_t i = 0; i < n; i++) {
		bool named = r->node != NULL && strcmp(own[i].name, r->node) == 0;

		if ((named && own[i].held == NODE_HELD_NOT) ||
		    (own[i].held == NODE_HELD_HERE && own[i].doubt == NODE_UNSETTLED && !own[i].asking))
			attach(p, &own[i]);
		else if (named && own[i].held == NODE_HELD_THERE)
			remote_complain(
				r,
				"node '%s/%s' is another machine's, or this one's under a state file that is lost: nothing is given "
				"here; 'ipamctl node remove --force' if that one is dead",
				own[i].cluster, own[i].name);
		else if (own[i].doubt == NODE_ORPHANED && own[i].empty)
			mirror_gone_id(r, IPAM_NODE, own[i].id), remote_again(r);
		else if (own[i].doubt == NODE_ORPHANED)
			remote_complain(r,
					"node '%s/%s' was removed elsewhere, by force: its leases stay until they are released, no "
					"address is given",
					own[i].cluster, own[i].name);
	}
}

/* ---- the thread --------------------------------------------------------------------------------------------------------------- */

static void read_boot(char out[IPAM_BOOT_ID])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(out, IPAM_BOOT_ID, f) == NULL)
		snprintf(out, IPAM_BOOT_ID, "unknown");
	out[strcspn(out, "\n")] = 0;
	if (f != NULL)
		fclose(f);
}

/* Waits for the next one. false: stop. *applied: up to which all is mirrored. */
static bool next_beat(struct remote *r, int64_t *applied)
{
	int64_t until = remote_now_ms() + REMOTE_PULSE_MS;
	struct timespec t = { until / 1000, until % 1000 * 1000000 };
	int64_t before;
	bool stop;

	pthread_mutex_lock(&r->lock);
	before = r->applied;
	/* Something came: a node of ours may be among it. */
	while (!r->stop && !r->probe && r->applied == before && pthread_cond_timedwait(&r->moved, &r->lock, &t) != ETIMEDOUT)
		;
	stop = r->stop;
	*applied = r->applied;
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

static int beat(struct pulse *p, struct own *own, bool read)
{
	struct remote *r = p->r;
	size_t n = list_own(r, own);
	int rc = probe(p);

	if (rc == 0)
		rc = be_present(p, own, n);
	if (rc == 0 && read) {
		note_contact(p);
		tend(p, own, n);
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
	struct pulse *p = calloc(1, sizeof *p);
	struct own *own = calloc(OWN_MAX, sizeof *own);
	int64_t applied = 0, before = 0;

	if (p == NULL || own == NULL)
		goto out;
	p->r = r;
	read_boot(p->boot);
	for (; next_beat(r, &applied); before = applied) {
		int rc = beat(p, own, applied > 0);

		if (rc == -EHOSTUNREACH && p->rc == 0)
			p->probed = 0;
		else if (is_refusal(rc) && p->rc == 0)
			remote_refused(r, p->error.text);
		listen_for_echo(p, before);
	}
	/* What was changed last is told still, and that this machine leaves. */
	if (r->up) {
		publish_round(r, &p->echo, &p->error);
		if (r->alive != 0)
			etcd_revoke(r->etcd, r->alive, CALL_MS / 3, &p->error);
	}
out:
	free(own);
	free(p);
	return NULL;
}
