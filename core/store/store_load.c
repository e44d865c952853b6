#include "store/store_load.h"

#include "registry/block.h"
#include "registry/network.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "store/store.h"
#include "store/store_db.h"
#include "text/label.h"
#include "text/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the loading functions share. */
struct load {
	struct store *s;
	struct registry *r;
	struct store_loaded *out;
	struct ipam_error *error;
};

static int refuse(struct load *l, int rc, const char *format, ...)
{
	va_list ap;
	int n = 0;

	if (rc == -EUCLEAN)
		n = snprintf(l->error->text, sizeof l->error->text,
			     "the database contradicts itself ('ipamctl check' tells all, 'ipamctl check --repair' makes it anew): ");
	va_start(ap, format);
	vsnprintf(l->error->text + n, sizeof l->error->text - (size_t)n, format, ap);
	va_end(ap);
	return rc;
}

static int unreadable(struct load *l, int code)
{
	bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;

	return refuse(l, store_error(code), "reading the database: %s%s", sqlite3_errstr(code),
		      damaged ? "; 'ipamctl check --repair' makes another of what can be read, or restore a backup" : "");
}

static const char *text(sqlite3_stmt *row, int column)
{
	const char *s = (const char *)sqlite3_column_text(row, column);

	return s != NULL ? s : "";
}

static uint64_t id(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

static void get_attr(sqlite3_stmt *row, int column, struct ipam_attr *a)
{
	a->uid = (uint32_t)sqlite3_column_int64(row, column);
	a->gid = (uint32_t)sqlite3_column_int64(row, column + 1);
	a->mode = (uint32_t)sqlite3_column_int64(row, column + 2) & 07777;
	a->atime = sqlite3_column_int64(row, column + 3);
	a->mtime = sqlite3_column_int64(row, column + 4);
	a->ctime = sqlite3_column_int64(row, column + 5);
	a->btime = sqlite3_column_int64(row, column + 6);
}

/* fn for each row of a query. */
static int each(struct load *l, const char *sql, int (*fn)(struct load *l, sqlite3_stmt *row))
{
	sqlite3_stmt *stmt;
	int code, rc = 0;

	code = sqlite3_prepare_v2(l->s->db, sql, -1, &stmt, NULL);
	while (code == SQLITE_OK || (rc == 0 && code == SQLITE_ROW)) {
		code = sqlite3_step(stmt);
		if (code == SQLITE_ROW)
			rc = fn(l, stmt);
	}
	sqlite3_finalize(stmt);
	if (rc == 0 && code != SQLITE_DONE)
		rc = unreadable(l, code);
	return rc;
}

static int load_sequence(struct load *l, sqlite3_stmt *row)
{
	l->out->next_id = id(row, 0);
	if (l->out->next_id == 0 || l->out->next_id > IPAM_ID_END)
		return refuse(l, -EUCLEAN, "the next id, %" PRIu64 ", is none that can be given", l->out->next_id);
	return 0;
}

/* A name is a name of a file, wherever it comes from: one that leads elsewhere is never shown. */
static int check_name(struct load *l, enum ipam_kind kind, const char *name)
{
	return ipam_check_name(kind, name) < 0 ? refuse(l, -EUCLEAN, "'%s' is no name", name) : 0;
}

static int load_history(struct load *l, sqlite3_stmt *row)
{
	l->out->next_history = id(row, 0) + 1;
	l->out->last_event = sqlite3_column_int64(row, 1);
	return 0;
}

static int load_boot(struct load *l, sqlite3_stmt *row)
{
	uint16_t index;

	return registry_boot(l->r, id(row, 0), text(row, 1), &index);
}

static int load_cluster(struct load *l, sqlite3_stmt *row)
{
	struct cluster *c;
	int rc = check_name(l, IPAM_CLUSTER, text(row, 1));

	if (rc < 0)
		return rc;
	rc = registry_add_cluster(l->r, id(row, 0), text(row, 1), &c);
	if (rc == 0) {
		get_attr(row, 2, &c->attr);
		c->shared = id(row, 9);
		c->revision = sqlite3_column_int64(row, 10);
	}
	return rc == -EEXIST ? refuse(l, -EUCLEAN, "two clusters '%s'", text(row, 1)) : rc;
}

static int load_reserved(struct load *l, sqlite3_stmt *row)
{
	struct cluster *c = registry_cluster(l->r, id(row, 0));
	const char *range = text(row, 1);
	struct ipam_reserved *bigger;

	if (c == NULL)
		return refuse(l, -EUCLEAN, "reserved range '%s' of no cluster", range);
	bigger = reallocarray(c->reserved, c->reserveds + 1, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	c->reserved = bigger;
	if (cidr_parse_range(range, strlen(range), &bigger[c->reserveds].range) < 0)
		return refuse(l, -EUCLEAN, "'%s' is no reserved range", range);
	bigger[c->reserveds].services = sqlite3_column_int(row, 2) != 0;
	c->reserveds++;
	return 0;
}

static int load_cidr(struct load *l, sqlite3_stmt *row)
{
	struct cluster *c = registry_cluster(l->r, id(row, 0));
	const char *s = text(row, 1), *selector = text(row, 3);
	int mask = sqlite3_column_int(row, 2);
	struct cluster_cidr **bigger, *cc;
	struct cidr cidr;
	int rc;

	if (c == NULL || cidr_parse(s, strlen(s), &cidr) < 0 || mask < cidr.len || mask > (int)cidr_bits(cidr.family) - 2)
		return refuse(l, -EUCLEAN, "cidr '%s %d'", s, mask);
	for (size_t i = 0; i < c->cidrs; i++)
		if (cidr_overlap(&c->cidr[i]->cidr, &cidr))
			return refuse(l, -EUCLEAN, "cidr '%s' overlaps another of cluster '%s'", s, c->name);
	bigger = reallocarray(c->cidr, c->cidrs + 1, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	c->cidr = bigger;
	rc = cluster_cidr_new(&cidr, (unsigned)mask, &cc);
	if (rc < 0)
		return rc;
	c->cidr[c->cidrs++] = cc;
	if (sqlite3_column_type(row, 3) != SQLITE_NULL)
		rc = selector_parse(selector, strlen(selector), &cc->selector);
	if (rc == -EINVAL)
		return refuse(l, -EUCLEAN, "cidr '%s' of cluster '%s': '%s' is no selector", s, c->name, selector);
	cluster_order_cidr(c, cc);
	return rc < 0 ? rc : cluster_cidr_exclude(cc, c->reserved, c->reserveds);
}

static int load_node(struct load *l, sqlite3_stmt *row)
{
	struct cluster *c = registry_cluster(l->r, id(row, 1));
	struct node *n;
	int rc = check_name(l, IPAM_NODE, text(row, 2));

	if (rc < 0)
		return rc;
	if (c == NULL)
		return refuse(l, -EUCLEAN, "node '%s' of no cluster", text(row, 2));
	rc = registry_add_node(l->r, c, id(row, 0), text(row, 2), &n);
	if (rc == 0) {
		get_attr(row, 3, &n->attr);
		if (id(row, 10) != 0)
			rc = registry_share_node(l->r, n, id(row, 10));
		n->revision = sqlite3_column_int64(row, 11);
		n->held = (uint8_t)sqlite3_column_int(row, 12);
		n->doubt = (uint8_t)sqlite3_column_int(row, 13);
	}
	return rc == -EEXIST ? refuse(l, -EUCLEAN, "two nodes '%s/%s'", c->name, text(row, 2)) : rc;
}

static int load_label(struct load *l, sqlite3_stmt *row)
{
	struct node *n = registry_node(l->r, id(row, 0));
	const char *key = text(row, 1), *value = text(row, 2);
	struct label label = { key, value, strlen(key), strlen(value) };
	char *labels, *word = NULL;
	int rc = n == NULL ? -EINVAL : asprintf(&word, "%s=%s", key, value) < 0 ? -ENOMEM : 0;

	if (rc == 0)
		rc = label_parse(word, strlen(word), &label);
	if (rc == 0)
		rc = labels_make(n->labels, &label, 1, &labels);
	if (rc == 0) {
		free(n->labels);
		n->labels = labels;
	}
	free(word);
	return rc == -EINVAL || rc == -ENOSPC ? refuse(l, -EUCLEAN, "label '%s=%s'", key, value) : rc;
}

static int load_setting(struct load *l, sqlite3_stmt *row)
{
	struct cluster *c = registry_cluster(l->r, id(row, 0));
	struct node *n = registry_node(l->r, id(row, 0));
	struct settings *to = c != NULL ? &c->settings : n != NULL ? &n->settings : NULL;
	enum ipam_setting setting;
	uint64_t value;

	if (to == NULL || settings_parse(text(row, 1), strlen(text(row, 1)), text(row, 2), strlen(text(row, 2)), &setting, &value) < 0)
		return refuse(l, -EUCLEAN, "setting '%s %s'", text(row, 1), text(row, 2));
	to->set |= 1u << setting;
	to->value[setting] = value;
	return 0;
}

static int load_block(struct load *l, sqlite3_stmt *row)
{
	struct node *n = registry_node(l->r, id(row, 2));
	const char *s = text(row, 3);
	struct cluster_cidr *from;
	struct block *b;
	struct cidr cidr;
	u128 slot;
	int rc;

	if (n == NULL || n->cluster->id != id(row, 1) || cidr_parse(s, strlen(s), &cidr) < 0)
		return refuse(l, -EUCLEAN, "block '%s' of no node", s);
	from = cluster_cidr_of(n->cluster, &cidr);
	if (from == NULL || from->node_mask != cidr.len || pool_slot(&from->pool, cidr.base, &slot) < 0)
		return refuse(l, -EUCLEAN, "block '%s' of '%s/%s' is none of the cluster's", s, n->cluster->name, n->name);
	rc = pool_restore(&from->pool, slot);
	if (rc < 0)
		return rc == -EADDRINUSE ? refuse(l, -EUCLEAN, "block '%s' is delegated twice", s) : rc;
	pool_set_cursor(&from->pool, slot); /* in the order made: the last one stays */
	rc = block_new(n, id(row, 0), from, &cidr, &b);
	if (rc < 0)
		return rc;
	rc = block_exclude(b, node_setting(n, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST, n->cluster->reserved, n->cluster->reserveds);
	if (rc == 0)
		rc = node_add_block(n, b);
	if (rc < 0) {
		block_free(b);
		return rc;
	}
	if (sqlite3_column_type(row, 4) == SQLITE_TEXT) {
		uint8_t family;
		u128 addr;

		s = text(row, 4);
		if (cidr_parse_addr(s, strlen(s), &family, &addr) == 0 && family == cidr.family && pool_slot(&b->pool, addr, &slot) == 0) {
			pool_set_cursor(&b->pool, slot);
			b->given_lease = id(row, 5);
		}
	}
	return 0;
}

static int load_address(struct load *l, uint32_t handle, unsigned family, const char *s)
{
	struct lease *lease = registry_lease(l->r, handle);
	struct node *n = lease_node(l->r, lease);
	struct block *b = NULL;
	uint8_t parsed;
	u128 addr, slot;
	int rc;

	if (cidr_parse_addr(s, strlen(s), &parsed, &addr) == 0 && parsed == family)
		b = node_block_of(n, family, addr);
	if (b == NULL)
		return refuse(l, -EUCLEAN, "lease '%s/%s/%s': '%s' is in no block of its node", n->cluster->name, n->name, lease->name, s);
	slot = addr - b->pool.prefix.base;
	rc = pool_restore(&b->pool, slot);
	if (rc == 0)
		rc = registry_set_addr(l->r, handle, family, addr);
	if (rc == -EADDRINUSE)
		return refuse(l, -EUCLEAN, "lease '%s/%s/%s': '%s' is held twice", n->cluster->name, n->name, lease->name, s);
	/* Leases come in the order made, so the last one says where next-fit goes on, unless a later one is gone. */
	if (rc == 0 && lease->id >= b->given_lease) {
		pool_set_cursor(&b->pool, slot);
		b->given_lease = lease->id;
	}
	return rc;
}

/* All but its name and node. */
static int fill_lease(struct load *l, uint32_t handle, sqlite3_stmt *row)
{
	struct lease *lease = registry_lease(l->r, handle);
	struct ipam_attr a;
	uint16_t boot = 0;
	int rc = registry_boot(l->r, id(row, 14), "", &boot);

	if (rc < 0)
		return rc;
	get_attr(row, 6, &a);
	lease->uid = a.uid;
	lease->gid = a.gid;
	lease->mode = (uint16_t)a.mode;
	lease->atime = a.atime;
	lease->mtime = a.mtime;
	lease->ctime = a.ctime;
	lease->btime = a.btime;
	lease->generation = (uint32_t)sqlite3_column_int64(row, 13);
	lease->boot = boot;
	lease->ephemeral = sqlite3_column_int(row, 15) != 0;
	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++)
		if (sqlite3_column_type(row, 4 + (int)f) == SQLITE_TEXT)
			rc = load_address(l, handle, f, text(row, 4 + (int)f));
	return rc;
}

static int load_lease(struct load *l, sqlite3_stmt *row)
{
	struct node *n = registry_node(l->r, id(row, 2));
	uint32_t handle;
	int rc = check_name(l, IPAM_LEASE, text(row, 3));

	if (rc < 0)
		return rc;
	if (n == NULL || n->cluster->id != id(row, 1))
		return refuse(l, -EUCLEAN, "lease '%s' of no node", text(row, 3));
	rc = registry_add_lease(l->r, n, id(row, 0), text(row, 3), &handle);
	if (rc == -EEXIST)
		return refuse(l, -EUCLEAN, "two leases '%s/%s/%s'", n->cluster->name, n->name, text(row, 3));
	return rc < 0 ? rc : fill_lease(l, handle, row);
}

static int load_xattr(struct load *l, sqlite3_stmt *row)
{
	uint32_t handle = registry_find_lease(l->r, id(row, 0));
	const char *name = text(row, 1);

	if (handle == 0)
		return refuse(l, -EUCLEAN, "attribute '%s' of no lease", name);
	if (strlen(name) > IPAM_NAME_MAX)
		return refuse(l, -EUCLEAN, "attribute name '%s' too long", name);
	return lease_xattr_put(registry_lease(l->r, handle), name, sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2));
}

static int load_rest(struct load *l, sqlite3_stmt *row)
{
	struct store_rest *rest;
	const char *s = text(row, 1);

	/* Doubling by powers of two. */
	if ((l->out->rests & (l->out->rests - 1)) == 0) {
		rest = reallocarray(l->out->rest, l->out->rests == 0 ? 1 : l->out->rests * 2, sizeof *rest);
		if (rest == NULL)
			return -ENOMEM;
		l->out->rest = rest;
	}
	rest = &l->out->rest[l->out->rests];
	rest->cluster = id(row, 0);
	rest->until = sqlite3_column_int64(row, 2);
	if (cidr_parse_addr(s, strlen(s), &rest->family, &rest->addr) < 0)
		return refuse(l, -EUCLEAN, "'%s' is no address to rest", s);
	l->out->rests++;
	return 0;
}

static int load_network(struct load *l, sqlite3_stmt *row)
{
	struct node *n = registry_node(l->r, id(row, 1));
	struct network *w;

	if (n == NULL)
		return refuse(l, -EUCLEAN, "network '%s' of no node", text(row, 2));
	return registry_add_network(l->r, n, id(row, 0), text(row, 2), &w);
}

static int load_last(struct load *l, sqlite3_stmt *row)
{
	struct network *w = registry_network(l->r, id(row, 0));
	const char *s = text(row, 2);
	int rc = w == NULL ? -ENOENT : network_room(w);
	uint8_t family;
	u128 addr;

	if (rc == 0 && cidr_parse_addr(s, strlen(s), &family, &addr) < 0)
		rc = -EINVAL;
	if (rc == 0)
		network_set_last(w, (unsigned)sqlite3_column_int(row, 1) & 0xff, family, addr);
	return rc == 0 || rc == -ENOMEM ? rc : refuse(l, -EUCLEAN, "'%s' as last address of a network", s);
}

struct step {
	const char *sql;
	int (*fn)(struct load *l, sqlite3_stmt *row);
};

static const struct step all[] = {
	{ "SELECT id, boot_id FROM boot ORDER BY id", load_boot },
	{ "SELECT id, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision FROM cluster ORDER BY id", load_cluster },
	{ "SELECT cluster, range, services FROM reserved ORDER BY cluster, position", load_reserved },
	{ "SELECT cluster, cidr, node_mask, selector FROM cidr ORDER BY cluster, position", load_cidr },
	{ "SELECT id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision, held, doubt"
	  " FROM node ORDER BY id",
	  load_node },
	{ "SELECT node, key, value FROM label ORDER BY node, key", load_label },
	{ "SELECT owner, key, value FROM setting", load_setting },
	{ "SELECT id, cluster, node, cidr, given, given_lease FROM block ORDER BY id", load_block },
	{ "SELECT * FROM lease ORDER BY id", load_lease },
	{ "SELECT lease, name, value FROM lease_xattr", load_xattr },
};

/* What is small, and changes with leases: read last, and always as it is now. */
static const struct step rest[] = {
	{ "SELECT next_id FROM sequence", load_sequence },
	{ "SELECT cluster, address, until FROM resting", load_rest },
	{ "SELECT id, node, name FROM network ORDER BY id", load_network },
	{ "SELECT network, range, address FROM network_last", load_last },
	{ "SELECT ifnull(max(id), 0), (SELECT time FROM history ORDER BY id DESC LIMIT 1) FROM history", load_history },
};

static int run_steps(struct load *l, const struct step *step, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = each(l, step[i].sql, step[i].fn);
	return rc;
}

/* One transaction: one moment, though someone writes with a shell. */
static int in_one_moment(struct load *l, int (*fn)(struct load *l, const void *arg), const void *arg)
{
	int rc;

	*l->out = (struct store_loaded){ 0 };
	l->error->text[0] = 0;
	rc = store_run(l->s, "BEGIN", "");
	if (rc == 0)
		rc = fn(l, arg);
	if (rc == 0)
		rc = run_steps(l, rest, sizeof rest / sizeof *rest);
	if (rc == 0 && l->out->next_id == 0)
		rc = refuse(l, -EUCLEAN, "no sequence of ids");
	store_rollback(l->s);
	if (rc < 0) {
		free(l->out->rest);
		*l->out = (struct store_loaded){ 0 };
		if (l->error->text[0] == 0)
			refuse(l, rc, "loading: %s", strerror(-rc));
	}
	return rc;
}

static int load_all(struct load *l, const void *arg)
{
	(void)arg;
	return run_steps(l, all, sizeof all / sizeof *all);
}

int store_load(struct store *s, struct registry *r, struct store_loaded *loaded, struct ipam_error *error)
{
	struct load l = { s, r, loaded, error };

	return in_one_moment(&l, load_all, NULL);
}

/* ---- catching up ------------------------------------------------------------------------------------------- */

/* fn for the rows of one lease: *rows says how many. */
static int each_of(struct load *l, const char *sql, uint64_t lease, int (*fn)(struct load *l, sqlite3_stmt *row), size_t *rows)
{
	sqlite3_stmt *stmt;
	int code, rc = store_prepare(l->s, sql, &stmt);

	*rows = 0;
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (int64_t)lease);
	while (rc == 0 && (code = sqlite3_step(stmt)) != SQLITE_DONE) {
		rc = code == SQLITE_ROW ? fn(l, stmt) : unreadable(l, code);
		++*rows;
	}
	sqlite3_reset(stmt);
	return rc;
}

/* Its addresses go, so that those of the others that were changed find them free. */
static void strip(struct load *l, uint32_t handle)
{
	struct lease *lease = registry_lease(l->r, handle);

	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		u128 addr = lease_addr(lease, f);
		struct block *b = lease_has(lease, f) ? node_block_of(lease_node(l->r, lease), f, addr) : NULL;

		if (b != NULL)
			pool_release(&b->pool, addr - b->pool.prefix.base);
		if (lease_has(lease, f))
			registry_unset_addr(l->r, handle, f);
	}
	xattr_free_all(lease->xattr);
	lease->xattr = NULL;
}

static int count_row(struct load *l, sqlite3_stmt *row)
{
	(void)l;
	(void)row;
	return 0;
}

/* It is there already, without addresses and attributes. */
static int load_again(struct load *l, sqlite3_stmt *row)
{
	uint32_t handle = registry_find_lease(l->r, id(row, 0));
	struct lease *lease = registry_lease(l->r, handle);
	int rc = check_name(l, IPAM_LEASE, text(row, 3));

	if (rc < 0)
		return rc;
	if (lease_node(l->r, lease)->id != id(row, 2))
		return refuse(l, -EUCLEAN, "lease '%s' is in another node than before", lease->name);
	if (strcmp(lease->name, text(row, 3)) != 0)
		rc = registry_rename_lease(l->r, handle, text(row, 3));
	return rc < 0 ? rc : fill_lease(l, handle, row);
}

static int load_given(struct load *l, sqlite3_stmt *row)
{
	struct node *n = registry_node(l->r, id(row, 0));
	const char *s = text(row, 1);
	struct block *b = NULL;
	uint8_t family;
	u128 addr, slot;

	if (n != NULL && cidr_parse_addr(s, strlen(s), &family, &addr) == 0)
		b = node_block_of(n, family, addr);
	if (b == NULL || id(row, 2) < b->given_lease || pool_slot(&b->pool, addr, &slot) < 0)
		return 0;
	pool_set_cursor(&b->pool, slot);
	b->given_lease = id(row, 2);
	return 0;
}

static int catch_up(struct load *l, const void *arg)
{
	const struct ipam_touched *t = arg;
	size_t rows, some;
	int rc = 0;

	registry_remove_networks(l->r, NULL);
	for (size_t i = 0; i < t->leases; i++) {
		uint32_t h = registry_find_lease(l->r, t->lease[i]);

		if (h != 0)
			strip(l, h);
	}
	for (size_t i = 0; rc == 0 && i < t->leases; i++) {
		uint32_t h = registry_find_lease(l->r, t->lease[i]);

		rc = each_of(l, "SELECT 1 FROM lease WHERE id = ?", t->lease[i], count_row, &rows);
		if (rc == 0 && rows == 0 && h != 0)
			registry_remove_lease(l->r, h);
	}
	rc = rc < 0 ? rc : each(l, "SELECT node, given, given_lease FROM block WHERE given IS NOT NULL", load_given);
	for (size_t i = 0; rc == 0 && i < t->leases; i++) {
		bool known = registry_find_lease(l->r, t->lease[i]) != 0;

		rc = each_of(l, "SELECT * FROM lease WHERE id = ?", t->lease[i], known ? load_again : load_lease, &rows);
		if (rc == 0 && rows > 0)
			rc = each_of(l, "SELECT lease, name, value FROM lease_xattr WHERE lease = ?", t->lease[i], load_xattr, &some);
	}
	return rc;
}

int store_catch_up(struct store *s, struct registry *r, const struct ipam_touched *touched, struct store_loaded *loaded,
		   struct ipam_error *error)
{
	struct load l = { s, r, loaded, error };

	return in_one_moment(&l, catch_up, touched);
}
