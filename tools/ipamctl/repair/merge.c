/* Of what was read, what is so: ids, clusters, nodes, CIDRs and blocks.
 *
 * A row is told by several copies: its table, the indexes of it, rows of other tables that refer to it, and the history. Each copy
 * has a vote. What most of them say of a row is taken; of rows that exclude each other the one that more copies tell comes first,
 * and the older one where they are equal. One that a single copy tells, and others that can be read don't, and that the history says
 * is gone, is gone. Whatever isn't taken is listed (diff.c). */
#include "ipamctl/repair/merge.h"

#include "ipamctl/check/findings.h"
#include "ipamctl/repair/salvage.h"
#include "ipamctl/repair/sql.h"

#include <stdlib.h>

/* ---- ids ---------------------------------------------------------------------------------------------------------- */

/* How far ids may lie apart that one copy alone tells, and how far the next one is from those where the sequence is wrong, so that
 * none is given twice. */
#define STRIDE "1048576"
/* Room for ids (registry.h). */
#define MOST "281474976710656"

static const char ids[] =
	"CREATE TEMP TABLE id_told AS SELECT id, count(DISTINCT copy) AS copies FROM ("
	" SELECT id, 1 AS copy FROM s_cluster UNION ALL SELECT id, 2 FROM i_cluster_name UNION ALL SELECT id, 1 FROM s_node"
	" UNION ALL SELECT id, 2 FROM i_node_name UNION ALL SELECT id, 3 FROM i_node_id UNION ALL SELECT id, 1 FROM s_block"
	" UNION ALL SELECT id, 2 FROM i_block_cidr UNION ALL SELECT id, 3 FROM i_block_first UNION ALL SELECT id, 4 FROM i_block_last"
	" UNION ALL SELECT id, 5 FROM i_block_node UNION ALL SELECT id, 1 FROM s_lease UNION ALL SELECT id, 2 FROM i_lease_name"
	" UNION ALL SELECT id, 3 FROM i_lease_ip4 UNION ALL SELECT id, 4 FROM i_lease_ip6 UNION ALL SELECT id, 1 FROM s_boot"
	" UNION ALL SELECT id, 2 FROM i_boot_id UNION ALL SELECT id, 1 FROM s_network UNION ALL SELECT id, 2 FROM i_network_name"
	" UNION ALL SELECT id, 6 FROM h_cluster UNION ALL SELECT id, 6 FROM h_node"
	" UNION ALL SELECT cluster, 7 FROM s_cidr UNION ALL SELECT cluster, 8 FROM s_reserved UNION ALL SELECT owner, 9 FROM s_setting"
	" UNION ALL SELECT node, 10 FROM s_label UNION ALL SELECT lease, 11 FROM s_lease_xattr"
	") WHERE typeof(id) = 'integer' AND id BETWEEN 2 AND " MOST " GROUP BY id;";

static const char next_id[] =
	"SELECT ifnull((SELECT max(next_id) FROM s_sequence WHERE typeof(next_id) = 'integer' AND next_id BETWEEN 2 AND " MOST
	"), 0), ifnull((SELECT max(id) + 1 FROM id_told WHERE copies > 1), 2)";

static void find_next_id(struct repair *r, sqlite3_stmt *row, void *arg)
{
	sqlite3_int64 said = sqlite3_column_int64(row, 0), told = sqlite3_column_int64(row, 1), *next = arg;
	sqlite3_stmt *one = NULL;

	/* What a single copy tells is believed where it isn't far from the others. */
	if (said > told)
		told = said;
	if (sqlite3_prepare_v2(r->to, "SELECT id FROM id_told WHERE id >= ? ORDER BY id", -1, &one, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(one, 1, told);
		while (sqlite3_step(one) == SQLITE_ROW && sqlite3_column_int64(one, 0) - told <= atoll(STRIDE))
			told = sqlite3_column_int64(one, 0) + 1;
	}
	sqlite3_finalize(one);
	if (said == told) {
		*next = said;
		return;
	}
	*next = told + atoll(STRIDE);
	if (said == 0)
		repair_tell(r, TELL_KEPT, "the sequence of ids is lost: it goes on with %lld, behind all that are known", (long long)*next);
	else
		repair_tell(r, TELL_KEPT, "the sequence of ids says that %lld is next, but %lld is given: it goes on with %lld",
			    (long long)said, (long long)told - 1, (long long)*next);
}

static void sort_out_ids(struct repair *r)
{
	sqlite3_int64 next = 2;
	char sql[96];

	repair_do(r, ids);
	repair_rows(r, next_id, find_next_id, &next);
	snprintf(sql, sizeof sql, "UPDATE sequence SET next_id = %lld", (long long)next);
	repair_do(r, sql);
}

void repair_used_id(struct repair *r)
{
	repair_do(r, "UPDATE sequence SET next_id = next_id + 1");
}

/* ---- clusters and nodes ----------------------------------------------------------------------------------------- */

static const char clusters[] =
	/* The table's word counts a little more where nothing else decides. */
	BEST("v_cluster", "id, name", "is_name(1, name)",
	     "SELECT DISTINCT id, name, 5 AS weight FROM s_cluster UNION ALL SELECT DISTINCT id, name, 4 FROM i_cluster_name"
	     " UNION ALL SELECT id, name, (SELECT weight FROM trust) FROM h_cluster")
	/* Others that say that they are in it. */
	"CREATE TEMP TABLE c_refer AS SELECT c AS id, count(DISTINCT copy) AS copies, count(*) AS n FROM (SELECT cluster AS c, 1 AS copy FROM s_node"
	" UNION ALL SELECT cluster, 2 FROM i_node_name UNION ALL SELECT cluster, 3 FROM i_node_id UNION ALL SELECT cluster, 4 FROM s_block"
	" UNION ALL SELECT cluster, 5 FROM i_block_cidr UNION ALL SELECT cluster, 6 FROM i_block_first UNION ALL SELECT cluster, 7 FROM i_block_last"
	" UNION ALL SELECT cluster, 8 FROM s_cidr UNION ALL SELECT cluster, 9 FROM s_lease UNION ALL SELECT cluster, 9 FROM i_lease_ip4"
	" UNION ALL SELECT cluster, 9 FROM i_lease_ip6) WHERE " GIVEN(
		"c") " GROUP BY c;"
		     "CREATE TEMP TABLE e_cluster AS SELECT id, sum(copies) AS copies FROM (SELECT DISTINCT id, 1 AS copies FROM s_cluster UNION ALL"
		     " SELECT DISTINCT id, 1 FROM i_cluster_name UNION ALL SELECT id, copies FROM c_refer WHERE copies > 1 OR n > 2 UNION ALL"
		     " SELECT id, iif(gone, -1, (SELECT clusters FROM trust)) FROM h_cluster) WHERE " GIVEN(
			     "id") " GROUP BY id HAVING sum(copies) > 0;"
				   "INSERT OR IGNORE INTO cluster SELECT e.id, ifnull(v.name, 'recovered-' || e.id), " OWNER("s", "493") ", " TIMES("s") ", " INT("s.shared", "NULL") ", " INT("s.revision", "0") " FROM e_cluster e LEFT JOIN v_cluster v ON v.id = e.id LEFT JOIN s_cluster s ON s.rowid = " ROW_OF(
					   "s_cluster", "e.id",
					   "x.name IS NOT v.name") " ORDER BY v.votes DESC, e.id;"
								   /* The name is another's. */
								   "INSERT OR IGNORE INTO cluster SELECT id, 'recovered-' || id, 0, 0, 493, " NOW
								   ", " NOW ", " NOW ", " NOW ", NULL, 0 FROM e_cluster"
								   " WHERE id NOT IN (SELECT id FROM cluster);";

static const char nodes[] = BEST(
	"v_node", "id, name", "is_name(2, name)",
	"SELECT DISTINCT id, name, 5 AS weight FROM s_node UNION ALL SELECT DISTINCT id, name, 4 FROM i_node_name UNION ALL"
	" SELECT id, name, (SELECT weight FROM trust) FROM h_node") BEST("v_node_cluster", "id, cluster",
									 "cluster IN (SELECT id FROM cluster)",
									 "SELECT DISTINCT id, cluster, 5 AS weight FROM s_node UNION ALL SELECT DISTINCT id, cluster, 4 FROM i_node_name UNION ALL"
									 " SELECT DISTINCT id, cluster, 4 FROM i_node_id UNION ALL SELECT id, cluster, (SELECT weight FROM trust) FROM h_node UNION ALL"
									 " SELECT DISTINCT node, cluster, 3 FROM s_block UNION ALL SELECT DISTINCT node, cluster, 1 FROM s_lease") "CREATE TEMP TABLE n_refer AS SELECT n AS id, count(DISTINCT copy) AS copies, count(*) AS n FROM (SELECT node AS n, 1 AS copy FROM s_block"
																						   " UNION ALL SELECT node, 2 FROM i_block_node UNION ALL SELECT node, 3 FROM s_lease UNION ALL SELECT node, 4 FROM i_lease_name) WHERE " GIVEN("n") " GROUP BY n;"
																																								     "CREATE TEMP TABLE e_node AS SELECT id, sum(copies) AS copies FROM (SELECT DISTINCT id, 1 AS copies FROM s_node UNION ALL"
																																								     " SELECT DISTINCT id, 1 FROM i_node_name UNION ALL SELECT DISTINCT id, 1 FROM i_node_id UNION ALL SELECT id, copies FROM n_refer"
																																								     " WHERE copies > 1 OR n > 2 UNION ALL SELECT id, iif(gone, -2, (SELECT nodes FROM trust)) FROM h_node) WHERE " GIVEN("id") " AND id NOT IN (SELECT id FROM cluster) GROUP BY id HAVING sum(copies) > 0;"
																																																								/* Whose cluster nothing tells, where there is one alone. */
																																																								"INSERT INTO v_node_cluster SELECT id, (SELECT max(id) FROM cluster), 0 FROM e_node WHERE id NOT IN (SELECT id FROM v_node_cluster) AND"
																																																								" (SELECT count(*) FROM cluster) = 1;"
																																																								"INSERT OR IGNORE INTO node SELECT e.id, c.cluster, ifnull(v.name, 'recovered-' || e.id), " OWNER(
																																																									"s",
																																																									"493") ", " TIMES("s") ", " INT("s.shared", "NULL") ", " INT("s.revision",
																																																																     "0") ", " INT("s.held",
																																																																		   "0") ", " INT("s.doubt", "0") " FROM e_node e JOIN v_node_cluster c ON c.id = e.id LEFT JOIN v_node v ON v.id = e.id LEFT JOIN s_node s ON s.rowid = " ROW_OF("s_node", "e.id", "x.name IS NOT v.name") " ORDER BY v.votes DESC, e.id;"
																																																																																											   "INSERT OR IGNORE INTO node SELECT e.id, c.cluster, 'recovered-' || e.id, 0, 0, 493, " NOW
																																																																																											   ", " NOW
																																																																																											   ", " NOW
																																																																																											   ", " NOW
																																																																																											   ", NULL, 0, 0, 0"
																																																																																											   " FROM e_node e JOIN v_node_cluster c ON c.id = e.id WHERE e.id NOT IN (SELECT id FROM node);";

/* ---- CIDRs -------------------------------------------------------------------------------------------------------- */

/* Each with the copies that tell it, and whether a block was cut from it. */
static const char cidrs[] =
	"CREATE TEMP TABLE c_block AS SELECT cluster, cidr, count(*) AS copies FROM (SELECT DISTINCT cluster, cidr, 1 FROM s_block UNION"
	" SELECT DISTINCT cluster, cidr, 2 FROM i_block_cidr UNION SELECT f.cluster, prefix_of(f.first_key, l.last_key), 3 FROM i_block_first f"
	" JOIN i_block_last l ON l.id = f.id UNION SELECT cluster, cidr, 4 FROM h_block WHERE NOT gone) WHERE prefix(cidr) IS NOT NULL GROUP BY cluster, cidr;"
	"CREATE TEMP TABLE v_cidr AS SELECT cluster, min(position) AS position, cidr, node_mask, iif(is_selector(selector), selector, NULL) AS selector,"
	" sum(weight) AS weight FROM (SELECT DISTINCT cluster, position, cidr, node_mask, selector, 2 AS weight FROM s_cidr UNION ALL"
	" SELECT cluster, position, cidr, node_mask, selector, 1 FROM h_cidr) WHERE cluster IN (SELECT id FROM cluster) AND prefix(cidr) IS NOT NULL"
	" AND typeof(position) = 'integer' AND typeof(node_mask) = 'integer' AND node_mask BETWEEN prefix_length(cidr) AND"
	" length(first_key(cidr)) * 4 - 2 AND (selector IS NULL OR is_selector(selector)) GROUP BY cluster, cidr, node_mask, 5;"
	"CREATE TEMP TABLE x_cidr AS SELECT v.*, (SELECT count(*) FROM c_block b WHERE b.cluster = v.cluster AND b.copies > 1 AND"
	" prefix_length(b.cidr) = v.node_mask AND length(first_key(b.cidr)) = length(first_key(v.cidr)) AND first_key(b.cidr) BETWEEN"
	" first_key(v.cidr) AND last_key(v.cidr)) AS blocks, (SELECT max(weight) FROM v_cidr o WHERE o.cluster = v.cluster) AS best FROM v_cidr v;";

#define CIDR_FITS                                                                                                                          \
	" AND NOT EXISTS (SELECT 1 FROM cidr o WHERE o.cluster = ?1 AND length(o.first_key) = length(first_key(?3))"                       \
	" AND o.first_key <= last_key(?3) AND o.last_key >= first_key(?3))"

static void put_cidr(struct repair *r, sqlite3_stmt *row, void *arg)
{
	bool made_up = arg != NULL;

	if (repair_put(
		    r,
		    "INSERT INTO cidr SELECT ?1, iif(EXISTS (SELECT 1 FROM cidr WHERE cluster = ?1 AND position = ?2), (SELECT max(position)"
		    " FROM cidr WHERE cluster = ?1) + 1, ?2), ?3, ?4, first_key(?3), last_key(?3), ?5 WHERE prefix(?3) IS NOT NULL AND ?4"
		    " BETWEEN prefix_length(?3) AND length(first_key(?3)) * 4 - 2 AND ?1 IN (SELECT id FROM cluster)" CIDR_FITS,
		    row) != SQLITE_DONE ||
	    sqlite3_changes(r->to) == 0)
		repair_tell(r, TELL_LOST, "the CIDR '%s' of cluster '%s', which overlaps another", check_text(row, 2), check_text(row, 6));
	else if (made_up)
		repair_tell(r, TELL_UNCERTAIN, "the cluster '%s' of block '%s' has lost the CIDR that it is of; it has the block alone",
			    check_text(row, 6), check_text(row, 2));
}

static void put_cidrs(struct repair *r)
{
	repair_do(r, cidrs);
	/* What the history tells alone is taken where the table tells none, or blocks lie in it. */
	repair_rows(
		r,
		"SELECT cluster, position, cidr, node_mask, selector, weight, (SELECT name FROM cluster c WHERE c.id = cluster) FROM x_cidr WHERE"
		" weight > 1 OR best = 1 OR blocks > 0 ORDER BY iif(blocks > 0, 3, 0) + weight DESC, cluster, position",
		put_cidr, NULL);
	repair_tell_rows(
		r, TELL_UNCERTAIN,
		"SELECT printf('the CIDR ''%s'' of cluster ''%s'': the history alone tells of it', cidr, (SELECT name FROM cluster c WHERE"
		" c.id = x.cluster)) FROM x_cidr x WHERE weight = 1 AND best > 1 AND blocks = 0");
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static const char blocks[] = BEST(
	"v_block", "id, cidr", "prefix(cidr) IS NOT NULL",
	"SELECT DISTINCT id, cidr, 5 AS weight FROM s_block UNION ALL SELECT DISTINCT id, cidr, 4 FROM i_block_cidr UNION ALL"
	" SELECT DISTINCT f.id, prefix_of(f.first_key, l.last_key), 4 FROM i_block_first f JOIN i_block_last l ON l.id = f.id")
	BEST("v_block_node", "id, node", "node IN (SELECT id FROM node)",
	     "SELECT DISTINCT b.id AS id, b.node AS node, 5 AS weight FROM s_block b UNION ALL SELECT DISTINCT id, node, 4 FROM i_block_node UNION ALL"
	     " SELECT v.id, h.node, (SELECT weight FROM trust) FROM v_block v JOIN h_block h ON h.cidr = v.cidr WHERE NOT h.gone")
	/* Most copies first. */
	"CREATE TEMP TABLE x_block AS SELECT v.id AS id, n.cluster AS cluster, n.id AS node, v.cidr AS cidr, (SELECT count(*) FROM (SELECT 1 FROM s_block"
	" WHERE id = v.id UNION ALL SELECT 1 FROM i_block_cidr WHERE id = v.id UNION ALL SELECT 1 FROM i_block_first WHERE id = v.id UNION ALL"
	" SELECT 1 FROM i_block_node WHERE id = v.id)) AS copies, ifnull((SELECT iif(h.gone OR h.node != n.id, -1, 1) FROM h_block h WHERE h.cidr = v.cidr"
	" AND h.cluster = n.cluster), 0) AS past FROM v_block v JOIN v_block_node b ON b.id = v.id JOIN node n ON n.id = b.node WHERE " GIVEN(
		"v.id") ";";

static void put_block(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	/* One that overlaps another isn't so; repair_diff() lists it. */
	if (repair_put(
		    r,
		    "INSERT INTO block SELECT ?1, ?2, ?3, ?4, first_key(?4), last_key(?4), iif(typeof(s.given) = 'text', s.given, NULL),"
		    " iif(typeof(s.given_lease) = 'integer', s.given_lease, NULL) FROM (SELECT 1) LEFT JOIN s_block s ON s.rowid = " ROW_OF(
			    "s_block", "?1", "x.cidr IS NOT ?4"),
		    row) != SQLITE_DONE)
		repair_tell(r, TELL_LOST, "the block '%s' (%s) of node '%s': it overlaps one that more copies tell", check_text(row, 3),
			    check_text(row, 0), check_text(row, 4));
}

static void put_missing_block(struct repair *r, sqlite3_stmt *row, void *arg)
{
	if (repair_put(r,
		       "INSERT INTO block SELECT " NEW_ID
		       ", ?1, ?2, ?3, first_key(?3), last_key(?3), NULL, NULL WHERE prefix(?3) IS NOT NULL",
		       row) != SQLITE_DONE ||
	    sqlite3_changes(r->to) == 0)
		return;
	repair_used_id(r);
	repair_tell(r, TELL_KEPT, "the block '%s' of node '%s', by %s", check_text(row, 2), check_text(row, 3), (const char *)arg);
}

#define MISSING_BLOCK(family, ip, otherwise)                                                                                               \
	"SELECT DISTINCT n.cluster, n.id, block_of(l." ip ", coalesce((SELECT node_mask FROM cidr c WHERE c.cluster = n.cluster AND"       \
	" contains(c.cidr, l." ip ")), " otherwise ")), n.name FROM s_lease l JOIN node n ON n.id = l.node WHERE address(" family          \
	", l." ip ") IS NOT NULL AND " BLOCK_AT("id", "n.cluster", "l." ip) " IS NULL"

static void put_blocks(struct repair *r)
{
	repair_do(r, blocks);
	repair_rows(
		r,
		"SELECT x.id, x.cluster, x.node, x.cidr, n.name FROM x_block x JOIN node n ON n.id = x.node WHERE copies > 1 OR past >= 0"
		" ORDER BY copies + past DESC, x.id",
		put_block, NULL);
	if (r->history || !r->blocks)
		repair_rows(
			r,
			"SELECT h.cluster, h.node, h.cidr, n.name FROM h_block h JOIN node n ON n.id = h.node AND n.cluster = h.cluster WHERE NOT gone AND"
			" NOT EXISTS (SELECT 1 FROM block b WHERE b.cluster = h.cluster AND b.cidr = h.cidr) ORDER BY line",
			put_missing_block, "the history");
	if (!r->blocks) {
		repair_rows(r, MISSING_BLOCK("0", "ip4", "24"), put_missing_block, "the leases in it");
		repair_rows(r, MISSING_BLOCK("1", "ip6", "64"), put_missing_block, "the leases in it");
	}
	repair_rows(
		r,
		"SELECT cluster, 0, b.cidr, prefix_length(b.cidr), NULL, 0, (SELECT name FROM cluster c WHERE c.id = b.cluster) FROM block b WHERE"
		" NOT EXISTS (SELECT 1 FROM cidr c WHERE c.cluster = b.cluster AND length(c.first_key) = length(b.first_key) AND"
		" c.first_key <= b.first_key AND c.last_key >= b.last_key) ORDER BY b.id",
		put_cidr, r);
	/* A block that is cut from a CIDR otherwise than the CIDR says can't be loaded. */
	repair_tell_rows(
		r, TELL_LOST,
		"SELECT printf('the block ''%s'', which is none of its cluster''s', b.cidr) FROM block b JOIN cidr c ON c.cluster = b.cluster AND"
		" length(c.first_key) = length(b.first_key) AND b.first_key BETWEEN c.first_key AND c.last_key AND c.node_mask !="
		" prefix_length(b.cidr)");
	repair_do(r,
		  "DELETE FROM block WHERE id IN (SELECT b.id FROM block b JOIN cidr c ON c.cluster = b.cluster AND length(c.first_key) ="
		  " length(b.first_key) AND b.first_key BETWEEN c.first_key AND c.last_key AND c.node_mask != prefix_length(b.cidr))");
}

/* A history with gaps may not tell that something went, and what machines share has its past elsewhere as well: it is asked only where
 * no table tells all. */
static void take_trust(struct repair *r, sqlite3_stmt *row, void *arg)
{
	bool trusted = r->history && sqlite3_column_int(row, 0) == 0;
	char sql[160];

	(void)arg;
	/* As much as an index; with gaps, less: what it tells may be of before. */
	snprintf(sql, sizeof sql, "CREATE TEMP TABLE trust AS SELECT %d AS weight, %d AS clusters, %d AS nodes", r->history ? 4 : 3,
		 trusted || !(r->whole[CLUSTER] || r->whole[CLUSTER_NAME]), trusted || !(r->whole[NODE] || r->whole[NODE_NAME]));
	repair_do(r, sql);
}

void repair_merge(struct repair *r)
{
	sort_out_ids(r);
	repair_rows(r, "SELECT count(*) FROM s_engine WHERE key NOT IN ('open', 'open-boot')", take_trust, NULL);
	repair_do(r, clusters);
	repair_do(r, nodes);
	put_cidrs(r);
	put_blocks(r);
}
