/* What was read goes where it belongs: rows of the tables, what the indexes know besides, and, where leases are
 * missing, what the history tells. The older of two that contradict each other stays. */
#include "repair.h"

#include <string.h>
#include <time.h>

#define INT(x, otherwise) "iif(typeof(" x ") = 'integer', " x ", " otherwise ")"
#define OWNER(s, mode) INT(s ".uid", "0") ", " INT(s ".gid", "0") ", " INT(s ".mode", mode)
#define NOW "CAST(strftime('%s') AS INTEGER) * 1000000000"
#define TIMES(s) INT(s ".atime", NOW) ", " INT(s ".mtime", NOW) ", " INT(s ".ctime", NOW) ", " INT(s ".btime", NOW)
#define EVENT(h) "iif(json_valid(" h ".line), json_extract(" h ".line, '$.event'), '')"

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

/* A line for each row of a query. */
static void tell_rows(struct repair *r, enum tell how, const char *sql)
{
	repair_rows(r, sql, tell_row, &how);
}

/* ---- ids ---------------------------------------------------------------------------------------------------------- */

static void take_next_id(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	r->next_id = (uint64_t)sqlite3_column_int64(row, 0);
}

/* An id that isn't given yet is no row's. Where the sequence is lost: so far past all others that none is given twice. */
static void sort_out_ids(struct repair *r)
{
	static const char *const table[] = { "s_cluster", "s_node", "s_block", "s_lease", "s_boot", "s_network" };
	char sql[512];

	repair_rows(
		r,
		"SELECT ifnull((SELECT max(next_id) FROM s_sequence WHERE typeof(next_id) = 'integer' AND next_id BETWEEN 2 AND 1 << 48),"
		" (1 << 20) + (SELECT ifnull(max(id), 2) FROM (SELECT id FROM s_cluster UNION ALL SELECT id FROM s_node UNION ALL"
		" SELECT id FROM s_block UNION ALL SELECT id FROM s_lease UNION ALL SELECT id FROM s_boot UNION ALL"
		" SELECT id FROM s_network) WHERE id < 1 << 47))",
		take_next_id, NULL);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		snprintf(sql, sizeof sql,
			 "SELECT printf('%%d rows of %s that can''t be', count(*)) FROM %s WHERE id < 2 OR id >= %llu HAVING count(*) > 0",
			 table[i] + 2, table[i], (unsigned long long)r->next_id);
		tell_rows(r, TELL_LOST, sql);
		snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id < 2 OR id >= %llu", table[i], (unsigned long long)r->next_id);
		repair_do(r, sql);
	}
	snprintf(sql, sizeof sql, "UPDATE sequence SET next_id = %llu", (unsigned long long)r->next_id);
	repair_do(r, sql);
}

/* A new id, in a statement. */
#define NEW_ID "(SELECT next_id FROM sequence)"
static void used_id(struct repair *r)
{
	repair_do(r, "UPDATE sequence SET next_id = next_id + 1");
}

/* ---- clusters and nodes ----------------------------------------------------------------------------------------- */

static const char clusters[] =
	"INSERT OR IGNORE INTO cluster SELECT s.id, s.name, " OWNER("s", "493") ", " TIMES("s") ", " INT("s.shared", "NULL") ", " INT(
		"s.revision",
		"0") " FROM s_cluster s WHERE is_name(1, s.name) ORDER BY s.src, s.id;"
		     /* What others say that they are in, and isn't anything else. */
		     "INSERT OR IGNORE INTO cluster SELECT DISTINCT c, 'recovered-' || c, 0, 0, 493, " NOW ", " NOW ", " NOW ", " NOW
		     ", NULL, 0 FROM"
		     " (SELECT id AS c FROM s_cluster UNION SELECT cluster FROM s_node UNION SELECT cluster FROM s_block UNION SELECT cluster FROM s_lease)"
		     " WHERE typeof(c) = 'integer' AND c BETWEEN 2 AND " NEW_ID
		     " - 1 AND c NOT IN (SELECT id FROM cluster) AND c NOT IN (SELECT id FROM s_node)"
		     " AND c NOT IN (SELECT id FROM s_block) AND c NOT IN (SELECT id FROM s_lease);";

static const char nodes[] =
	"INSERT OR IGNORE INTO node SELECT s.id, s.cluster, s.name, " OWNER("s", "493") ", " TIMES("s") ", " INT("s.shared", "NULL") ", " INT(
		"s.revision",
		"0") ", " INT("s.held",
			      "0") ", " INT("s.doubt",
					    "0") " FROM s_node s WHERE is_name(2, s.name)"
						 " AND s.cluster IN (SELECT id FROM cluster) ORDER BY s.src, s.id;"
						 "CREATE TEMP TABLE lost_node AS SELECT n AS id, min(c) AS cluster, ifnull((SELECT json_extract(line, '$.node') FROM history h WHERE h.node = n"
						 " AND json_valid(line) AND is_name(2, json_extract(line, '$.node')) ORDER BY h.id DESC LIMIT 1), 'recovered-' || n) AS name FROM"
						 " (SELECT id AS n, cluster AS c FROM s_node UNION SELECT node, cluster FROM s_block UNION SELECT node, cluster FROM s_lease)"
						 " WHERE typeof(n) = 'integer' AND n BETWEEN 2 AND " NEW_ID
						 " - 1 AND n NOT IN (SELECT id FROM node) AND n NOT IN (SELECT id FROM cluster)"
						 " AND n NOT IN (SELECT id FROM s_block) AND n NOT IN (SELECT id FROM s_lease) AND c IN (SELECT id FROM cluster) GROUP BY n;"
						 "INSERT OR IGNORE INTO node SELECT id, cluster, name, 0, 0, 493, " NOW ", " NOW ", " NOW
						 ", " NOW ", NULL, 0, 0, 0 FROM lost_node;"
						 "INSERT OR IGNORE INTO node SELECT id, cluster, 'recovered-' || id, 0, 0, 493, " NOW
						 ", " NOW ", " NOW ", " NOW ", NULL, 0, 0, 0 FROM lost_node"
						 " WHERE id NOT IN (SELECT id FROM node);";

static void clusters_and_nodes(struct repair *r)
{
	repair_do(r, clusters);
	repair_do(r, nodes);
	tell_rows(r, TELL_KEPT,
		  "SELECT printf('cluster ''%s'' without its owner and times', c.name) FROM cluster c"
		  " LEFT JOIN s_cluster s ON s.id = c.id WHERE ifnull(s.src, 1) = 1");
	tell_rows(r, TELL_KEPT,
		  "SELECT printf('node ''%s/%s'' without its owner and times', c.name, n.name) FROM node n"
		  " JOIN cluster c ON c.id = n.cluster LEFT JOIN s_node s ON s.id = n.id WHERE ifnull(s.src, 1) = 1");
}

/* ---- CIDRs and blocks --------------------------------------------------------------------------------------------- */

#define CIDR_FITS                                                                                                                          \
	" AND NOT EXISTS (SELECT 1 FROM cidr o WHERE o.cluster = ?1 AND length(o.first_key) = length(first_key(?3))"                       \
	" AND o.first_key <= last_key(?3) AND o.last_key >= first_key(?3))"

static void put_cidr(struct repair *r, sqlite3_stmt *row, void *arg)
{
	bool made_up = arg != NULL;

	if (repair_put(
		    r,
		    "INSERT INTO cidr SELECT ?1, ifnull((SELECT max(position) FROM cidr WHERE cluster = ?1), -1) + 1, ?3, ?4, first_key(?3),"
		    " last_key(?3), iif(typeof(?5) = 'text', ?5, NULL) WHERE prefix(?3) IS NOT NULL AND typeof(?4) = 'integer'"
		    " AND ?4 BETWEEN prefix_length(?3) AND length(first_key(?3)) * 4 - 2 AND ?1 IN (SELECT id FROM cluster)" CIDR_FITS,
		    row) != SQLITE_DONE ||
	    sqlite3_changes(r->to) == 0)
		repair_tell(r, TELL_LOST, "the CIDR '%s' of a cluster, which can't be", check_text(row, 2));
	else if (made_up)
		repair_tell(r, TELL_UNCERTAIN, "the cluster of block '%s' has lost the CIDR that it is of; it has the block alone",
			    check_text(row, 2));
}

static void put_block(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	/* A block that is nobody's, or overlaps an older one: what it says isn't so. */
	if (repair_put(r,
		       "INSERT INTO block SELECT ?1, n.cluster, n.id, ?4, first_key(?4), last_key(?4), iif(typeof(?5) = 'text', ?5, NULL),"
		       " iif(typeof(?6) = 'integer', ?6, NULL) FROM node n WHERE n.id = ?3 AND prefix(?4) IS NOT NULL",
		       row) != SQLITE_DONE ||
	    sqlite3_changes(r->to) == 0) {
		repair_tell(r, TELL_LOST, "the block '%s', which is no node's or overlaps an older one", check_text(row, 3));
		r->blocks = false;
	}
}

static void put_missing_block(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	if (repair_put(r,
		       "INSERT INTO block SELECT " NEW_ID
		       ", ?1, ?2, ?3, first_key(?3), last_key(?3), NULL, NULL WHERE prefix(?3) IS NOT NULL",
		       row) != SQLITE_DONE ||
	    sqlite3_changes(r->to) == 0)
		return;
	used_id(r);
	repair_tell(r, TELL_KEPT, "the block '%s', by the leases in it", check_text(row, 2));
}

#define MISSING_BLOCK(family, ip, otherwise)                                                                                               \
	"SELECT DISTINCT n.cluster, n.id, block_of(l." ip ", coalesce((SELECT node_mask FROM cidr c WHERE c.cluster = n.cluster AND"       \
	" contains(c.cidr, l." ip ")), " otherwise ")) FROM s_lease l JOIN node n ON n.id = l.node WHERE address(" family ", l." ip        \
	") IS NOT NULL AND NOT EXISTS (SELECT 1 FROM block b WHERE b.cluster = n.cluster AND length(b.first_key) = length(first_key("      \
	"block_of(l." ip ", 0))) AND contains(b.cidr, l." ip "))"

static void cidrs_and_blocks(struct repair *r)
{
	repair_rows(r, "SELECT cluster, position, cidr, node_mask, selector FROM s_cidr ORDER BY cluster, position", put_cidr, NULL);
	repair_rows(r, "SELECT id, cluster, node, cidr, given, given_lease FROM s_block ORDER BY id", put_block, NULL);
	if (!r->blocks) {
		repair_rows(r, MISSING_BLOCK("0", "ip4", "24"), put_missing_block, NULL);
		repair_rows(r, MISSING_BLOCK("1", "ip6", "64"), put_missing_block, NULL);
	}
	repair_rows(r,
		    "SELECT cluster, 0, b.cidr, prefix_length(b.cidr), NULL FROM block b WHERE NOT EXISTS (SELECT 1 FROM cidr c WHERE"
		    " c.cluster = b.cluster AND length(c.first_key) = length(b.first_key) AND c.first_key <= b.first_key"
		    " AND c.last_key >= b.last_key) ORDER BY b.id",
		    put_cidr, r);
}

/* ---- leases ------------------------------------------------------------------------------------------------------- */

/* id, cluster, node, name, ip4, ip6, owner, times, generation, boot, ephemeral; src, cluster's and node's name */
static const char leases[] =
	"SELECT s.id, n.cluster, n.id, iif(is_name(3, s.name), s.name, 'recovered-' || s.id), address(0, s.ip4), address(1, s.ip6), " OWNER(
		"s",
		"420") ", " TIMES("s") ", " INT("s.generation",
						"1") ", ifnull((SELECT id FROM boot WHERE id = s.boot), (SELECT max(id) FROM boot)),"
						     " iif(s.ephemeral IN (0, 1), s.ephemeral, 0), s.src, c.name, n.name FROM s_lease s LEFT JOIN node n ON n.id = ifnull(s.node,"
						     " (SELECT b.node FROM block b WHERE b.cluster = s.cluster AND (contains(b.cidr, s.ip4) OR contains(b.cidr, s.ip6))))"
						     " LEFT JOIN cluster c ON c.id = n.cluster ORDER BY s.id";
static const char put[] = "INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char put_renamed[] =
	"INSERT INTO lease SELECT ?1, ?2, ?3, 'recovered-' || ?1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16";

static void put_lease(struct repair *r, sqlite3_stmt *row, void *arg)
{
	const char *name = check_text(row, 3), *cluster = check_text(row, 17), *node = check_text(row, 18);
	bool has = sqlite3_column_type(row, 4) != SQLITE_NULL || sqlite3_column_type(row, 5) != SQLITE_NULL;
	int code = SQLITE_DONE;

	(void)arg;
	if (!has || node[0] == 0) {
		repair_tell(r, TELL_LOST, "lease '%s/%s/%s': %s", cluster, node, name, has ? "of no node" : "its addresses");
		r->address[CIDR_V4] &= has;
		r->address[CIDR_V6] &= has;
		return;
	}
	code = repair_put(r, put, row);
	if (code != SQLITE_DONE && repair_put(r, put_renamed, row) == SQLITE_DONE) {
		repair_tell(r, TELL_KEPT, "lease '%s/%s/%s' as 'recovered-%s', since the name is another's", cluster, node, name,
			    check_text(row, 0));
		code = SQLITE_DONE;
	}
	if (code != SQLITE_DONE)
		repair_tell(r, TELL_UNCERTAIN, "lease '%s/%s/%s' (%s %s): an older lease has its address, and stays", cluster, node, name,
			    check_text(row, 4), check_text(row, 5));
	else if (sqlite3_column_int(row, 16) == 1)
		repair_tell(r, TELL_KEPT, "lease '%s/%s/%s' (%s %s) by the indexes: without owner, times and boot", cluster, node, name,
			    check_text(row, 4), check_text(row, 5));
}

/* cluster, node, name, ip4, ip6, names for the message */
static void put_told(struct repair *r, sqlite3_stmt *row, void *arg)
{
	static const char sql[] =
		"INSERT INTO lease SELECT " NEW_ID ", ?1, ?2, iif(is_name(3, ?3), ?3, 'recovered-' || " NEW_ID "), ?4, ?5, 0, 0, 420, " NOW
		", " NOW ", " NOW ", " NOW ", 1, (SELECT max(id) FROM boot), 0 WHERE ?2 IN (SELECT id FROM node WHERE cluster = ?1)";

	(void)arg;
	if (repair_put(r, sql, row) != SQLITE_DONE || sqlite3_changes(r->to) == 0)
		return; /* a claim alone */
	used_id(r);
	repair_tell(r, TELL_KEPT, "lease '%s' (%s %s) by the history: without owner, times and attributes", check_text(row, 2),
		    check_text(row, 3), check_text(row, 4));
}

#define FREE_IN_HISTORY(ip)                                                                                                                \
	" (SELECT 1 FROM history x WHERE x." ip " = h." ip " AND x.cluster = h.cluster AND x.id > h.id AND " EVENT("x") " = 'release')"

/* Allocated and never released, as far as the history tells, and no lease is known. */
static const char held[] =
	"CREATE TEMP TABLE told AS SELECT h.cluster, h.node, (SELECT json_extract(x.line, '$.name') FROM history x WHERE"
	" iif(h.ip4 IS NULL, x.ip6 = h.ip6, x.ip4 = h.ip4) AND x.cluster = h.cluster AND x.id >= h.id AND json_valid(x.line) ORDER BY x.id DESC LIMIT 1)"
	" AS name, address(0, h.ip4) AS ip4, address(1, h.ip6) AS ip6 FROM history h WHERE " EVENT(
		"h") " = 'allocate'"
		     " AND NOT EXISTS" FREE_IN_HISTORY("ip4") " AND NOT EXISTS" FREE_IN_HISTORY(
			     "ip6") " AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.cluster = h.cluster AND (l.ip4 = h.ip4 OR l.ip6 = h.ip6)) ORDER BY h.id;"
				    "INSERT OR IGNORE INTO claim SELECT cluster, 0, ip4 FROM told WHERE ip4 IS NOT NULL;"
				    "INSERT OR IGNORE INTO claim SELECT cluster, 1, ip6 FROM told WHERE ip6 IS NOT NULL;";

static const char boots[] = "INSERT OR IGNORE INTO boot SELECT id, boot_id FROM s_boot WHERE typeof(boot_id) = 'text' ORDER BY id;"
			    "INSERT INTO boot SELECT " NEW_ID ", 'unknown' WHERE NOT EXISTS (SELECT 1 FROM boot);";

static void put_leases(struct repair *r)
{
	repair_do(r, boots);
	used_id(r);
	repair_do(
		r,
		"INSERT OR IGNORE INTO claim SELECT ifnull(n.cluster, s.cluster), 0, s.ip4 FROM s_lease s LEFT JOIN node n ON n.id = s.node"
		" WHERE address(0, s.ip4) IS NOT NULL AND ifnull(n.cluster, s.cluster) IS NOT NULL;"
		"INSERT OR IGNORE INTO claim SELECT ifnull(n.cluster, s.cluster), 1, s.ip6 FROM s_lease s LEFT JOIN node n ON n.id = s.node"
		" WHERE address(1, s.ip6) IS NOT NULL AND ifnull(n.cluster, s.cluster) IS NOT NULL;");
	repair_rows(r, leases, put_lease, NULL);
	/* By itself, where it has gaps, the history takes for held what was released in one of them. */
	if (!r->leases || r->history)
		repair_do(r, held);
	if (!r->leases && r->history)
		repair_rows(r, "SELECT * FROM told", put_told, NULL);
}

/* ---- what belongs to them ------------------------------------------------------------------------------------------- */

static const char rest[] =
	"INSERT OR IGNORE INTO reserved SELECT cluster, position, range FROM s_reserved WHERE is_range(range) AND typeof(position) = 'integer'"
	" AND cluster IN (SELECT id FROM cluster);"
	"INSERT OR IGNORE INTO lease_xattr SELECT lease, name, CAST(value AS BLOB) FROM s_xattr WHERE typeof(name) = 'text' AND value IS NOT NULL"
	" AND length(CAST(name AS BLOB)) BETWEEN 1 AND 255 AND lease IN (SELECT id FROM lease);"
	"INSERT OR IGNORE INTO resting SELECT cluster, address, until FROM s_resting s WHERE typeof(until) = 'integer' AND cluster IN (SELECT id FROM"
	" cluster) AND ifnull(address(0, address), address(1, address)) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lease l WHERE"
	" l.cluster = s.cluster AND (l.ip4 = s.address OR l.ip6 = s.address));"
	"INSERT OR IGNORE INTO setting SELECT owner, key, value FROM s_setting WHERE is_setting(key, value) AND (owner IN (SELECT id FROM cluster)"
	" OR owner IN (SELECT id FROM node));"
	"INSERT OR IGNORE INTO network SELECT id, node, name FROM s_network WHERE is_name(3, name) AND node IN (SELECT id FROM node);"
	"INSERT OR IGNORE INTO network_last SELECT network, range, address FROM s_last WHERE range BETWEEN 0 AND 255 AND network IN"
	" (SELECT id FROM network) AND ifnull(address(0, address), address(1, address)) IS NOT NULL;"
	"INSERT OR IGNORE INTO engine SELECT key, value FROM s_engine WHERE typeof(key) = 'text' AND typeof(value) = 'text' AND key != 'open';";

void repair_merge(struct repair *r)
{
	sort_out_ids(r);
	clusters_and_nodes(r);
	cidrs_and_blocks(r);
	put_leases(r);
	repair_do(r, rest);
}
