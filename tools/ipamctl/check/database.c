#include "ipamctl/check/database.h"

#include "base/bitset.h"
#include "ipam.h"
#include "ipamctl/progress.h"
#include "store/schema.h"
#include "text/label.h"
#include "text/settings.h"
#include "text/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the checks of leases look things up in: all clusters and blocks, sorted. */
struct zone {
	uint64_t id;
	char *name;
	struct text_cidr *cidr;
	size_t cidrs;
	struct ipam_reserved *reserved;
	size_t reserveds;
	bool gateway_none;
	struct bitset held[CIDR_FAMILIES];
};

struct delegation {
	uint64_t cluster, node;
	struct cidr cidr;
	bool gateway;
	char *node_name;
};

struct rows {
	struct zone *zone;
	size_t zones;
	struct delegation *block;
	size_t blocks;
	struct progress progress;
	uint64_t next_id;
};

/* Room for one more: doubled when the count reaches a power of two. */
static void *more(void *array, size_t count, size_t element)
{
	void *bigger = array;

	if ((count & (count - 1)) == 0)
		bigger = reallocarray(array, count == 0 ? 1 : count * 2, element);
	if (bigger == NULL)
		abort(); /* a check without memory proves nothing */
	return bigger;
}

static struct zone *zone_of(struct rows *r, uint64_t id)
{
	size_t low = 0, high = r->zones; /* in the order of their ids */

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->zone[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->zones && r->zone[low].id == id ? &r->zone[low] : NULL;
}

static uint64_t id(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

/* ---- clusters ----------------------------------------------------------------------------------------------- */

static void take_cluster(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct rows *r = arg;
	const char *name = check_text(row, 1);

	c->clusters++;
	r->zone = more(r->zone, r->zones, sizeof *r->zone);
	r->zone[r->zones++] = (struct zone){ .id = id(row, 0), .name = strdup(name) };
	if (ipam_check_name(IPAM_CLUSTER, name) < 0)
		check_finding(c, "cluster '%s': not a valid name", name);
	if (id(row, 0) >= r->next_id)
		check_finding(c, "cluster '%s': its id was not given yet", name);
}

static void check_selector(struct check *c, const struct zone *z, const char *cidr, const char *selector)
{
	char *canonical = NULL;

	if (selector_parse(selector, strlen(selector), &canonical) < 0)
		check_finding(c, "cluster '%s': cidr '%s': '%s' is no selector", z->name, cidr, selector);
	else if (strcmp(selector, canonical) != 0)
		check_finding(c, "cluster '%s': cidr '%s': selector '%s' isn't written as '%s'", z->name, cidr, selector, canonical);
	free(canonical);
}

static void take_cidr(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct zone *z = zone_of(arg, id(row, 0));
	const char *s = check_text(row, 1);
	int mask = sqlite3_column_int(row, 2);
	char canonical[CIDR_TEXT], first[33], last[33];
	struct cidr cidr;

	if (z == NULL || cidr_parse(s, strlen(s), &cidr) < 0) {
		check_finding(c, "cidr '%s': of no cluster, or no CIDR", s);
		return;
	}
	cidr_print(&cidr, canonical);
	cidr_print_key(cidr.family, cidr.base, first);
	cidr_print_key(cidr.family, cidr_last(&cidr), last);
	if (strcmp(s, canonical) != 0 || strcmp(first, check_text(row, 3)) != 0 || strcmp(last, check_text(row, 4)) != 0)
		check_finding(c, "cluster '%s': cidr '%s' and its keys disagree", z->name, s);
	if (mask < cidr.len || mask > (int)cidr_bits(cidr.family) - 2)
		check_finding(c, "cluster '%s': cidr '%s' with node mask /%d", z->name, s, mask);
	if (sqlite3_column_type(row, 5) != SQLITE_NULL)
		check_selector(c, z, s, check_text(row, 5));
	for (size_t i = 0; i < z->cidrs; i++)
		if (cidr_overlap(&z->cidr[i].cidr, &cidr))
			check_finding(c, "cluster '%s': cidr '%s' overlaps another of its", z->name, s);
	z->cidr = more(z->cidr, z->cidrs, sizeof *z->cidr);
	z->cidr[z->cidrs++] = (struct text_cidr){ .cidr = cidr, .node_mask = (uint8_t)mask };
}

static void take_reserved(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct zone *z = zone_of(arg, id(row, 0));
	const char *s = check_text(row, 1);
	struct ipam_reserved range = { .services = sqlite3_column_int(row, 2) != 0 };

	if (z == NULL || cidr_parse_range(s, strlen(s), &range.range) < 0) {
		check_finding(c, "reserved '%s': of no cluster, or no range", s);
		return;
	}
	z->reserved = more(z->reserved, z->reserveds, sizeof *z->reserved);
	z->reserved[z->reserveds++] = range;
}

/* ---- nodes and blocks --------------------------------------------------------------------------------------- */

static void take_node(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct rows *r = arg;
	struct zone *z = zone_of(r, id(row, 1));
	const char *name = check_text(row, 2);

	c->nodes++;
	if (z == NULL)
		check_finding(c, "node '%s': of no cluster", name);
	if (ipam_check_name(IPAM_NODE, name) < 0)
		check_finding(c, "node '%s': not a valid name", name);
	if (id(row, 0) >= r->next_id)
		check_finding(c, "node '%s': its id was not given yet", name);
}

static void take_block(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct rows *r = arg;
	struct zone *z = zone_of(r, id(row, 0));
	const char *s = check_text(row, 2), *node = check_text(row, 5), *gateway = check_text(row, 7);
	char canonical[CIDR_TEXT], first[33], last[33];
	bool placed = false, reserved = false, services = false;
	struct cidr cidr;
	struct cidr_range range;

	c->blocks++;
	if (z == NULL || cidr_parse(s, strlen(s), &cidr) < 0) {
		check_finding(c, "block '%s': of no cluster, or no CIDR", s);
		return;
	}
	if (sqlite3_column_type(row, 6) == SQLITE_NULL || id(row, 6) != z->id)
		check_finding(c, "block '%s' of cluster '%s': of no node of that cluster", s, z->name);
	cidr_print(&cidr, canonical);
	cidr_print_key(cidr.family, cidr.base, first);
	cidr_print_key(cidr.family, cidr_last(&cidr), last);
	if (strcmp(s, canonical) != 0 || strcmp(first, check_text(row, 3)) != 0 || strcmp(last, check_text(row, 4)) != 0)
		check_finding(c, "block '%s' of '%s/%s' and its keys disagree", s, z->name, node);
	for (size_t i = 0; i < z->cidrs; i++)
		placed |= cidr_has_cidr(&z->cidr[i].cidr, &cidr) && z->cidr[i].node_mask == cidr.len;
	if (!placed)
		check_finding(c, "block '%s' of '%s/%s' is none of the cluster's", s, z->name, node);
	range = cidr_range_of(&cidr);
	for (size_t i = 0; i < z->reserveds; i++) {
		const struct cidr_range *x = &z->reserved[i].range;

		reserved |= x->family == cidr.family && x->first <= range.first && x->last >= range.last;
		services |= z->reserved[i].services && cidr_range_overlap(x, &range);
	}
	if (services)
		check_finding(c, "block '%s' of '%s/%s' has addresses that are reserved for services", s, z->name, node);
	else if (reserved)
		check_finding(c, "block '%s' of '%s/%s' is reserved", s, z->name, node);
	r->block = more(r->block, r->blocks, sizeof *r->block);
	r->block[r->blocks++] = (struct delegation){ z->id, id(row, 1), cidr, strcmp(gateway, "none") != 0, strdup(node) };
}

static int by_place(const void *a, const void *b)
{
	const struct delegation *x = a, *y = b;

	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	return cidr_compare(&x->cidr, &y->cidr);
}

static void check_blocks(struct check *c, struct rows *r)
{
	size_t widest = 0; /* the block so far that reaches furthest: an overlap need not be with the neighbour */

	if (r->blocks > 1)
		qsort(r->block, r->blocks, sizeof *r->block, by_place);
	for (size_t i = 1; i < r->blocks; i++) {
		const struct delegation *a = &r->block[widest], *b = &r->block[i];
		bool together = a->cluster == b->cluster && a->cidr.family == b->cidr.family;

		if (together && cidr_overlap(&a->cidr, &b->cidr)) {
			char x[CIDR_TEXT], y[CIDR_TEXT];

			cidr_print(&a->cidr, x);
			cidr_print(&b->cidr, y);
			check_finding(c, "cluster '%s': block '%s' of '%s' overlaps '%s' of '%s'", zone_of(r, a->cluster)->name, x,
				      a->node_name, y, b->node_name);
		}
		if (!together || cidr_last(&b->cidr) > cidr_last(&a->cidr))
			widest = i;
	}
}

/* ---- leases ------------------------------------------------------------------------------------------------- */

/* The block that begins last at or before the address. */
static const struct delegation *block_of(const struct rows *r, uint64_t cluster, unsigned family, u128 addr)
{
	struct delegation key = { .cluster = cluster, .cidr = { addr, (uint8_t)family, UINT8_MAX } };
	size_t low = 0, high = r->blocks;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (by_place(&r->block[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || r->block[low - 1].cluster != cluster || !cidr_has(&r->block[low - 1].cidr, family, addr))
		return NULL;
	return &r->block[low - 1];
}

static void check_place(struct check *c, const struct zone *z, const struct delegation *b, unsigned family, u128 addr, const char *lease,
			const char *s)
{
	u128 slot = addr - b->cidr.base;

	if (slot == 0)
		check_finding(c, "%s: '%s' is its block's %s address", lease, s, family == CIDR_V4 ? "network" : "anycast");
	if (slot == 1 && b->gateway)
		check_finding(c, "%s: '%s' is its block's gateway", lease, s);
	if (family == CIDR_V4 && addr == cidr_last(&b->cidr))
		check_finding(c, "%s: '%s' is its block's broadcast address", lease, s);
	for (size_t i = 0; i < z->reserveds; i++)
		if (z->reserved[i].range.family == family && z->reserved[i].range.first <= addr && z->reserved[i].range.last >= addr)
			check_finding(c, "%s: '%s' is reserved", lease, s);
}

static void check_address(struct check *c, struct rows *r, struct zone *z, uint64_t node, unsigned family, const char *s, const char *lease)
{
	const struct delegation *b;
	char canonical[CIDR_ADDR_TEXT];
	uint8_t parsed;
	u128 addr;
	int rc;

	if (cidr_parse_addr(s, strlen(s), &parsed, &addr) < 0 || parsed != family) {
		check_finding(c, "%s: '%s' is no IPv%d address", lease, s, family == CIDR_V4 ? 4 : 6);
		return;
	}
	cidr_print_addr(family, addr, canonical);
	if (strcmp(canonical, s) != 0)
		check_finding(c, "%s: '%s' isn't written as '%s'", lease, s, canonical);
	rc = bitset_set(&z->held[family], addr);
	if (rc == -EEXIST)
		check_finding(c, "%s: '%s' is held by another lease of the cluster too", lease, s);
	else if (rc < 0)
		abort();
	b = block_of(r, z->id, family, addr);
	if (b == NULL || b->node != node)
		check_finding(c, "%s: '%s' is in no block of its node", lease, s);
	if (b != NULL)
		check_place(c, z, b, family, addr, lease, s);
}

static void take_lease(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct rows *r = arg;
	struct zone *z = zone_of(r, id(row, 1));
	const char *name = check_text(row, 3), *node = check_text(row, 6);
	char *lease = NULL;

	c->leases++;
	progress_step(&r->progress);
	if (asprintf(&lease, "lease '%s/%s/%s'", z != NULL ? z->name : "?", node, name) < 0)
		abort();
	if (z == NULL || sqlite3_column_type(row, 7) == SQLITE_NULL || id(row, 7) != z->id)
		check_finding(c, "%s: of no node of its cluster", lease);
	if (ipam_check_name(IPAM_LEASE, name) < 0)
		check_finding(c, "%s: not a valid name", lease);
	if (id(row, 0) >= r->next_id)
		check_finding(c, "%s: its id was not given yet", lease);
	if (sqlite3_column_type(row, 4) == SQLITE_NULL && sqlite3_column_type(row, 5) == SQLITE_NULL)
		check_finding(c, "%s: has no address", lease);
	for (unsigned f = 0; z != NULL && f < CIDR_FAMILIES; f++)
		if (sqlite3_column_type(row, 4 + (int)f) != SQLITE_NULL)
			check_address(c, r, z, id(row, 2), f, check_text(row, 4 + (int)f), lease);
	free(lease);
}

static void take_resting(struct check *c, sqlite3_stmt *row, void *arg)
{
	struct zone *z = zone_of(arg, id(row, 0));
	const char *s = check_text(row, 1);
	uint8_t family;
	u128 addr;

	if (z == NULL || cidr_parse_addr(s, strlen(s), &family, &addr) < 0)
		check_finding(c, "resting '%s': of no cluster, or no address", s);
	else if (bitset_test(&z->held[family], addr))
		check_finding(c, "cluster '%s': '%s' is to rest and is leased", z->name, s);
}

/* ---- the rest ----------------------------------------------------------------------------------------------- */

static void take_duplicate(struct check *c, sqlite3_stmt *row, void *arg)
{
	check_finding(c, "two %s '%s'", (const char *)arg, check_text(row, 0));
}

static void take_integrity(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	if (strcmp(check_text(row, 0), "ok") != 0)
		check_finding(c, "SQLite's own check: %s", check_text(row, 0));
}

static void take_foreign_key(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	check_finding(c, "row %s of table %s refers to nothing in %s", check_text(row, 1), check_text(row, 0), check_text(row, 2));
}

static void take_budget(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	check_finding(c, "lease %s: more attributes than a lease may carry", check_text(row, 0));
}

static void take_label(struct check *c, sqlite3_stmt *row, void *arg)
{
	const char *node = check_text(row, 0), *label = check_text(row, 1);
	struct label l;

	(void)arg;
	if (label_parse(label, strlen(label), &l) < 0)
		check_finding(c, "node %s: '%s' is no label", node, label);
}

static void take_labels(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	check_finding(c, "node %s: more labels than a node may have", check_text(row, 0));
}

static void take_setting(struct check *c, sqlite3_stmt *row, void *arg)
{
	const char *key = check_text(row, 1), *value = check_text(row, 2);
	enum ipam_setting setting;
	uint64_t number;

	(void)arg;
	if (settings_parse(key, strlen(key), value, strlen(value), &setting, &number) < 0)
		check_finding(c, "setting '%s %s' is none", key, value);
}

static void free_rows(struct rows *r)
{
	for (size_t i = 0; i < r->zones; i++) {
		free(r->zone[i].name);
		free(r->zone[i].cidr);
		free(r->zone[i].reserved);
		bitset_close(&r->zone[i].held[CIDR_V4]);
		bitset_close(&r->zone[i].held[CIDR_V6]);
	}
	for (size_t i = 0; i < r->blocks; i++)
		free(r->block[i].node_name);
	free(r->zone);
	free(r->block);
}

static void take_difference(void *arg, bool foreign, const char *what)
{
	struct check *c = arg;

	check_finding(c, "%s", what);
	c->foreign |= foreign;
}

/* The schema first: with somebody else's view or trigger a query may do anything, and take for ever. */
void check_database(struct check *c)
{
	struct rows r = { 0 };
	int rc = schema_compare(c->db, take_difference, c);

	if (rc < 0)
		check_finding(c, "the schema can't be read: %s", sqlite3_errmsg(c->db));
	if (rc < 0 || c->foreign)
		return;
	r.next_id = check_count(c, "SELECT next_id FROM sequence");
	if (r.next_id < 2 || r.next_id > IPAM_ID_END)
		check_finding(c, "the sequence of ids is at %lld, for which there is no room", (long long)r.next_id);
	check_rows(c, "PRAGMA integrity_check", take_integrity, NULL);
	check_rows(c, "PRAGMA foreign_key_check", take_foreign_key, NULL);
	/* By the tables themselves (+column): a constraint or index that was dropped proves nothing. */
	check_rows(c, "SELECT name FROM cluster GROUP BY +name HAVING count(*) > 1", take_duplicate, "clusters");
	check_rows(c, "SELECT name FROM node GROUP BY +cluster, +name HAVING count(*) > 1", take_duplicate, "nodes");
	check_rows(c, "SELECT name FROM lease GROUP BY +node, +name HAVING count(*) > 1", take_duplicate, "leases");
	check_rows(c, "SELECT id, name FROM cluster ORDER BY id", take_cluster, &r);
	check_rows(c, "SELECT cluster, cidr, node_mask, first_key, last_key, selector FROM cidr", take_cidr, &r);
	check_rows(c, "SELECT cluster, range, services FROM reserved", take_reserved, &r);
	check_rows(c, "SELECT owner, key, value FROM setting", take_setting, &r);
	check_rows(c, "SELECT id, cluster, name FROM node", take_node, &r);
	check_rows(c, "SELECT node, key || '=' || value FROM label", take_label, &r);
	check_rows(c, "SELECT node FROM label GROUP BY node HAVING sum(length(key) + length(value) + 2) > 4096", take_labels, &r);
	check_rows(c,
		   "SELECT b.cluster, b.node, b.cidr, b.first_key, b.last_key, n.name, n.cluster,"
		   " coalesce((SELECT value FROM setting WHERE owner = b.node AND key = 'gateway'),"
		   "          (SELECT value FROM setting WHERE owner = b.cluster AND key = 'gateway'))"
		   " FROM block b LEFT JOIN node n ON n.id = b.node",
		   take_block, &r);
	check_blocks(c, &r);
	progress_begin(&r.progress, "leases", check_count(c, "SELECT count(*) FROM lease"), !c->quiet);
	check_rows(c,
		   "SELECT l.id, l.cluster, l.node, l.name, l.ip4, l.ip6, n.name, n.cluster"
		   " FROM lease l LEFT JOIN node n ON n.id = l.node ORDER BY l.id",
		   take_lease, &r);
	progress_end(&r.progress);
	check_rows(c, "SELECT cluster, address FROM resting", take_resting, &r);
	check_rows(c,
		   "SELECT lease FROM lease_xattr GROUP BY lease"
		   " HAVING sum(length(CAST(name AS BLOB)) + length(value)) > 4096",
		   take_budget, NULL);
	free_rows(&r);
}
