/* What the history tells: in its order, of each address, block, node and cluster the last line. A line is believed of an address by its
 * column, by the index and by its own text; a release only where two of them agree. */
#include "ipamctl/repair/past.h"

#include "ipamctl/check/past.h"
#include "ipamctl/repair/salvage.h"
#include "ipamctl/repair/sql.h"

#define JSON(path) "json_extract(line, '$." path "')"
#define IS_ADDRESS(x) "ifnull(address(0, " x "), address(1, " x ")) IS NOT NULL"

static const char lines[] =
	/* ok: it is a line; what isn't, is about its addresses all the same. */
	"CREATE TEMP TABLE h_line AS SELECT *, iif(ok, " JSON("event") ", '') AS event, iif(ok, " JSON("cluster") ", NULL) AS cname, iif(ok, " JSON("node") ", NULL) AS nname, iif(ok, " JSON(
		"name") ", NULL) AS name FROM (SELECT id, time, iif(typeof(cluster) = 'integer', cluster,"
			" NULL) AS cluster, iif(typeof(node) = 'integer', node, NULL) AS node, ip4, ip6, line, ifnull(typeof(line) = 'text' AND"
			" iif(json_valid(line), json_type(line, '$.event') = 'text', 0), 0) AS ok FROM s_history);"
			"CREATE INDEX temp.h_line_id ON h_line (id);"
			"CREATE TEMP TABLE h_ip AS SELECT id, ip, count(*) AS votes FROM ("
			" SELECT id, ip4 AS ip, 1 AS source FROM h_line WHERE address(0, ip4) IS NOT NULL"
			" UNION SELECT id, ip6, 1 FROM h_line WHERE address(1, ip6) IS NOT NULL"
			" UNION SELECT id, ip, 2 FROM i_history WHERE typeof(id) = 'integer' AND " IS_ADDRESS("ip") " UNION SELECT l.id, j.value, 3 FROM h_line l, json_each(l.line, '$.addresses') j WHERE l.ok AND " IS_ADDRESS(
				"j.value") ") GROUP BY id, ip;"
					   /* Of each address, in each cluster: what it says last. */
					   "CREATE TEMP TABLE h_addr AS SELECT ifnull(l.cluster, (SELECT x.cluster FROM h_line x WHERE x.ok AND x.cname = l.cname AND x.cluster"
					   " IS NOT NULL ORDER BY x.id DESC LIMIT 1)) AS cluster, i.ip AS ip, max(i.id) AS id, l.node AS node, l.name AS name, iif(l.event = 'release' AND"
					   " i.votes > 1, 'free', iif(l.event IN ('allocate', 'rename', 'attributes', 'permissions'), 'held', 'unknown')) AS state"
					   " FROM h_ip i LEFT JOIN h_line l ON l.id = i.id GROUP BY 1, 2;"
					   "CREATE INDEX temp.h_addr_ip ON h_addr (ip, cluster);"
					   "CREATE TEMP TABLE h_cluster AS SELECT cluster AS id, cname AS name, event = 'cluster-remove' AS gone, max(id) AS line FROM h_line"
					   " WHERE ok AND cluster IS NOT NULL GROUP BY cluster;"
					   "CREATE TEMP TABLE h_node AS SELECT node AS id, cluster, nname AS name, event = 'node-remove' AS gone, max(id) AS line FROM h_line"
					   " WHERE ok AND node IS NOT NULL GROUP BY node;"
					   "CREATE TEMP TABLE h_block AS SELECT cluster, node, prefix(" JSON(
						   "block") ") AS cidr, event = 'withdraw' AS gone, max(id) AS line FROM h_line"
							    " WHERE ok AND event IN ('delegate', 'withdraw') GROUP BY cluster, 3 HAVING prefix(" JSON(
								    "block") ") IS NOT NULL;"
									     "CREATE INDEX temp.h_block_cidr ON h_block (cidr, cluster);"
									     /* Lists: what was set last. */
									     "CREATE TEMP TABLE h_cidr AS SELECT l.cluster AS cluster, j.key AS position, substr(j.value, 1, instr(j.value, ' ') - 1) AS cidr,"
									     " CAST(substr(j.value, instr(j.value, ' ') + 1) AS INTEGER) AS node_mask, iif(instr(j.value, ' selector=') > 0, substr(j.value,"
									     " instr(j.value, ' selector=') + 10), NULL) AS selector FROM (SELECT cluster, line, max(id) FROM h_line WHERE ok AND event = 'cidrs'"
									     " AND cluster IS NOT NULL GROUP BY cluster) l, json_each(l.line, '$.cidrs') j WHERE j.type = 'text';"
									     "CREATE TEMP TABLE h_reserved AS SELECT l.id AS id, l.cluster AS cluster, range(replace(j.value, ' services', '')) AS range, j.value LIKE '% services' AS services, l.id = (SELECT max(id) FROM h_line m"
									     " WHERE m.ok AND m.event = 'reserved' AND m.cluster = l.cluster) AS newest FROM h_line l, json_each(l.line, '$.reserved') j"
									     " WHERE l.ok AND l.event = 'reserved' AND range(replace(j.value, ' services', '')) IS NOT NULL;"
									     "CREATE TEMP TABLE h_label AS SELECT l.node AS node, j.key AS key, j.value AS value FROM (SELECT node, line, max(id) FROM h_line WHERE ok"
									     " AND node IS NOT NULL AND " JSON(
										     "labels") " IS NOT NULL GROUP BY node) l, json_each(l.line, '$.labels') j WHERE is_label(j.key, j.value);"
											       "CREATE TEMP TABLE h_setting AS SELECT ifnull(l.node, l.cluster) AS owner, j.key AS key, j.value AS value, max(l.id) AS line FROM h_line l,"
											       " json_each(l.line, '$.settings') j WHERE l.ok AND l.event = 'settings' AND is_setting(j.key, j.value) GROUP BY 1, 2;";

static void is_not_whole(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	r->history = false;
	repair_tell(r, TELL_LOST, "%s", check_text(row, 0));
}

void repair_past(struct repair *r)
{
	repair_do(r, lines);
	repair_rows(r, "SELECT printf('line %d of the history, which is none', id) FROM h_line WHERE NOT ok", is_not_whole, NULL);
	repair_rows(
		r,
		"SELECT printf('line %d of the history, about ''%s'': its index alone tells of it', id, ip) FROM (SELECT DISTINCT id, ip FROM"
		" i_history) WHERE typeof(id) = 'integer' AND id NOT IN (SELECT id FROM s_history)",
		is_not_whole, NULL);
	repair_do(
		r,
		"INSERT OR IGNORE INTO history SELECT id, time, cluster, node, ip4, ip6, line FROM s_history WHERE typeof(time) = 'integer'"
		" AND typeof(line) = 'text' AND json_valid(line) AND typeof(cluster) IN ('integer', 'null') AND typeof(node) IN ('integer', 'null')"
		" AND typeof(ip4) IN ('text', 'null') AND typeof(ip6) IN ('text', 'null');");
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

#define TIME "strftime('%Y-%m-%dT%H:%M:%S.000000000Z')"
/* Behind the last line. */
#define NUMBER "(SELECT ifnull(max(id), 0) FROM history) + row_number() OVER ()"
/* json_patch leaves out what is NULL. */
#define LINE(fields) "json_patch('{}', json_object('time', " TIME ", " fields ", 'reason', 'repair'))"
#define NAMES(cluster, node)                                                                                                               \
	"'cluster', (SELECT name FROM cluster WHERE id = " cluster "), 'node', (SELECT name FROM node WHERE id = " node ")"

#define UNTOLD(family)                                                                                                                             \
	"SELECT printf('''%s'': lease ''%s'' held it, says the history; from now on it says that it is released', q.ip, q.name) FROM (" PAST_HELD( \
		family) ") q WHERE NOT EXISTS (SELECT 1 FROM reserved x WHERE x.cluster = q.cluster AND in_range(x.range, q.ip))"
#define CLOSE(family)                                                                                                                      \
	"INSERT INTO history (id, time, cluster, node, " #family ", line) SELECT " NUMBER ", " NOW                                         \
	", q.cluster, q.node, q.ip, " LINE("'event', 'release', " NAMES(                                                                   \
		"q.cluster", "q.node") ", 'name', q.name, 'addresses', json_array(q.ip)") " FROM (" PAST_HELD(family) ") q;"
#define CLOSE_KIND(kind, node)                                                                                                             \
	"INSERT INTO history (id, time, cluster, node, line) SELECT " NUMBER ", " NOW ", q.cluster, " node                                 \
	", " LINE("'event', '" #kind "-remove', '" #kind "', q.name") " FROM (" PAST_THERE(kind) ") q;"

/* What the new one has is what its history says, from now on: what is held by nobody was released, what is reserved is. */
void repair_close_past(struct repair *r)
{
	repair_tell_rows(r, TELL_UNCERTAIN, UNTOLD(ip4));
	repair_tell_rows(r, TELL_UNCERTAIN, UNTOLD(ip6));
	repair_do(r, CLOSE(ip4) CLOSE(ip6) CLOSE_KIND(node, "q.id") CLOSE_KIND(cluster, "NULL"));
	/* Where it says something else, or something was added. */
	repair_do(
		r,
		"CREATE TEMP TABLE now_reserved AS SELECT id, name, list FROM (SELECT c.id AS id, c.name AS name, (SELECT json_group_array(line) FROM"
		" (SELECT range || iif(services, ' services', '') AS line FROM reserved WHERE cluster = c.id ORDER BY position)) AS list, (SELECT json_extract(line, '$.reserved') FROM history h"
		" WHERE h.cluster = c.id AND json_extract(line, '$.event') = 'reserved' ORDER BY h.id DESC LIMIT 1) AS past FROM cluster c) WHERE list != past OR"
		" EXISTS (SELECT 1 FROM reserved x WHERE x.cluster = id AND x.range NOT IN (SELECT range FROM s_reserved s WHERE s.cluster = x.cluster));"
		"INSERT INTO history (id, time, cluster, line) SELECT " NUMBER ", " NOW
		", n.id, " LINE("'event', 'reserved', 'cluster', n.name, 'reserved', json(n.list)") " FROM now_reserved n;");
	repair_tell_rows(r, TELL_KEPT,
			 "SELECT printf('what cluster ''%s'' reserves: from now on its history says it as it is', name) FROM now_reserved");
}
