/* Reading what can be read: tables from both sides of what can't, and the indexes, which are copies of parts of them. Nothing is
 * judged here: every row that any of them gives is kept. */
#include "ipamctl/repair/salvage.h"

#include "cli/say.h"
#include "ipamctl/check/findings.h"
#include "ipamctl/progress.h"
#include "ipamctl/repair/copy.h"

#include <stdlib.h>
#include <string.h>

/* A table or an index, to be read in the order of its rows' ids or of its key. */
struct source {
	const char *what, *object;            /* what it is to a person; its name in the schema */
	const char *stage, *into;             /* the table for it, and which of its columns */
	const char *select, *order, *reverse; /* by id: the select ends with "WHERE id >= ?1", and the id is its first column */
	int key, keys;                        /* the columns that grow from row to row */
};

/* What has no rowid or is an index is read along its key, from both ends where one fails. */
#define BY_ID(table, columns) "s_" table, columns, "SELECT " columns " FROM " table " NOT INDEXED WHERE id >= ?1", "ORDER BY id", NULL, 0, 1
#define BY_KEY(table, columns, key, reverse)                                                                                               \
	"s_" table, columns, "SELECT " columns " FROM " table, "ORDER BY " key, "ORDER BY " reverse, 0, 2
/* An index by itself: none of these columns is read from the table. */
#define BY_INDEX(stage, columns, table, index, where, key, reverse, keys)                                                                  \
	"i_" stage, columns, "SELECT " columns " FROM " table " INDEXED BY " index where, "ORDER BY " key, "ORDER BY " reverse, 1, keys

static const struct source source[SOURCES] = {
	[CLUSTER] = { "the table of clusters", "cluster",
		      BY_ID("cluster", "id, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision") },
	[CLUSTER_NAME] = { "the index of clusters by name", "sqlite_autoindex_cluster_1",
			   BY_INDEX("cluster_name", "id, name", "cluster", "sqlite_autoindex_cluster_1", "", "name", "name DESC", 1) },
	[NODE] = { "the table of nodes", "node",
		   BY_ID("node", "id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision, held, doubt") },
	[NODE_NAME] = { "the index of nodes by name", "sqlite_autoindex_node_1",
			BY_INDEX("node_name", "id, cluster, name", "node", "sqlite_autoindex_node_1", "", "cluster, name",
				 "cluster DESC, name DESC", 2) },
	[NODE_ID] = { "the index of nodes by id", "sqlite_autoindex_node_2", "i_node_id", "id, cluster",
		      "SELECT id, cluster FROM node INDEXED BY sqlite_autoindex_node_2", "ORDER BY id, cluster",
		      "ORDER BY id DESC, cluster DESC", 0, 2 },
	[BLOCK] = { "the table of blocks", "block", BY_ID("block", "id, cluster, node, cidr, first_key, last_key, given, given_lease") },
	[BLOCK_CIDR] = { "the index of blocks by CIDR", "sqlite_autoindex_block_1",
			 BY_INDEX("block_cidr", "id, cluster, cidr", "block", "sqlite_autoindex_block_1", "", "cluster, cidr",
				  "cluster DESC, cidr DESC", 2) },
	[BLOCK_FIRST] = { "the index of blocks by their beginnings", "block_first",
			  BY_INDEX("block_first", "id, cluster, first_key", "block", "block_first", "", "cluster, first_key",
				   "cluster DESC, first_key DESC", 2) },
	[BLOCK_LAST] = { "the index of blocks by their ends", "block_last",
			 BY_INDEX("block_last", "id, cluster, last_key", "block", "block_last", "", "cluster, last_key",
				  "cluster DESC, last_key DESC", 2) },
	[BLOCK_NODE] = { "the index of blocks by node", "block_node", "i_block_node", "node, id",
			 "SELECT node, id FROM block INDEXED BY block_node", "ORDER BY node, id", "ORDER BY node DESC, id DESC", 0, 2 },
	[LEASE] = { "the table of leases", "lease",
		    BY_ID("lease",
			  "id, cluster, node, name, ip4, ip6, uid, gid, mode, atime, mtime, ctime, btime, generation, boot, ephemeral") },
	[LEASE_NAME] = { "the index of leases by name", "lease_name",
			 BY_INDEX("lease_name", "id, node, name", "lease", "lease_name", "", "node, name", "node DESC, name DESC", 2) },
	[LEASE_IP4] = { "the index of leases by IPv4 address", "lease_ip4",
			BY_INDEX("lease_ip4", "id, cluster, ip4", "lease", "lease_ip4", " WHERE ip4 IS NOT NULL", "cluster, ip4",
				 "cluster DESC, ip4 DESC", 2) },
	[LEASE_IP6] = { "the index of leases by IPv6 address", "lease_ip6",
			BY_INDEX("lease_ip6", "id, cluster, ip6", "lease", "lease_ip6", " WHERE ip6 IS NOT NULL", "cluster, ip6",
				 "cluster DESC, ip6 DESC", 2) },
	[BOOT] = { "the table of boots", "boot", BY_ID("boot", "id, boot_id") },
	[BOOT_ID] = { "the index of boots", "sqlite_autoindex_boot_1",
		      BY_INDEX("boot_id", "id, boot_id", "boot", "sqlite_autoindex_boot_1", "", "boot_id", "boot_id DESC", 1) },
	[NETWORK] = { "the table of networks", "network", BY_ID("network", "id, node, name") },
	[NETWORK_NAME] = { "the index of networks", "sqlite_autoindex_network_1",
			   BY_INDEX("network_name", "id, node, name", "network", "sqlite_autoindex_network_1", "", "node, name",
				    "node DESC, name DESC", 2) },
	[HISTORY] = { "the history", "history", BY_ID("history", "id, time, cluster, node, ip4, ip6, line") },
	[HISTORY_IP4] = { "the index of the history by IPv4 address", "history_ip4", "i_history", "id, ip",
			  "SELECT id, ip4 AS ip FROM history INDEXED BY history_ip4 WHERE ip4 IS NOT NULL", "ORDER BY ip4, id",
			  "ORDER BY ip4 DESC, id DESC", 1, 1 },
	[HISTORY_IP6] = { "the index of the history by IPv6 address", "history_ip6", "i_history", "id, ip",
			  "SELECT id, ip6 AS ip FROM history INDEXED BY history_ip6 WHERE ip6 IS NOT NULL", "ORDER BY ip6, id",
			  "ORDER BY ip6 DESC, id DESC", 1, 1 },
	[SEQUENCE] = { "the sequence of ids", "sequence", "s_sequence", "next_id", "SELECT next_id FROM sequence", "ORDER BY only",
		       "ORDER BY only DESC", 0, 1 },
	[CIDR] = { "the clusters' CIDRs", "cidr",
		   BY_KEY("cidr", "cluster, position, cidr, node_mask, first_key, last_key, selector", "cluster, position",
			  "cluster DESC, position DESC") },
	[RESERVED] = { "what clusters reserve", "reserved",
		       BY_KEY("reserved", "cluster, position, range, services", "cluster, position", "cluster DESC, position DESC") },
	[LABEL] = { "the labels of nodes", "label", BY_KEY("label", "node, key, value", "node, key", "node DESC, key DESC") },
	[XATTR] = { "the attributes of leases", "lease_xattr",
		    BY_KEY("lease_xattr", "lease, name, value", "lease, name", "lease DESC, name DESC") },
	[RESTING] = { "the addresses that rest", "resting",
		      BY_KEY("resting", "cluster, address, until", "cluster, address", "cluster DESC, address DESC") },
	[SETTING] = { "the settings", "setting", BY_KEY("setting", "owner, key, value", "owner, key", "owner DESC, key DESC") },
	[LAST] = { "the networks' last addresses", "network_last",
		   BY_KEY("network_last", "network, range, address", "network, range", "network DESC, range DESC") },
	[ENGINE] = { "what is known of the engine", "engine", "s_engine", "key, value", "SELECT key, value FROM engine", "ORDER BY key",
		     "ORDER BY key DESC", 0, 1 },
};

void repair_do(struct repair *r, const char *sql)
{
	if (r->error == 0 && sqlite3_exec(r->to, sql, NULL, NULL, NULL) != SQLITE_OK) {
		cli_fail(CLI_REFUSED, "the new database: %s (%.400s)", sqlite3_errmsg(r->to), sql);
		r->error = -1;
	}
}

int repair_put(struct repair *r, const char *sql, sqlite3_stmt *row)
{
	sqlite3_stmt *insert = NULL;
	int code = sqlite3_prepare_v2(r->to, sql, -1, &insert, NULL);
	int columns = sqlite3_column_count(row), parameters = sqlite3_bind_parameter_count(insert);

	for (int i = 0; code == SQLITE_OK && i < columns && i < parameters; i++)
		code = sqlite3_bind_value(insert, i + 1, sqlite3_column_value(row, i));
	if (code == SQLITE_OK)
		code = sqlite3_step(insert);
	if (sqlite3_finalize(insert) != SQLITE_OK)
		code = sqlite3_extended_errcode(r->to);
	return code;
}

void repair_rows(struct repair *r, const char *sql, void (*fn)(struct repair *r, sqlite3_stmt *row, void *arg), void *arg)
{
	sqlite3_stmt *stmt = NULL;
	int code = r->error < 0 ? SQLITE_ERROR : sqlite3_prepare_v2(r->to, sql, -1, &stmt, NULL);

	while (code == SQLITE_OK || (code == SQLITE_ROW && r->error == 0)) {
		code = sqlite3_step(stmt);
		if (code == SQLITE_ROW)
			fn(r, stmt, arg);
	}
	if (code != SQLITE_DONE)
		repair_do(r, sql); /* says what is wrong */
	sqlite3_finalize(stmt);
}

static void tell_row(struct repair *r, sqlite3_stmt *row, void *arg)
{
	repair_tell(r, *(enum tell *)arg, "%s", check_text(row, 0));
}

void repair_tell_rows(struct repair *r, enum tell how, const char *sql)
{
	repair_rows(r, sql, tell_row, &how);
}

/* ---- one of them -------------------------------------------------------------------------------------------------- */

enum { KEYS = 2 };

struct reading {
	struct repair *r;
	const struct source *s;
	sqlite3_stmt *select, *insert;
	struct progress *progress;
	sqlite3_value *last[KEYS]; /* the key of the row before */
	bool in_order, forward;
	int64_t rows, most; /* more than the file can hold: it leads in a circle */
	int64_t next;       /* by id: where to go on */
};

/* As SQLite orders values: NULL, numbers, text, bytes. */
static int rank(sqlite3_value *v)
{
	int type = sqlite3_value_type(v);

	return type == SQLITE_NULL ? 0 : type == SQLITE_TEXT ? 2 : type == SQLITE_BLOB ? 3 : 1;
}

static int compare(sqlite3_value *a, sqlite3_value *b)
{
	int x = rank(a), y = rank(b), n;

	if (x != y || x == 0)
		return x - y;
	if (x == 1)
		return sqlite3_value_int64(a) < sqlite3_value_int64(b) ? -1 : sqlite3_value_int64(a) > sqlite3_value_int64(b);
	n = sqlite3_value_bytes(a) < sqlite3_value_bytes(b) ? sqlite3_value_bytes(a) : sqlite3_value_bytes(b);
	n = memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)n);
	return n != 0 ? n : sqlite3_value_bytes(a) - sqlite3_value_bytes(b);
}

static void forget_last(struct reading *g)
{
	for (int i = 0; i < KEYS; i++) {
		sqlite3_value_free(g->last[i]);
		g->last[i] = NULL;
	}
}

/* A page that is in another's place, or an old one, is found by the order of its rows. */
static void look_at_order(struct reading *g)
{
	sqlite3_value *now[KEYS] = { NULL };
	int difference = 0;

	for (int i = 0; i < g->s->keys && i < KEYS; i++)
		now[i] = sqlite3_value_dup(sqlite3_column_value(g->select, g->s->key + i));
	for (int i = 0; i < g->s->keys && difference == 0 && g->last[0] != NULL; i++)
		difference = compare(g->last[i], now[i]);
	if (g->last[0] != NULL && (g->forward ? difference >= 0 : difference <= 0))
		/* Of the history's indexes the key is not unique. */
		g->in_order &= difference == 0 && strcmp(g->s->stage, "i_history") == 0;
	forget_last(g);
	memcpy(g->last, now, sizeof now);
}

static void take_row(struct reading *g)
{
	int columns = sqlite3_column_count(g->select);

	for (int i = 0; i < columns; i++)
		sqlite3_bind_value(g->insert, i + 1, sqlite3_column_value(g->select, i));
	if (sqlite3_step(g->insert) != SQLITE_DONE)
		repair_do(g->r, "SELECT * FROM what_could_not_be_written");
	sqlite3_reset(g->insert);
	look_at_order(g);
	g->rows++;
	progress_step(g->progress);
}

/* To the end of what can be read from here on: true, it is the end. */
static bool read_on(struct reading *g)
{
	int code = SQLITE_ROW;

	while (g->r->error == 0 && g->rows < g->most && (code = sqlite3_step(g->select)) == SQLITE_ROW)
		take_row(g);
	return code == SQLITE_DONE;
}

/* From an id on: a row that is there, or the end, can be reached. */
static bool reaches(struct reading *g, int64_t id)
{
	int code;

	repair_steps(g->r);
	sqlite3_reset(g->select);
	sqlite3_bind_int64(g->select, 1, id);
	code = sqlite3_step(g->select);
	return (code == SQLITE_ROW && sqlite3_column_int64(g->select, 0) >= id) || code == SQLITE_DONE;
}

/* Past what can't be read: the nearest id, at least a step away, from which it goes on. */
static int64_t past(struct reading *g, int64_t bad, int64_t step)
{
	int64_t good = bad, low = bad;

	do {
		good = good > INT64_MAX - step ? INT64_MAX : good + step;
		if (reaches(g, good))
			break;
		low = good;
		step = step > INT64_MAX / 2 ? step : step * 2;
	} while (good < INT64_MAX);
	while (good - low > 1) {
		int64_t middle = low + (good - low) / 2;

		if (reaches(g, middle))
			good = middle;
		else
			low = middle;
	}
	return good;
}

/* Where it breaks, it goes on behind the greatest id so far; where that gives nothing new, further and further behind it. */
static bool read_by_id(struct reading *g)
{
	bool whole = true;
	int64_t step = 1, tries = 0;

	while (g->r->error == 0 && g->rows < g->most && tries++ < 100000) {
		int64_t rows = g->rows, from = g->next;

		repair_steps(g->r);
		forget_last(g);
		sqlite3_reset(g->select);
		sqlite3_bind_int64(g->select, 1, g->next);
		if (read_on(g))
			return whole && g->in_order;
		whole = false;
		if (g->last[0] != NULL && sqlite3_value_int64(g->last[0]) >= g->next)
			g->next = sqlite3_value_int64(g->last[0]) < INT64_MAX ? sqlite3_value_int64(g->last[0]) + 1 : INT64_MAX;
		step = g->rows > rows && g->next > from ? 1 : step > INT64_MAX / 2 ? step : step * 2;
		g->next = past(g, g->next, step);
		if (g->next == INT64_MAX)
			return false;
	}
	return false;
}

static bool prepare(struct reading *g, const char *order)
{
	char sql[600];

	sqlite3_finalize(g->select);
	g->select = NULL;
	forget_last(g);
	repair_steps(g->r);
	snprintf(sql, sizeof sql, "%s %s", g->s->select, order);
	return sqlite3_prepare_v2(g->r->from, sql, -1, &g->select, NULL) == SQLITE_OK;
}

static bool prepare_insert(struct reading *g)
{
	char sql[600];
	int n = snprintf(sql, sizeof sql, "CREATE TEMP TABLE IF NOT EXISTS %s (%s)", g->s->stage, g->s->into);

	repair_do(g->r, sql);
	n = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES (?", g->s->stage);
	for (const char *p = g->s->into; (p = strchr(p, ',')) != NULL; p++)
		n += snprintf(sql + n, sizeof sql - (size_t)n, ", ?");
	snprintf(sql + n, sizeof sql - (size_t)n, ")");
	if (g->r->error == 0 && sqlite3_prepare_v2(g->r->to, sql, -1, &g->insert, NULL) != SQLITE_OK)
		repair_do(g->r, sql);
	return g->r->error == 0;
}

/* All of it, and in order: true. */
static bool read_source(struct repair *r, const struct source *s, struct progress *progress)
{
	struct reading g = { .r = r, .s = s, .progress = progress, .in_order = true, .forward = true, .most = r->size / 4 + 1 };
	bool whole = false;

	if (r->error < 0 || !prepare_insert(&g))
		return false;
	if (repair_has(r, s->object) && prepare(&g, s->order)) {
		whole = s->reverse == NULL ? read_by_id(&g) : read_on(&g) && g.in_order;
		/* What can't be passed is met from the other side. */
		g.forward = false;
		if (!whole && s->reverse != NULL && prepare(&g, s->reverse))
			read_on(&g);
	}
	forget_last(&g);
	sqlite3_finalize(g.select);
	sqlite3_finalize(g.insert);
	return whole;
}

/* ---- all ---------------------------------------------------------------------------------------------------------- */

static void tell_sources(struct repair *r)
{
	for (int i = 0; i < SOURCES; i++)
		if (!r->whole[i] && strncmp(source[i].stage, "s_", 2) == 0)
			repair_tell(r, TELL_LOST, "%s: not all of it can be read", source[i].what);
}

void repair_read(struct repair *r)
{
	struct progress progress;

	progress_begin(&progress, "rows", 0, !r->quiet);
	for (size_t i = 0; i < SOURCES; i++)
		r->whole[i] = read_source(r, &source[i], &progress);
	progress_end(&progress);
	r->leases = r->whole[LEASE] || (r->whole[LEASE_NAME] && r->whole[LEASE_IP4] && r->whole[LEASE_IP6]);
	r->address[CIDR_V4] = r->whole[LEASE] || r->whole[LEASE_IP4];
	r->address[CIDR_V6] = r->whole[LEASE] || r->whole[LEASE_IP6];
	r->blocks = r->whole[BLOCK] || (r->whole[BLOCK_NODE] && (r->whole[BLOCK_CIDR] || (r->whole[BLOCK_FIRST] && r->whole[BLOCK_LAST])));
	r->history = r->whole[HISTORY];
	tell_sources(r);
	repair_do(r, "CREATE INDEX temp.s_lease_id ON s_lease (id); CREATE INDEX temp.i_lease_name_id ON i_lease_name (id);"
		     "CREATE INDEX temp.i_lease_ip4_id ON i_lease_ip4 (id); CREATE INDEX temp.i_lease_ip6_id ON i_lease_ip6 (id);"
		     "CREATE INDEX temp.i_history_id ON i_history (id); CREATE INDEX temp.s_history_id ON s_history (id);"
		     "CREATE INDEX temp.s_node_id ON s_node (id); CREATE INDEX temp.s_cluster_id ON s_cluster (id);"
		     "CREATE INDEX temp.s_block_id ON s_block (id); CREATE INDEX temp.i_block_cidr_id ON i_block_cidr (id);"
		     "CREATE INDEX temp.i_block_first_id ON i_block_first (id); CREATE INDEX temp.i_block_last_id ON i_block_last (id);"
		     "CREATE INDEX temp.i_block_node_id ON i_block_node (id);");
}
