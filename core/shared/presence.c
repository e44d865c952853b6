#include "shared/presence.h"

#include "change/mirrored.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "etcd/etcd.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request_run.h"
#include "store/store.h"
#include "store/store_shared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>

enum {
	CALL_MS = 3000,
	KEEP_MS = REMOTE_ALIVE_S * 1000 / 4,
	BATCH = 60,                        /* nodes in one transaction, which has a compare and a put for each */
	LATELY_S = REMOTE_ALIVE_S * 2 / 3, /* that was heard of the engine so lately keeps others away still */
};

struct home {
	char boot[IPAM_BOOT_ID], file[48], host[128];
};

struct presence {
	struct remote *r;
	struct home home;
	bool known;   /* by its host: not a copy, as far as can be told without the engine */
	bool noted;   /* the state file has the home */
	int64_t kept; /* when the lease was kept alive last */
	int64_t told; /* the lease with which the machine's presence is told */
};

/* ---- how this machine stands ---------------------------------------------------------------------------------------------- */

void remote_stand(struct remote *r, enum own_standing standing)
{
	struct change *wake = NULL;
	enum own_standing before;

	pthread_rwlock_wrlock(&r->ipam->lock);
	before = r->ipam->registry.standing;
	if (etcd_astray(r->etcd, NULL, 0))
		standing = OWN_ASTRAY;
	r->ipam->registry.standing = standing;
	pthread_rwlock_unlock(&r->ipam->lock);
	if (before == OWN_ASKED && standing != OWN_ASKED)
		wake = change_new(&change_wake, NULL, NULL);
	if (wake != NULL)
		change_submit(r->ipam, wake);
}

enum own_standing remote_standing(struct remote *r)
{
	enum own_standing standing;

	pthread_rwlock_rdlock(&r->ipam->lock);
	standing = r->ipam->registry.standing;
	pthread_rwlock_unlock(&r->ipam->lock);
	return standing;
}

/* ---- the home of a state file: the boot, the file, the host ------------------------------------------------------------------ */

/* The first word of a file, or "-". */
static void read_word(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");

	if (f == NULL || fgets(out, (int)size, f) == NULL)
		snprintf(out, size, "-");
	out[strcspn(out, " \n")] = 0;
	if (f != NULL)
		fclose(f);
}

static int find_home(struct remote *r, struct home *h)
{
	char machine[48], product[48];
	struct stat st;

	if (stat(r->ipam->path, &st) < 0)
		return -errno;
	*h = (struct home){ 0 };
	snprintf(h->boot, sizeof h->boot, "%s", r->ipam->registry.boot[r->ipam->boot].boot_id);
	snprintf(h->file, sizeof h->file, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	read_word("/etc/machine-id", machine, sizeof machine);
	read_word("/sys/class/dmi/id/product_uuid", product, sizeof product);
	snprintf(h->host, sizeof h->host, "%s/%s", machine, product);
	return 0;
}

static char *print_home(const struct home *h)
{
	char *text = NULL;

	return asprintf(&text, "%s %s %s", h->boot, h->file, h->host) < 0 ? NULL : text;
}

static bool parse_home(const char *text, struct home *h)
{
	*h = (struct home){ 0 };
	return sscanf(text, "%63s %47s %127s", h->boot, h->file, h->host) == 3;
}

/* Device numbers may differ from boot to boot; a copy has another inode, or is on another host. */
static bool same_host(const struct home *a, const struct home *b)
{
	const char *x = strchr(a->file, ':'), *y = strchr(b->file, ':');

	return x != NULL && y != NULL && strcmp(x, y) == 0 && strcmp(a->host, b->host) == 0 && strcmp(a->host, "-/-") != 0;
}

static bool same_file(const struct home *a, const struct home *b)
{
	return strcmp(a->boot, b->boot) == 0 && strcmp(a->file, b->file) == 0;
}

static int heard_lately(struct remote *r, bool *lately)
{
	char *text = NULL;
	int64_t away;
	int rc = store_get_engine(r->ipam->store, "contact", &text);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	away = engine_now() / NANOSECONDS - strtoll(text, NULL, 10);
	*lately = away >= 0 && away < LATELY_S;
	free(text);
	return 0;
}

static int look_home(struct presence *p)
{
	struct remote *r = p->r;
	enum own_standing standing = OWN_ASKED;
	bool lately = false;
	struct home before;
	char *text = NULL;
	int rc = find_home(r, &p->home);

	if (rc == 0)
		rc = store_get_engine(r->ipam->store, "home", &text);
	if (rc == -ENOENT) { /* of a version that didn't note it */
		p->known = true;
		rc = 0;
	} else if (rc == 0 && parse_home(text, &before)) {
		p->noted = same_file(&before, &p->home) && strcmp(before.host, p->home.host) == 0;
		p->known = same_file(&before, &p->home) || same_host(&before, &p->home);
		rc = heard_lately(r, &lately);
		if (rc == 0 && same_file(&before, &p->home) && lately)
			standing = OWN_SURE;
	}
	free(text);
	if (rc == 0)
		r->ipam->registry.standing = standing;
	return rc;
}

/* ---- noted once nobody else is there ---------------------------------------------------------------------------------------- */

static void note_home(struct presence *p)
{
	char *text = p->noted ? NULL : print_home(&p->home);

	if (text != NULL)
		p->noted = remote_note(p->r, "home", text) == 0;
	free(text);
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static int first_home(struct presence *p)
{
	struct store *s = p->r->ipam->store;
	int rc = find_home(p->r, &p->home);
	char *text = rc == 0 ? print_home(&p->home) : NULL;

	if (rc == 0)
		rc = text == NULL ? -ENOMEM : store_begin(s, STORE_FULL);
	if (rc == 0) {
		rc = store_put_engine(s, "home", text);
		if (rc == 0)
			rc = store_commit(s);
		if (rc < 0)
			store_rollback(s);
	}
	free(text);
	p->known = p->noted = true;
	return rc;
}

int presence_new(struct remote *r, bool first, struct presence **out)
{
	struct presence *p = calloc(1, sizeof *p);
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->r = r;
	*out = p;
	rc = first ? first_home(p) : look_home(p);
	return rc;
}

void presence_free(struct presence *p)
{
	free(p);
}

void presence_untold(struct presence *p)
{
	if (remote_standing(p->r) != OWN_ASKED)
		return;
	remote_stand(p->r, p->known ? OWN_SURE : OWN_UNTOLD);
	if (!p->known)
		engine_log(p->r->ipam, LOG_ERR,
			   "this state file was copied or moved: nothing is leased before the engine has said that no other machine goes "
			   "by it");
}

void presence_again(struct presence *p)
{
	p->told = 0;
	p->kept = 0;
}

void presence_end(struct presence *p, int timeout_ms)
{
	struct ipam_error ignored;

	if (p->r->alive != 0)
		etcd_revoke(p->r->etcd, p->r->alive, timeout_ms, &ignored);
}

/* ---- what is there ------------------------------------------------------------------------------------------------------- */

static int keep_lease(struct presence *p, struct ipam_error *error)
{
	struct remote *r = p->r;
	int64_t now = remote_now_ms();
	int rc = 0;

	if (r->alive != 0 && p->kept != 0 && now - p->kept < KEEP_MS)
		return 0;
	if (r->alive != 0) {
		rc = etcd_keep_alive(r->etcd, r->alive, CALL_MS, error);
		if (rc == -ENOENT)
			r->alive = 0;
		else if (rc < 0)
			return rc;
	}
	if (r->alive == 0)
		rc = etcd_grant(r->etcd, REMOTE_ALIVE_S, CALL_MS, &r->alive, error);
	if (rc == 0)
		p->kept = now;
	return rc;
}

/* Who said so is this process, or was one on the same file of the same boot, which is gone, since this one has the lock. A version that
 * didn't tell the file is believed for the boot. What can't be read is another's. */
static bool may_replace(const struct presence *p, const struct etcd_kv *kv)
{
	json_t *o = json_loadb(kv->value.data, kv->value.size, JSON_ALLOW_NUL, NULL);
	const char *machine = json_string_value(json_object_get(o, "machine")), *boot = json_string_value(json_object_get(o, "boot")),
		   *session = json_string_value(json_object_get(o, "session")), *file = json_string_value(json_object_get(o, "file"));
	bool ours = machine != NULL && strcmp(machine, p->r->machine) == 0;
	bool same = session != NULL && strcmp(session, p->r->session) == 0;

	same |= boot != NULL && strcmp(boot, p->home.boot) == 0 && (file == NULL || strcmp(file, p->home.file) == 0);
	json_decref(o);
	return ours && same;
}

static char *value_of(const struct presence *p)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "machine", p->r->machine, "boot", p->home.boot, "file", p->home.file, "session",
			      p->r->session);
	char *value = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return value;
}

/* ---- the machine's ------------------------------------------------------------------------------------------------------- */

struct seen {
	const struct presence *p;
	int64_t at;
	bool rival;
};

static int see_machine(void *arg, const struct etcd_kv *kv)
{
	struct seen *s = arg;

	s->at = kv->mod_revision;
	s->rival = !may_replace(s->p, kv);
	return 0;
}

/* 1: told; 0: another is there. */
static int tell_machine(struct presence *p, const char *value, struct ipam_error *error)
{
	struct remote *r = p->r;
	char kind[sizeof "machine/" + RECORD_MACHINE], key[RECORD_KEY];
	struct seen seen = { .p = p };
	struct etcd_key k = { key, 0 };
	int64_t revision;
	int rc = 0;

	snprintf(kind, sizeof kind, "machine/%s", r->machine);
	k.size = record_key(r->prefix, kind, key);
	/* Once more, if it is there and may be replaced. */
	for (int i = 0; rc == 0 && i < 2 && !seen.rival; i++) {
		struct etcd_txn *txn = etcd_txn_new();

		if (txn == NULL)
			return -ENOMEM;
		etcd_if_revision(txn, k, (struct etcd_key){ 0 }, seen.at);
		etcd_put(txn, k, (struct etcd_key){ value, strlen(value) }, r->alive);
		seen.at = 0;
		rc = etcd_commit(r->etcd, txn, CALL_MS, see_machine, &seen, &revision, error);
		etcd_txn_free(txn);
	}
	return rc == 0 && !seen.rival ? -EHOSTUNREACH : rc;
}

static int stand_by_machine(struct presence *p, const char *value, struct ipam_error *error)
{
	enum own_standing before = remote_standing(p->r);
	int rc = p->told == p->r->alive ? 1 : tell_machine(p, value, error);

	if (rc < 0)
		return rc;
	if (rc == 0 && before != OWN_DOUBLED) {
		remote_stand(p->r, OWN_DOUBLED);
		remote_complain(p->r, REMOTE_DOUBLED,
				"another machine with a copy of this state file is there, or was until a moment ago: no address is given, "
				"until it is gone");
	} else if (rc == 1 && before != OWN_SURE) {
		remote_stand(p->r, OWN_SURE);
		remote_complain(p->r, REMOTE_DOUBLED, "%s", "");
	}
	if (rc == 1) {
		p->told = p->r->alive;
		note_home(p);
	}
	return rc;
}

/* ---- the nodes' ---------------------------------------------------------------------------------------------------------- */

static void set_doubled(struct remote *r, const struct own *own, bool doubled)
{
	struct node *n;
	bool news = false;

	pthread_rwlock_wrlock(&r->ipam->lock);
	n = registry_node(&r->ipam->registry, own->id);
	if (n != NULL && !doubled)
		n->told = r->alive;
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

struct batch {
	const struct presence *p;
	struct own *own[BATCH];
	size_t n;
};

static int see_node(void *arg, const struct etcd_kv *kv)
{
	struct batch *b = arg;
	struct record_name name;

	if (record_parse_key(b->p->r->prefix, kv->key.data, kv->key.size, &name) < 0 || name.what != RECORD_ALIVE)
		return 0;
	for (size_t i = 0; i < b->n; i++)
		if (b->own[i]->shared == name.id) {
			b->own[i]->at = kv->mod_revision;
			b->own[i]->rival = !may_replace(b->p, kv);
		}
	return 0;
}

/* 1: told; 0: some of them are there. */
static int try_batch(struct batch *b, const char *value, struct ipam_error *error)
{
	struct remote *r = b->p->r;
	struct etcd_txn *txn = etcd_txn_new();
	int64_t revision;
	int rc;

	if (txn == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++) {
		char key[RECORD_KEY];
		struct etcd_key k = { key, record_key_of(r->prefix, "alive", b->own[i]->shared, key) };

		etcd_if_revision(txn, k, (struct etcd_key){ 0 }, b->own[i]->at);
		etcd_put(txn, k, (struct etcd_key){ value, strlen(value) }, r->alive);
		b->own[i]->at = 0;
	}
	rc = etcd_commit(r->etcd, txn, CALL_MS, see_node, b, &revision, error);
	etcd_txn_free(txn);
	return rc;
}

/* What is there, and may be replaced, is so at the revision that was told; what is another's stays out of it. */
static int tell_batch(struct batch *b, const char *value, struct ipam_error *error)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < 3 && b->n > 0; i++) {
		size_t left = 0;

		rc = try_batch(b, value, error);
		for (size_t k = 0; k < b->n; k++)
			if (rc == 1 || b->own[k]->rival)
				set_doubled(b->p->r, b->own[k], b->own[k]->rival);
			else
				b->own[left++] = b->own[k];
		b->n = left;
	}
	b->n = 0;
	return rc < 0 ? rc : 0; /* what is left is tried with the next beat */
}

int presence_tell(struct presence *p, struct own *own, size_t n, struct ipam_error *error)
{
	int rc = keep_lease(p, error);
	char *value = rc == 0 ? value_of(p) : NULL;
	struct batch b = { .p = p };

	if (rc == 0)
		rc = value == NULL ? -ENOMEM : stand_by_machine(p, value, error);
	for (size_t i = 0; rc == 1 && i < n; i++) {
		if (own[i].held != NODE_HELD_HERE || own[i].doubt == NODE_ORPHANED || own[i].told)
			continue;
		b.own[b.n++] = &own[i];
		if (b.n == BATCH && (rc = tell_batch(&b, value, error)) == 0)
			rc = 1;
	}
	if (rc == 1 && b.n > 0)
		rc = tell_batch(&b, value, error);
	free(value);
	return rc < 0 ? rc : 0;
}
