/* What the engine that machines share has, laid beside what is here: all is asked of it anew, at one revision, and nothing that
 * the watch told is trusted. */
#include "ipam.h"

#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/registry.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/remote.h"
#include "shared/request_run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READ_MS = 10000, MIRROR_MS = 5000, TRIES = 4, BETWEEN = 300000000 /* ns */ };

/* A key of a block. */
struct key {
	uint64_t cluster, node; /* node 0: it rests */
	struct cidr cidr;
};

/* An address that is leased, as its machine published it, or as this one has it. */
struct held {
	uint64_t cluster, node;
	unsigned family;
	u128 addr;
	char *lease;
};

struct audit {
	struct remote *r;
	struct record *record; /* clusters and nodes, in the order of their ids */
	struct key *key;       /* in the order of their blocks */
	struct held *held;     /* in the order of their addresses */
	size_t records, keys, helds;
	char **finding;
	size_t findings;
	int64_t revision;
	struct ipam_audit count;
	int rc; /* -ENOMEM on the way */
};

static void found(struct audit *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for one more of an array: doubled when the count reaches a power of two. */
static void *more(struct audit *a, void *array, size_t count, size_t element)
{
	void *bigger = array;

	if ((count & (count - 1)) == 0)
		bigger = reallocarray(array, count == 0 ? 1 : count * 2, element);
	if (bigger == NULL)
		a->rc = -ENOMEM;
	return bigger;
}

static void found(struct audit *a, const char *format, ...)
{
	char **bigger = more(a, a->finding, a->findings, sizeof *bigger);
	va_list ap;

	if (bigger == NULL)
		return;
	a->finding = bigger;
	va_start(ap, format);
	if (vasprintf(&a->finding[a->findings], format, ap) < 0)
		a->rc = -ENOMEM;
	else
		a->findings++;
	va_end(ap);
}

static void forget(struct audit *a)
{
	for (size_t i = 0; i < a->records; i++)
		record_free(&a->record[i]);
	for (size_t i = 0; i < a->helds; i++)
		free(a->held[i].lease);
	for (size_t i = 0; i < a->findings; i++)
		free(a->finding[i]);
	free(a->record);
	free(a->key);
	free(a->held);
	free(a->finding);
	*a = (struct audit){ .r = a->r };
}

/* ---- what the engine has --------------------------------------------------------------------------------------------- */

static int take_record(struct audit *a, const struct record_name *name, const struct etcd_kv *kv)
{
	struct record *bigger = more(a, a->record, a->records, sizeof *bigger), *to;
	int rc;

	if (bigger == NULL)
		return -ENOMEM;
	a->record = bigger;
	to = &bigger[a->records];
	rc = record_decode(name->what == RECORD_CLUSTER ? IPAM_CLUSTER : IPAM_NODE, name->name, name->name_size, kv->value.data,
			   kv->value.size, to);
	if (rc == -EPROTO)
		found(a, "the record of '%.*s' isn't understood", (int)name->name_size, name->name);
	if (rc < 0)
		return rc == -EPROTO ? a->rc : rc;
	to->cluster = name->id;
	to->revision = kv->mod_revision;
	a->records++;
	a->count.clusters += name->what == RECORD_CLUSTER;
	a->count.nodes += name->what == RECORD_NODE;
	return 0;
}

static int take_key(struct audit *a, const struct record_name *name, const struct etcd_kv *kv)
{
	struct record_block b = { 0 };
	struct key *bigger = more(a, a->key, a->keys, sizeof *bigger);

	if (bigger == NULL)
		return -ENOMEM;
	a->key = bigger;
	if (record_decode_block(kv->value.data, kv->value.size, &b) < 0) {
		found(a, "the record of a block isn't understood: %.*s", (int)kv->key.size, kv->key.data);
		return a->rc;
	}
	bigger[a->keys++] = (struct key){ name->id, b.node, name->cidr };
	a->count.blocks += b.node != 0;
	a->count.resting += b.node == 0;
	return 0;
}

static int take_state(void *arg, const struct etcd_kv *kv)
{
	struct audit *a = arg;
	struct record_name name;

	if (record_parse_key(a->r->prefix, kv->key.data, kv->key.size, &name) < 0) {
		found(a, "the key '%.*s' isn't understood", (int)kv->key.size, kv->key.data);
		return a->rc;
	}
	return name.what == RECORD_BLOCK ? take_key(a, &name, kv) : take_record(a, &name, kv);
}

static int by_id(const void *x, const void *y)
{
	const struct record *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int by_block(const void *x, const void *y)
{
	const struct key *a = x, *b = y;

	if (a->cluster != b->cluster)
		return a->cluster < b->cluster ? -1 : 1;
	return cidr_compare(&a->cidr, &b->cidr);
}

static int by_address(const void *x, const void *y)
{
	const struct held *a = x, *b = y;

	if (a->cluster != b->cluster)
		return a->cluster < b->cluster ? -1 : 1;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static const struct record *record_of(const struct audit *a, uint64_t id)
{
	const struct record key = { .id = id };

	return a->records == 0 ? NULL : bsearch(&key, a->record, a->records, sizeof key, by_id);
}

static const char *name_of(const struct audit *a, uint64_t id)
{
	const struct record *r = record_of(a, id);

	return r == NULL ? "?" : r->name;
}

/* The key of the block that an address lies in: of those that don't overlap, the last that begins at or before it. */
static const struct key *key_of(const struct audit *a, uint64_t cluster, unsigned family, u128 addr)
{
	const struct key want = { .cluster = cluster, .cidr = { addr, (uint8_t)family, UINT8_MAX } };
	size_t low = 0, high = a->keys;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (by_block(&a->key[middle], &want) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || a->key[low - 1].cluster != cluster || !cidr_has(&a->key[low - 1].cidr, family, addr))
		return NULL;
	return &a->key[low - 1];
}

static bool has_line(const char *lines, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = lines; *p != 0; p += strcspn(p, "\n") + 1)
		if (strncmp(p, line, n) == 0 && p[n] == '\n')
			return true;
	return false;
}

/* ---- the engine by itself -------------------------------------------------------------------------------------------- */

static void check_keys(struct audit *a)
{
	for (size_t i = 0; i < a->keys; i++) {
		const struct key *k = &a->key[i];
		const struct record *n = k->node == 0 ? NULL : record_of(a, k->node);
		char text[CIDR_TEXT];

		cidr_print(&k->cidr, text);
		if (i > 0 && k[-1].cluster == k->cluster && cidr_overlap(&k[-1].cidr, &k->cidr))
			found(a, "cluster '%s': block '%s' overlaps another", name_of(a, k->cluster), text);
		if (k->node != 0 && (n == NULL || n->cluster != k->cluster || !has_line(n->cidrs, text)))
			found(a, "cluster '%s': block '%s' has the key of node '%s', whose record doesn't have it", name_of(a, k->cluster),
			      text, name_of(a, k->node));
	}
}

static void check_record(struct audit *a, const struct record *n)
{
	for (const char *p = n->cidrs; *p != 0; p += strcspn(p, "\n") + 1) {
		const struct key *k;
		struct cidr cidr;

		if (cidr_parse(p, strcspn(p, "\n"), &cidr) < 0) {
			found(a, "node '%s/%s' has '%.*s', which is no block", name_of(a, n->cluster), n->name, (int)strcspn(p, "\n"), p);
			continue;
		}
		k = key_of(a, n->cluster, cidr.family, cidr.base);
		if (k == NULL || k->node != n->id || cidr_compare(&k->cidr, &cidr) != 0)
			found(a, "node '%s/%s' has block '%.*s', whose key says something else, or isn't there", name_of(a, n->cluster),
			      n->name, (int)strcspn(p, "\n"), p);
	}
}

/* ---- here ------------------------------------------------------------------------------------------------------------ */

/* Under the lock. A node that has changed since isn't looked at. */
static void check_here(struct audit *a, const struct record *record)
{
	const struct node *n = registry_node_shared(&a->r->ipam->registry, record->id);
	const char *cluster = name_of(a, record->cluster);
	char *blocks;

	if (n == NULL) {
		found(a, "node '%s/%s' isn't here", cluster, record->name);
		return;
	}
	if (n->pending || n->revision > record->revision)
		return;
	if (n->revision < record->revision)
		found(a, "node '%s/%s' is here as of revision %lld, and is of %lld", cluster, record->name, (long long)n->revision,
		      (long long)record->revision);
	blocks = record_node_cidrs(n);
	if (blocks == NULL)
		a->rc = -ENOMEM;
	else if (strcmp(blocks, record->cidrs) != 0 || strcmp(n->name, record->name) != 0)
		found(a, "node '%s/%s' has other blocks here, or another name", cluster, record->name);
	free(blocks);
}

static void add_held(struct audit *a, const struct held *held, const char *node, const char *lease)
{
	struct held *bigger = more(a, a->held, a->helds, sizeof *bigger);

	if (bigger == NULL)
		return;
	a->held = bigger;
	bigger[a->helds] = *held;
	if (asprintf(&bigger[a->helds].lease, "%s/%s", node, lease) < 0)
		a->rc = -ENOMEM;
	else
		a->helds++;
}

/* Own leases are taken from memory: what is published of them may be a moment older. */
static void take_own(struct audit *a, const struct node *n)
{
	const struct registry *reg = &a->r->ipam->registry;

	for (uint32_t h = n->first; h != 0; h = registry_lease(reg, h)->next) {
		const struct lease *l = registry_lease(reg, h);

		for (unsigned f = 0; f < CIDR_FAMILIES && !l->pending; f++)
			if (lease_has(l, f)) {
				const struct held held = {
					.cluster = n->cluster->shared, .node = n->shared, .family = f, .addr = lease_addr(l, f)
				};

				add_held(a, &held, n->name, l->name);
			}
		a->count.leases += !l->pending;
	}
}

static void check_memory(struct audit *a)
{
	struct ipam *ipam = a->r->ipam;

	pthread_rwlock_rdlock(&ipam->lock);
	for (size_t i = 0; i < a->records; i++)
		if (a->record[i].kind == IPAM_NODE)
			check_here(a, &a->record[i]);
	for (const struct cluster *c = ipam->registry.first; c != NULL; c = c->next)
		for (const struct node *n = c->first; n != NULL; n = n->next) {
			if (n->held == NODE_HELD_HERE)
				take_own(a, n);
			if (!n->pending && n->doubt != NODE_ORPHANED && n->revision <= a->revision && record_of(a, n->shared) == NULL)
				found(a, "node '%s/%s' is here alone", c->name, n->name);
		}
	pthread_rwlock_unlock(&ipam->lock);
}

/* ---- leases ------------------------------------------------------------------------------------------------------------ */

static int take_bucket(void *arg, const struct etcd_kv *kv)
{
	struct audit *a = arg;
	struct record_name name;
	const struct record *n;
	const json_t *it, *address;
	json_t *list;
	size_t i, k;

	if (record_parse_key(a->r->prefix, kv->key.data, kv->key.size, &name) < 0 || name.what != RECORD_LEASES)
		return 0;
	n = record_of(a, name.id);
	if (n == NULL || strcmp(n->machine, a->r->machine) == 0)
		return 0; /* made since; or taken from memory */
	list = json_loadb(kv->value.data, kv->value.size, JSON_ALLOW_NUL, NULL);
	if (!json_is_array(list))
		found(a, "node '%s/%s': what is published of its leases isn't understood", name_of(a, n->cluster), n->name);
	json_array_foreach(list, i, it) {
		const char *lease = json_string_value(json_object_get(it, "name"));

		a->count.leases++;
		json_array_foreach(json_object_get(it, "addresses"), k, address) {
			const char *s = json_string_value(address);
			struct held held = { .cluster = n->cluster, .node = n->id };
			uint8_t family;

			if (s == NULL || lease == NULL || cidr_parse_addr(s, strlen(s), &family, &held.addr) < 0) {
				found(a, "node '%s/%s': what is published of its leases isn't understood", name_of(a, n->cluster), n->name);
				continue;
			}
			held.family = family;
			add_held(a, &held, n->name, lease);
		}
	}
	json_decref(list);
	return a->rc;
}

static void check_leases(struct audit *a)
{
	if (a->helds > 1)
		qsort(a->held, a->helds, sizeof *a->held, by_address);
	for (size_t i = 0; i < a->helds; i++) {
		const struct held *h = &a->held[i];
		const struct key *k = key_of(a, h->cluster, h->family, h->addr);
		char text[CIDR_ADDR_TEXT];

		cidr_print_addr(h->family, h->addr, text);
		if (i > 0 && by_address(h - 1, h) == 0)
			found(a, "cluster '%s': '%s' is held by '%s' and by '%s'", name_of(a, h->cluster), text, h[-1].lease, h->lease);
		if (k == NULL)
			found(a, "cluster '%s': '%s' of '%s' is in no block that the engine knows", name_of(a, h->cluster), text, h->lease);
		else if (k->node != h->node && k->node != 0)
			found(a, "cluster '%s': '%s' of '%s' is in a block of node '%s'", name_of(a, h->cluster), text, h->lease,
			      name_of(a, k->node));
		else if (k->node != h->node)
			found(a, "cluster '%s': '%s' of '%s' is in a block that was taken by force, and rests", name_of(a, h->cluster),
			      text, h->lease);
	}
}

/* ---- all of it -------------------------------------------------------------------------------------------------------- */

static int read_all(struct audit *a, const char *kind, int (*fn)(void *arg, const struct etcd_kv *kv), int64_t *revision,
		    struct ipam_error *error)
{
	char key[RECORD_KEY], end[RECORD_KEY + 1];
	struct etcd_key from = { key, record_key(a->r->prefix, kind, key) };
	int rc = etcd_range(a->r->etcd, from, (struct etcd_key){ end, etcd_prefix_end(from, end) }, READ_MS, fn, a, revision, error);

	return rc == 0 ? a->rc : rc;
}

static int run(struct audit *a, struct ipam_error *error)
{
	int rc = read_all(a, "state/", take_state, &a->revision, error);

	if (rc < 0)
		return rc;
	if (!remote_await(a->r, a->revision, remote_now_ms() + MIRROR_MS)) {
		snprintf(error->text, sizeof error->text, "this mount lags behind: revision %lld isn't here yet", (long long)a->revision);
		return -EHOSTUNREACH;
	}
	a->count.revision = a->revision;
	if (a->records > 1)
		qsort(a->record, a->records, sizeof *a->record, by_id);
	if (a->keys > 1)
		qsort(a->key, a->keys, sizeof *a->key, by_block);
	check_keys(a);
	for (size_t i = 0; i < a->records; i++)
		if (a->record[i].kind == IPAM_NODE)
			check_record(a, &a->record[i]);
	check_memory(a);
	rc = read_all(a, "leases/", take_bucket, NULL, error);
	if (rc == 0)
		check_leases(a);
	return rc == 0 ? a->rc : rc;
}

int ipam_audit(struct ipam *ipam, void (*finding)(void *arg, const char *text), void *arg, struct ipam_audit *out, struct ipam_error *error)
{
	struct audit a = { .r = ipam->remote };
	int rc;

	*out = (struct ipam_audit){ 0 };
	error->text[0] = 0;
	if (ipam->remote == NULL)
		return -EOPNOTSUPP;
	/* Who waits for the engine holds a thread of the mount's: not all of them. */
	if (atomic_exchange(&ipam->remote->auditing, true)) {
		snprintf(error->text, sizeof error->text, "somebody else is asking for the same; try again");
		return -EBUSY;
	}
	/* Others go on meanwhile: what is found is looked for again before it counts. */
	rc = run(&a, error);
	for (int i = 1; rc == 0 && a.findings > 0 && i < TRIES; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = BETWEEN }, NULL);
		forget(&a);
		rc = run(&a, error);
	}
	for (size_t i = 0; rc == 0 && i < a.findings; i++)
		finding(arg, a.finding[i]);
	*out = a.count;
	if (rc < 0 && error->text[0] == 0)
		snprintf(error->text, sizeof error->text, "%s", strerror(-rc));
	forget(&a);
	atomic_store(&ipam->remote->auditing, false);
	return rc;
}
