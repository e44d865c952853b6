#include "power.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 4, NODES = 3, LOG_PAGES = 60 };

const struct ipam_owner owner = { 0, 0, 0644 };

struct life {
	struct work *w;
	struct random random;
	struct ipam *ipam;
	char path[128];
	enum ipam_sync sync;
	uint64_t cluster;
	unsigned fresh; /* names that were given */
	unsigned step;
	bool delegation, several, failed, refused;
};

/* ---- a change, and its answer --------------------------------------------------------------------------------- */

struct call {
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t wake;
	char key[640];
	unsigned step;
	bool ready;
	int error;
	struct ipam_object object;
};

/* The answer is on record before anybody acts on it. */
static void done(void *arg, int error, const struct ipam_object *object)
{
	struct call *c = arg;

	pthread_mutex_lock(&c->lock);
	if (error == 0)
		record_mark(RECORD_ACK, c->step, c->key);
	c->error = error;
	if (object != NULL)
		c->object = *object;
	c->ready = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

static void expect(struct life *l, struct call *c, const char *key)
{
	*c = (struct call){ .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .step = l->step };
	snprintf(c->key, sizeof c->key, "%s", key);
}

/* What a random change may well be answered; what the disk says is remembered. */
static int wait_for(struct life *l, struct call *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->ready)
		pthread_cond_wait(&c->wake, &c->lock);
	pthread_mutex_unlock(&c->lock);
	if (c->error == -EIO) {
		l->failed = true;
		l->w->failures++;
	}
	return c->error;
}

static void open_it(struct life *l)
{
	/* What a cut leaves is judged in another boot. */
	struct ipam_options options = { .size = sizeof options, .sync = l->sync, .create = true, .log_pages = LOG_PAGES, .boot = "before the cut" };
	struct ipam_error error;

	/* A second time after a sync that failed meanwhile. */
	if (ipam_open(l->path, &options, &l->ipam, &error) < 0 && ipam_open(l->path, &options, &l->ipam, &error) < 0) {
		printf("%s\n", error.text);
		exit(2);
	}
}

/* ---- what there is to choose from ------------------------------------------------------------------------------- */

static int any_child(struct life *l, enum ipam_kind kind, uint64_t parent, uint64_t *id, char name[IPAM_NAME_MAX + 1])
{
	uint64_t *ids = NULL;
	size_t n = 0;
	int rc = ipam_children(l->ipam, kind, parent, &ids, &n);

	if (rc == 0 && n == 0)
		rc = -ENOENT;
	if (rc == 0) {
		*id = ids[random_below(&l->random, (unsigned)n)];
		rc = ipam_name(l->ipam, kind + 1, *id, name);
	}
	free(ids);
	return rc;
}

struct place {
	uint64_t node, lease;
	char node_name[IPAM_NAME_MAX + 1], name[IPAM_NAME_MAX + 1], key[640];
};

static int any_lease(struct life *l, struct place *p)
{
	int rc = any_child(l, IPAM_CLUSTER, l->cluster, &p->node, p->node_name);

	if (rc == 0)
		rc = any_child(l, IPAM_NODE, p->node, &p->lease, p->name);
	snprintf(p->key, sizeof p->key, "l/c/%s/%s", p->node_name, p->name);
	return rc;
}

static void new_lease(struct life *l, struct place *p)
{
	snprintf(p->name, sizeof p->name, "pod%u", l->fresh++);
	snprintf(p->key, sizeof p->key, "l/c/%s/%s", p->node_name, p->name);
}

/* ---- the steps -------------------------------------------------------------------------------------------------- */

static void make_lease(struct life *l)
{
	struct place p;
	struct call c;

	if (any_child(l, IPAM_CLUSTER, l->cluster, &p.node, p.node_name) < 0)
		return;
	new_lease(l, &p);
	expect(l, &c, p.key);
	ipam_make(l->ipam, IPAM_LEASE, p.node, p.name, IPAM_EXCLUSIVE, &owner, ipam_by_self(), done, &c);
	wait_for(l, &c);
}

static void remove_lease(struct life *l)
{
	struct place p;
	struct call c;

	if (any_lease(l, &p) < 0)
		return;
	expect(l, &c, p.key);
	ipam_remove(l->ipam, IPAM_LEASE, p.node, p.name, ipam_by_self(), done, &c);
	wait_for(l, &c);
}

static void rename_lease(struct life *l)
{
	char name[32];
	struct place p;
	struct call c;

	if (any_lease(l, &p) < 0)
		return;
	snprintf(name, sizeof name, "pod%u", l->fresh++);
	expect(l, &c, p.key);
	ipam_rename(l->ipam, IPAM_LEASE, p.node, p.name, p.node, name, ipam_by_self(), done, &c);
	wait_for(l, &c);
}

static void write_lease(struct life *l)
{
	struct place p;
	struct call c;
	char text[64];

	if (any_lease(l, &p) < 0)
		return;
	snprintf(text, sizeof text, "10.0.%u.%u", random_below(&l->random, 4), random_below(&l->random, 256));
	expect(l, &c, p.key);
	ipam_write(l->ipam, IPAM_LEASE_ADDRESSES, p.lease, text, strlen(text), false, ipam_by_self(), done, &c);
	wait_for(l, &c);
}

/* Written behind, and waited for. */
static void attributes(struct life *l)
{
	struct place p;
	struct call c;
	char value[48];

	if (any_lease(l, &p) < 0)
		return;
	snprintf(value, sizeof value, "v%u", random_below(&l->random, 100000));
	if (ipam_xattr_set(l->ipam, p.lease, "pod", value, strlen(value), 0, ipam_by_self()) < 0)
		return;
	expect(l, &c, p.key);
	ipam_sync_object(l->ipam, IPAM_LEASE, p.lease, done, &c);
	wait_for(l, &c);
}

static void change_mode(struct life *l)
{
	struct ipam_attr a = { .mode = 0600 | random_below(&l->random, 0100), .uid = random_below(&l->random, 1000) };
	struct place p;
	struct call c;

	if (any_lease(l, &p) < 0)
		return;
	expect(l, &c, p.key);
	ipam_set_attr(l->ipam, IPAM_LEASE, p.lease, IPAM_SET_MODE | IPAM_SET_UID, &a, ipam_by_self(), done, &c);
	wait_for(l, &c);
}

/* As the CNI plugin does: without a sync first, then described, kept and synced; or its holder ends before. */
static void ephemeral(struct life *l)
{
	struct ipam_attribute a = { "container-id", "0123456789abcdef", 16 };
	struct place p;
	struct call c;

	if (any_child(l, IPAM_CLUSTER, l->cluster, &p.node, p.node_name) < 0)
		return;
	l->several = true; /* the node may grow with the first */
	new_lease(l, &p);
	expect(l, &c, "");
	ipam_make(l->ipam, IPAM_LEASE, p.node, p.name, IPAM_EXCLUSIVE | IPAM_EPHEMERAL, &owner, ipam_by_self(), done, &c);
	if (wait_for(l, &c) < 0)
		return;
	p.lease = c.object.id;
	if (random_below(&l->random, 3) == 0) {
		ipam_drop(l->ipam, p.lease);
		return;
	}
	expect(l, &c, p.key);
	ipam_describe(l->ipam, p.lease, &a, 1, true, ipam_by_self(), done, &c);
	if (wait_for(l, &c) < 0)
		ipam_drop(l->ipam, p.lease);
}

static void group(struct life *l)
{
	struct place p[GROUP];
	struct call c[GROUP];
	unsigned first = l->fresh;

	l->several = true;
	for (int i = 0; i < GROUP; i++) {
		bool gone = random_below(&l->random, 3) == 0 && any_lease(l, &p[i]) == 0;

		for (int j = 0; gone && j < i; j++)
			gone = strcmp(p[i].key, p[j].key) != 0;
		/* Not one that this step has made. */
		gone = gone && strtoul(p[i].name + 3, NULL, 10) < first;
		if (!gone && any_child(l, IPAM_CLUSTER, l->cluster, &p[i].node, p[i].node_name) < 0)
			abort();
		if (!gone)
			new_lease(l, &p[i]);
		expect(l, &c[i], p[i].key);
		if (gone)
			ipam_remove(l->ipam, IPAM_LEASE, p[i].node, p[i].name, ipam_by_self(), done, &c[i]);
		else
			ipam_make(l->ipam, IPAM_LEASE, p[i].node, p[i].name, IPAM_EXCLUSIVE, &owner, ipam_by_self(), done, &c[i]);
	}
	for (int i = 0; i < GROUP; i++)
		wait_for(l, &c[i]);
}

static void import(struct life *l)
{
	struct ipam_import list[3] = { 0 };
	char name[3][32];
	struct place p;
	struct call c;

	if (any_child(l, IPAM_CLUSTER, l->cluster, &p.node, p.node_name) < 0)
		return;
	for (int i = 0; i < 3; i++) {
		snprintf(name[i], sizeof name[i], "pod%u", l->fresh++);
		list[i] = (struct ipam_import){
			.node = p.node_name, .name = name[i], .has = { true }, .addr = { 0x0a000000 + random_below(&l->random, 1024) }
		};
	}
	expect(l, &c, "");
	ipam_import(l->ipam, l->cluster, list, 3, &owner, ipam_by_self(), done, &c);
	l->delegation = wait_for(l, &c) == 0;
}

static void node(struct life *l)
{
	char name[IPAM_NAME_MAX + 1], other[32];
	uint64_t id, *ids = NULL;
	struct call c;
	size_t n = 0;

	ipam_children(l->ipam, IPAM_CLUSTER, l->cluster, &ids, &n);
	free(ids);
	expect(l, &c, "");
	snprintf(other, sizeof other, "node%u", l->fresh++);
	if (n < NODES)
		ipam_make(l->ipam, IPAM_NODE, l->cluster, other, IPAM_EXCLUSIVE, &owner, ipam_by_self(), done, &c);
	else if (any_child(l, IPAM_CLUSTER, l->cluster, &id, name) < 0)
		abort();
	else if (random_below(&l->random, 2) == 0)
		ipam_remove(l->ipam, IPAM_NODE, l->cluster, name, ipam_by_self(), done, &c);
	else
		ipam_rename(l->ipam, IPAM_NODE, l->cluster, name, l->cluster, other, ipam_by_self(), done, &c);
	l->delegation = wait_for(l, &c) == 0;
}

static void write_cluster(struct life *l)
{
	static const struct {
		enum ipam_text what;
		const char *text;
		bool append, delegation;
	} choice[] = {
		{ IPAM_CLUSTER_SETTINGS, "max-blocks 5\n", true, false },
		{ IPAM_CLUSTER_SETTINGS, "reuse-delay 60\n", true, false },
		{ IPAM_CLUSTER_SETTINGS, "reuse-delay 0\n", true, false },
		{ IPAM_CLUSTER_RESERVED, "10.0.7.0/30\n10.0.6.9\n", false, true },
		{ IPAM_CLUSTER_RESERVED, "10.0.7.16-10.0.7.20\n", true, true },
		{ IPAM_CLUSTER_CIDRS, "10.9.0.0/24 28\n", true, true },
		{ IPAM_CLUSTER_CIDRS, "10.0.0.0/21 29\n", false, true },
	};
	unsigned i = random_below(&l->random, sizeof choice / sizeof *choice);
	struct call c;

	expect(l, &c, "");
	ipam_write(l->ipam, choice[i].what, l->cluster, choice[i].text, strlen(choice[i].text), choice[i].append, ipam_by_self(), done, &c);
	l->delegation = wait_for(l, &c) == 0 && choice[i].delegation;
}

static void network(struct life *l)
{
	char node_name[IPAM_NAME_MAX + 1];
	uint64_t id, found;
	struct call c;

	if (any_child(l, IPAM_CLUSTER, l->cluster, &id, node_name) < 0)
		return;
	expect(l, &c, "");
	if (ipam_network_find(l->ipam, id, "net", &found) == 0)
		ipam_network_remove(l->ipam, id, "net", ipam_by_self(), done, &c);
	else
		ipam_network_make(l->ipam, id, "net", ipam_by_self(), done, &c);
	wait_for(l, &c);
}

static void reopen(struct life *l)
{
	ipam_close(l->ipam);
	open_it(l);
}

static const struct {
	unsigned weight;
	void (*fn)(struct life *l);
} kinds[] = {
	{ 26, make_lease },   { 12, remove_lease }, { 6, rename_lease }, { 8, write_lease }, { 8, attributes },
	{ 4, change_mode },   { 10, ephemeral },    { 10, group },       { 3, import },      { 5, node },
	{ 3, write_cluster }, { 2, network },       { 3, reopen },
};

static void random_step(struct life *l)
{
	unsigned total = 0, at;
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
		total += kinds[i].weight;
	at = random_below(&l->random, total);
	for (i = 0; at >= kinds[i].weight; i++)
		at -= kinds[i].weight;
	kinds[i].fn(l);
}

/* ---- a life ------------------------------------------------------------------------------------------------------ */

/* A node that grew: blocks that came with a lease are delegated, too. */
static bool grew(const struct moment *before, const struct moment *after)
{
	for (size_t i = 0; i < after->n; i++)
		if (after->line[i][0] == 'n') {
			char key[300];
			const char *line;

			snprintf(key, sizeof key, "%.*s", (int)strcspn(after->line[i], "\t"), after->line[i]);
			line = moment_line(before, key);
			if (line == NULL || strlen(line) < strlen(after->line[i]))
				return strstr(after->line[i], "network") == NULL;
		}
	return false;
}

static void end_step(struct life *l)
{
	struct work *w = l->w;
	struct moment *m;

	if (l->failed) {
		/* Nothing is stored any more until it is opened anew; a change that was refused may then be there. */
		record_fail_sync(0);
		reopen(l);
		l->several = l->refused = true;
		l->failed = false;
	}
	w->moment = reallocarray(w->moment, w->moments + 1, sizeof *w->moment);
	m = &w->moment[w->moments];
	*m = (struct moment){ 0 };
	moment_take(l->ipam, m);
	m->several = l->several;
	m->refused = l->refused;
	m->delegation = l->delegation || (w->moments > 0 && grew(m - 1, m));
	w->moments++;
	record_mark(RECORD_END, l->step, NULL);
}

static void begin_step(struct life *l)
{
	l->step = (unsigned)l->w->moments;
	l->delegation = l->several = l->refused = false;
	record_mark(RECORD_STEP, l->step, NULL);
}

/* A cluster with a few nodes, each change a step. */
static void settle_in(struct life *l)
{
	struct call c;

	begin_step(l);
	open_it(l);
	end_step(l);
	begin_step(l);
	expect(l, &c, "c/c");
	l->delegation = true;
	ipam_make(l->ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "c", IPAM_EXCLUSIVE, &owner, ipam_by_self(), done, &c);
	wait_for(l, &c);
	l->cluster = c.object.id;
	end_step(l);
	begin_step(l);
	expect(l, &c, "c/c");
	l->delegation = true;
	ipam_write(l->ipam, IPAM_CLUSTER_CIDRS, l->cluster, "10.0.0.0/21 29\nfd00::/48 64\n", 28, false, ipam_by_self(), done, &c);
	wait_for(l, &c);
	end_step(l);
	/* Small blocks, so that nodes grow: what is delegated with a lease is delegated as well. */
	begin_step(l);
	expect(l, &c, "c/c");
	ipam_write(l->ipam, IPAM_CLUSTER_SETTINGS, l->cluster, "max-blocks 4\n", 13, true, ipam_by_self(), done, &c);
	wait_for(l, &c);
	end_step(l);
	for (int i = 0; i < NODES; i++) {
		begin_step(l);
		node(l);
		end_step(l);
	}
}

void work_run(struct work *w, const char *dir, uint64_t seed, enum ipam_sync sync, unsigned steps, bool failing)
{
	struct life l = { .w = w, .random = { seed }, .sync = sync };

	snprintf(l.path, sizeof l.path, "%s/db", dir);
	record_directory(dir);
	settle_in(&l);
	for (unsigned i = 0; i < steps; i++) {
		begin_step(&l);
		if (failing && !record_failed() && random_below(&l.random, 6) == 0)
			record_fail_sync(1 + random_below(&l.random, 6));
		random_step(&l);
		end_step(&l);
		if (record_failed() && random_below(&l.random, 4) == 0)
			record_fail_sync(0); /* it may happen again */
	}
	record_fail_sync(0);
	begin_step(&l);
	ipam_close(l.ipam);
	record_mark(RECORD_END, l.step, NULL);
	record_directory(NULL);
	/* The clean end changes nothing. */
	w->moment = reallocarray(w->moment, w->moments + 1, sizeof *w->moment);
	w->moment[w->moments] = (struct moment){ 0 };
	moment_copy(&w->moment[w->moments], &w->moment[w->moments - 1]);
	w->moments++;
}

void work_free(struct work *w)
{
	for (size_t i = 0; i < w->moments; i++)
		moment_free(&w->moment[i]);
	free(w->moment);
	*w = (struct work){ 0 };
}
