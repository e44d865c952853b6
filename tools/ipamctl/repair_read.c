/* Reading what can be read: tables from both sides of what can't, and the indexes, which are copies of parts of them. */
#include "repair.h"

#include <stdlib.h>
#include <string.h>

/* A table, or an index of it, to be read in the order of its rows' ids or of its key. */
struct source {
	const char *what;                     /* NULL: an index */
	const char *select, *order, *reverse; /* by id: the select ends with "WHERE id >= ?1", and the id is its first column */
	const char *insert;
};

/* Tables of what was found. src: 0 by the table, 1 by an index alone. */
static const char stage[] =
	"CREATE TEMP TABLE s_cluster (id INTEGER PRIMARY KEY, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision, src DEFAULT 0);"
	"CREATE TEMP TABLE s_node (id INTEGER PRIMARY KEY, cluster, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision, held,"
	" doubt, src DEFAULT 0);"
	"CREATE TEMP TABLE s_block (id INTEGER PRIMARY KEY, cluster, node, cidr, given, given_lease, src DEFAULT 0);"
	"CREATE TEMP TABLE s_lease (id INTEGER PRIMARY KEY, cluster, node, name, ip4, ip6, uid, gid, mode, atime, mtime, ctime, btime, generation,"
	" boot, ephemeral, src DEFAULT 0);"
	"CREATE TEMP TABLE s_boot (id INTEGER PRIMARY KEY, boot_id);"
	"CREATE TEMP TABLE s_network (id INTEGER PRIMARY KEY, node, name);"
	"CREATE TEMP TABLE s_cidr (cluster, position, cidr, node_mask, selector, PRIMARY KEY (cluster, position));"
	"CREATE TEMP TABLE s_reserved (cluster, position, range, PRIMARY KEY (cluster, position));"
	"CREATE TEMP TABLE s_xattr (lease, name, value, PRIMARY KEY (lease, name));"
	"CREATE TEMP TABLE s_resting (cluster, address, until, PRIMARY KEY (cluster, address));"
	"CREATE TEMP TABLE s_setting (owner, key, value, PRIMARY KEY (owner, key));"
	"CREATE TEMP TABLE s_last (network, range, address, PRIMARY KEY (network, range));"
	"CREATE TEMP TABLE s_engine (key PRIMARY KEY, value);"
	"CREATE TEMP TABLE s_sequence (next_id);"
	/* Every address that any copy says is held. */
	"CREATE TEMP TABLE claim (cluster, family, ip, PRIMARY KEY (cluster, family, ip)) WITHOUT ROWID;";

void repair_do(struct repair *r, const char *sql)
{
	if (r->error == 0 && sqlite3_exec(r->to, sql, NULL, NULL, NULL) != SQLITE_OK) {
		ctl_fail(CTL_REFUSED, "the new database: %s", sqlite3_errmsg(r->to));
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

/* ---- one of them -------------------------------------------------------------------------------------------------- */

struct reading {
	struct repair *r;
	const struct source *s;
	sqlite3_stmt *select, *insert;
	struct progress *progress;
	int64_t next; /* by id: where to go on */
};

static void take_row(struct reading *g, bool by_id)
{
	int columns = sqlite3_column_count(g->select), parameters = sqlite3_bind_parameter_count(g->insert);

	for (int i = 0; i < columns && i < parameters; i++)
		sqlite3_bind_value(g->insert, i + 1, sqlite3_column_value(g->select, i));
	/* What doesn't even fit its table is no row. */
	if (sqlite3_step(g->insert) != SQLITE_DONE && (sqlite3_errcode(g->r->to) & 0xff) != SQLITE_CONSTRAINT &&
	    (sqlite3_errcode(g->r->to) & 0xff) != SQLITE_MISMATCH)
		repair_do(g->r, "SELECT * FROM what_could_not_be_written");
	sqlite3_reset(g->insert);
	if (by_id)
		g->next = sqlite3_column_int64(g->select, 0) + 1;
	progress_step(g->progress);
}

/* From an id on: a row or the end can be reached. */
static bool reaches(struct reading *g, int64_t id)
{
	int code;

	sqlite3_reset(g->select);
	sqlite3_bind_int64(g->select, 1, id);
	code = sqlite3_step(g->select);
	return code == SQLITE_ROW || code == SQLITE_DONE;
}

/* Past what can't be read: the nearest id from which it goes on. */
static int64_t past(struct reading *g, int64_t bad)
{
	int64_t good = bad, low = bad, step = 1;

	do {
		good = good > INT64_MAX - step ? INT64_MAX : good + step;
		if (reaches(g, good))
			break;
		low = good;
		step *= 2;
	} while (good < INT64_MAX && step < INT64_MAX / 2);
	while (good - low > 1) {
		int64_t middle = low + (good - low) / 2;

		if (reaches(g, middle))
			good = middle;
		else
			low = middle;
	}
	return good;
}

static bool read_by_id(struct reading *g)
{
	bool whole = true;
	int code;

	g->next = 0;
	for (;;) {
		sqlite3_reset(g->select);
		sqlite3_bind_int64(g->select, 1, g->next);
		while ((code = sqlite3_step(g->select)) == SQLITE_ROW)
			take_row(g, true);
		if (code == SQLITE_DONE || g->r->error < 0)
			return whole;
		whole = false;
		g->next = past(g, g->next);
		if (g->next == INT64_MAX)
			return false;
	}
}

static bool read_along(struct reading *g)
{
	int code;

	while ((code = sqlite3_step(g->select)) == SQLITE_ROW)
		take_row(g, false);
	return code == SQLITE_DONE;
}

static bool prepare(struct reading *g, const char *order)
{
	char sql[600];

	sqlite3_finalize(g->select);
	snprintf(sql, sizeof sql, "%s %s", g->s->select, order);
	return sqlite3_prepare_v2(g->r->from, sql, -1, &g->select, NULL) == SQLITE_OK;
}

/* All of it: true. */
static bool read_source(struct repair *r, const struct source *s, struct progress *progress)
{
	struct reading g = { .r = r, .s = s, .progress = progress };
	bool whole = false;

	if (r->error < 0)
		return false;
	if (sqlite3_prepare_v2(r->to, s->insert, -1, &g.insert, NULL) != SQLITE_OK) {
		repair_do(r, s->insert);
		return false;
	}
	if (prepare(&g, s->order))
		whole = s->reverse == NULL ? read_by_id(&g) : read_along(&g);
	/* What can't be passed is met from the other side. */
	if (!whole && s->reverse != NULL && prepare(&g, s->reverse))
		read_along(&g);
	sqlite3_finalize(g.select);
	sqlite3_finalize(g.insert);
	return whole;
}

/* ---- all ---------------------------------------------------------------------------------------------------------- */

#define BY_ID(columns, table) "SELECT " columns " FROM " table " NOT INDEXED WHERE id >= ?1", "ORDER BY id", NULL
#define BY_KEY(columns, table, key, reverse) "SELECT " columns " FROM " table, "ORDER BY " key, "ORDER BY " reverse
/* An index by itself: none of these columns is read from the table. */
#define BY_INDEX(columns, table, index, where, key, reverse)                                                                               \
	"SELECT " columns " FROM " table " INDEXED BY " index where, "ORDER BY " key, "ORDER BY " reverse

enum { CLUSTER, CLUSTER_NAME, NODE, NODE_NAME, BLOCK, BLOCK_CIDR, BLOCK_NODE, LEASE, LEASE_NAME, LEASE_IP4, LEASE_IP6, HISTORY, REST };

static const struct source source[] = {
	[CLUSTER] = { "the table of clusters", BY_ID("id, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision", "cluster"),
		      "INSERT OR IGNORE INTO s_cluster VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)" },
	[CLUSTER_NAME] = { NULL, BY_INDEX("id, name", "cluster", "sqlite_autoindex_cluster_1", "", "name", "name DESC"),
			   "INSERT OR IGNORE INTO s_cluster (id, name, src) VALUES (?, ?, 1)" },
	[NODE] = { "the table of nodes",
		   BY_ID("id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision, held, doubt", "node"),
		   "INSERT OR IGNORE INTO s_node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)" },
	[NODE_NAME] = { NULL,
			BY_INDEX("id, cluster, name", "node", "sqlite_autoindex_node_1", "", "cluster, name", "cluster DESC, name DESC"),
			"INSERT OR IGNORE INTO s_node (id, cluster, name, src) VALUES (?, ?, ?, 1)" },
	[BLOCK] = { "the table of blocks", BY_ID("id, cluster, node, cidr, given, given_lease", "block"),
		    "INSERT OR IGNORE INTO s_block VALUES (?, ?, ?, ?, ?, ?, 0)" },
	[BLOCK_CIDR] = { NULL,
			 BY_INDEX("id, cluster, cidr", "block", "sqlite_autoindex_block_1", "", "cluster, cidr", "cluster DESC, cidr DESC"),
			 "INSERT INTO s_block (id, cluster, cidr, src) VALUES (?1, ?2, ?3, 1)"
			 " ON CONFLICT DO UPDATE SET cluster = ?2, cidr = ?3 WHERE src = 1" },
	[BLOCK_NODE] = { NULL, BY_INDEX("id, node", "block", "block_node", "", "node", "node DESC"),
			 "INSERT INTO s_block (id, node, src) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET node = ?2 WHERE src = 1" },
	[LEASE] = { "the table of leases",
		    BY_ID("id, cluster, node, name, ip4, ip6, uid, gid, mode, atime, mtime, ctime, btime, generation, boot, ephemeral",
			  "lease"),
		    "INSERT OR IGNORE INTO s_lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)" },
	[LEASE_NAME] = { NULL, BY_INDEX("id, node, name", "lease", "lease_name", "", "node, name", "node DESC, name DESC"),
			 "INSERT INTO s_lease (id, node, name, src) VALUES (?1, ?2, ?3, 1)"
			 " ON CONFLICT DO UPDATE SET node = ?2, name = ?3 WHERE src = 1" },
	[LEASE_IP4] = { NULL,
			BY_INDEX("id, cluster, ip4", "lease", "lease_ip4", " WHERE ip4 IS NOT NULL", "cluster, ip4",
				 "cluster DESC, ip4 DESC"),
			"INSERT INTO s_lease (id, cluster, ip4, src) VALUES (?1, ?2, ?3, 1)"
			" ON CONFLICT DO UPDATE SET cluster = ?2, ip4 = ?3 WHERE src = 1" },
	[LEASE_IP6] = { NULL,
			BY_INDEX("id, cluster, ip6", "lease", "lease_ip6", " WHERE ip6 IS NOT NULL", "cluster, ip6",
				 "cluster DESC, ip6 DESC"),
			"INSERT INTO s_lease (id, cluster, ip6, src) VALUES (?1, ?2, ?3, 1)"
			" ON CONFLICT DO UPDATE SET cluster = ?2, ip6 = ?3 WHERE src = 1" },
	[HISTORY] = { "the history", BY_ID("id, time, cluster, node, ip4, ip6, line", "history"),
		      "INSERT OR IGNORE INTO history VALUES (?, ?, ?, ?, ?, ?, ?)" },
	[REST] = { "the sequence of ids", BY_KEY("next_id", "sequence", "only", "only DESC"), "INSERT INTO s_sequence VALUES (?)" },
	{ "the table of boots", BY_ID("id, boot_id", "boot"), "INSERT OR IGNORE INTO s_boot VALUES (?, ?)" },
	{ "the table of networks", BY_ID("id, node, name", "network"), "INSERT OR IGNORE INTO s_network VALUES (?, ?, ?)" },
	{ "the clusters' CIDRs",
	  BY_KEY("cluster, position, cidr, node_mask, selector", "cidr", "cluster, position", "cluster DESC, position DESC"),
	  "INSERT OR IGNORE INTO s_cidr VALUES (?, ?, ?, ?, ?)" },
	{ "what clusters reserve", BY_KEY("cluster, position, range", "reserved", "cluster, position", "cluster DESC, position DESC"),
	  "INSERT OR IGNORE INTO s_reserved VALUES (?, ?, ?)" },
	{ "the attributes of leases", BY_KEY("lease, name, value", "lease_xattr", "lease, name", "lease DESC, name DESC"),
	  "INSERT OR IGNORE INTO s_xattr VALUES (?, ?, ?)" },
	{ "the addresses that rest", BY_KEY("cluster, address, until", "resting", "cluster, address", "cluster DESC, address DESC"),
	  "INSERT OR IGNORE INTO s_resting VALUES (?, ?, ?)" },
	{ "the settings", BY_KEY("owner, key, value", "setting", "owner, key", "owner DESC, key DESC"),
	  "INSERT OR IGNORE INTO s_setting VALUES (?, ?, ?)" },
	{ "the networks' last addresses", BY_KEY("network, range, address", "network_last", "network, range", "network DESC, range DESC"),
	  "INSERT OR IGNORE INTO s_last VALUES (?, ?, ?)" },
	{ "what is known of the engine", BY_KEY("key, value", "engine", "key", "key DESC"),
	  "INSERT OR IGNORE INTO s_engine VALUES (?, ?)" },
};

/* An index's row that says another address of a lease than the table does is a claim, too. */
static const struct source claims[CIDR_FAMILIES] = {
	[CIDR_V4] = { NULL,
		      BY_INDEX("cluster, 0, ip4", "lease", "lease_ip4", " WHERE ip4 IS NOT NULL", "cluster, ip4", "cluster DESC, ip4 DESC"),
		      "INSERT OR IGNORE INTO claim VALUES (?1, ?2, ?3)" },
	[CIDR_V6] = { NULL,
		      BY_INDEX("cluster, 1, ip6", "lease", "lease_ip6", " WHERE ip6 IS NOT NULL", "cluster, ip6", "cluster DESC, ip6 DESC"),
		      "INSERT OR IGNORE INTO claim VALUES (?1, ?2, ?3)" },
};
_Static_assert(CIDR_V4 == 0 && CIDR_V6 == 1, "as the statements say");

static void tell_table(struct repair *r, bool whole, bool by_index, const char *what)
{
	if (!whole)
		repair_tell(r, by_index ? TELL_KEPT : TELL_LOST, "%s: not all of it can be read%s", what,
			    by_index ? ", the rest by its indexes" : "");
}

void repair_read(struct repair *r)
{
	enum { SOURCES = sizeof source / sizeof *source };
	struct progress progress;
	bool whole[SOURCES];

	repair_do(r, stage);
	progress_begin(&progress, "rows", 0, !r->quiet);
	for (size_t i = 0; i < SOURCES; i++)
		whole[i] = read_source(r, &source[i], &progress);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		read_source(r, &claims[f], &progress);
	progress_end(&progress);
	r->leases = whole[LEASE];
	r->address[CIDR_V4] = whole[LEASE] || whole[LEASE_IP4];
	r->address[CIDR_V6] = whole[LEASE] || whole[LEASE_IP6];
	r->blocks = whole[BLOCK] || (whole[BLOCK_CIDR] && whole[BLOCK_NODE]);
	r->nodes = whole[NODE] || whole[NODE_NAME];
	r->history = whole[HISTORY];
	tell_table(r, whole[CLUSTER], whole[CLUSTER_NAME], source[CLUSTER].what);
	tell_table(r, whole[NODE], whole[NODE_NAME], source[NODE].what);
	tell_table(r, whole[BLOCK], r->blocks, source[BLOCK].what);
	tell_table(r, whole[LEASE], whole[LEASE_NAME] && r->address[CIDR_V4] && r->address[CIDR_V6], source[LEASE].what);
	for (size_t i = HISTORY; i < SOURCES; i++)
		tell_table(r, whole[i], false, source[i].what);
}
