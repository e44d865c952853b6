/* Leases. Each id has the copies that tell it: the table's rows, the indexes by name and by address, and the history of its addresses. An
 * address goes to the lease that most of them tell; a lease that loses one address keeps the other. */
#include "ipamctl/repair/lease.h"

#include "ipamctl/check/findings.h"
#include "ipamctl/repair/merge.h"
#include "ipamctl/repair/salvage.h"
#include "ipamctl/repair/sql.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What each copy tells: of an id an address, its node, its name. */
static const char copies[] =
	"CREATE TEMP TABLE l_pair AS SELECT id, family, ip, sum(weight) AS votes, max(cluster) AS cluster FROM ("
	" SELECT DISTINCT id, 0 AS family, ip4 AS ip, 5 AS weight, cluster FROM s_lease WHERE address(0, ip4) IS NOT NULL"
	" UNION ALL SELECT DISTINCT id, 1, ip6, 5, cluster FROM s_lease WHERE address(1, ip6) IS NOT NULL"
	" UNION ALL SELECT DISTINCT id, 0, ip4, 4, cluster FROM i_lease_ip4 WHERE address(0, ip4) IS NOT NULL"
	" UNION ALL SELECT DISTINCT id, 1, ip6, 4, cluster FROM i_lease_ip6 WHERE address(1, ip6) IS NOT NULL)"
	" GROUP BY id, family, ip;"
	"CREATE INDEX temp.l_pair_id ON l_pair (id);" BEST(
		"v_lease_node", "id, node", "node IN (SELECT id FROM node)",
		"SELECT DISTINCT id, node, 5 AS weight FROM s_lease UNION ALL SELECT DISTINCT id, node, 4 FROM i_lease_name UNION ALL"
		" SELECT id, " BLOCK_AT(
			"node", "p.cluster",
			"p.ip") ", votes FROM l_pair p UNION ALL SELECT p.id, h.node, (SELECT weight FROM trust) FROM l_pair p"
				" JOIN h_addr h ON h.ip = p.ip AND h.cluster = p.cluster WHERE h.state = 'held'")
	/* Names that several of a node have: less is for them. */
	"CREATE TEMP TABLE l_same AS SELECT name FROM (SELECT id, node, name FROM s_lease UNION SELECT id, node, name FROM i_lease_name) GROUP BY"
	" node, name HAVING count(DISTINCT id) > 1;" BEST(
		"v_lease", "id, name", "is_name(3, name)",
		"SELECT DISTINCT id, name, iif(name IN (SELECT name FROM l_same), 2, 5) AS weight FROM s_lease UNION ALL"
		" SELECT DISTINCT id, name, iif(name IN (SELECT name FROM l_same), 1, 4) FROM i_lease_name UNION ALL"
		" SELECT DISTINCT p.id, h.name, (SELECT weight FROM trust) FROM l_pair p JOIN v_lease_node v ON v.id = p.id JOIN node n ON n.id = v.node"
		" JOIN h_addr h ON h.ip = p.ip AND h.cluster = n.cluster WHERE h.state = 'held' AND h.node = n.id");

/* Which copies tell an id; and which of its addresses can be its own, with how much is for it. */
static const char candidates[] =
	"CREATE TEMP TABLE l_copies AS SELECT id, max(t) AS t, max(n) AS n, max(a) AS a FROM (SELECT id, 1 AS t, 0 AS n, 0 AS a FROM s_lease"
	" UNION ALL SELECT id, 0, 1, 0 FROM i_lease_name UNION ALL SELECT id, 0, 0, 1 FROM i_lease_ip4 UNION ALL SELECT id, 0, 0, 1 FROM"
	" i_lease_ip6) WHERE " GIVEN(
		"id") " GROUP BY id;"
		      "CREATE INDEX temp.l_copies_id ON l_copies (id);"
		      "CREATE TEMP TABLE x_pair AS SELECT p.id AS id, n.id AS node, n.cluster AS cluster, p.family AS family, p.ip AS ip, p.votes + 4 * c.n AS votes,"
		      " CASE h.state WHEN 'held' THEN iif(h.node = n.id AND h.name = v.name, 6, -3) WHEN 'free' THEN -3 ELSE 0 END AS past"
		      " FROM l_pair p JOIN l_copies c ON c.id = p.id JOIN v_lease_node w ON w.id = p.id JOIN node n ON n.id = w.node"
		      " LEFT JOIN v_lease v ON v.id = p.id LEFT JOIN h_addr h ON h.ip = p.ip AND h.cluster = n.cluster;"
		      "CREATE INDEX temp.x_pair_id ON x_pair (id);"
		      /* What one copy alone tells, another that can be read doesn't, and the history knows as released: it is. */
		      "CREATE TEMP TABLE l_gone AS SELECT c.id AS id FROM l_copies c, whole w WHERE c.t + c.n + c.a = 1 AND (w.t AND NOT c.t OR w.n AND NOT c.n OR"
		      " w.a AND NOT c.a) AND EXISTS (SELECT 1 FROM x_pair x WHERE x.id = c.id) AND NOT EXISTS (SELECT 1 FROM x_pair x WHERE x.id = c.id AND"
		      " x.past >= 0);"
		      "DELETE FROM x_pair WHERE id IN (SELECT id FROM l_gone);"
		      "CREATE TEMP TABLE x_own AS SELECT x.*, x.votes + x.past AS score FROM x_pair x JOIN cluster c ON c.id = x.cluster WHERE " BLOCK_AT(
			      "node", "x.cluster",
			      "x.ip") " = x.node AND leasable(" BLOCK_AT("cidr", "x.cluster",
									 "x.ip") ", ifnull((SELECT value FROM"
										 " setting WHERE owner = x.node AND key = 'gateway'), (SELECT value FROM setting WHERE owner = x.cluster AND key = 'gateway')), x.ip);"
										 /* Each address to one lease, each lease one address of a
										    family. */
										 "CREATE TEMP TABLE x_won AS SELECT id, node, cluster, family, ip, score FROM (SELECT *, row_number() OVER (PARTITION BY id, family ORDER BY"
										 " score DESC, ip) AS choice FROM (SELECT *, row_number() OVER (PARTITION BY cluster, ip ORDER BY score DESC, id) AS place FROM x_own)"
										 " WHERE place = 1) WHERE choice = 1;"
										 "CREATE INDEX temp.x_won_id ON x_won (id);";

/* id, cluster, node, name, ip4, ip6, owner, times, generation, boot, ephemeral */
static const char leases[] =
	"SELECT w.id, w.cluster, w.node, ifnull(v.name, 'recovered-' || w.id), w.ip4, w.ip6, " OWNER("s", "420") ", " TIMES("s") ", " INT(
		"s.generation",
		"1") ", ifnull((SELECT id FROM boot WHERE id = s.boot), (SELECT id FROM boot_now)), iif(s.ephemeral IN (0, 1), s.ephemeral, 0)"
		     " FROM (SELECT id, cluster, node, max(iif(family = 0, ip, NULL)) AS ip4, max(iif(family = 1, ip, NULL)) AS ip6, sum(score) AS score FROM x_won"
		     " GROUP BY id) w LEFT JOIN v_lease v ON v.id = w.id LEFT JOIN s_lease s ON s.rowid = " ROW_OF(
			     "s_lease", "w.id",
			     "(x.name IS NOT v.name) + (x.ip4 IS NOT w.ip4) + (x.ip6 IS NOT w.ip6)") " ORDER BY w.score DESC, w.id";

static void put_lease(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	/* The name is another's: the address stays held all the same. */
	if (repair_put(r, "INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row) != SQLITE_DONE &&
	    repair_put(r, "INSERT INTO lease SELECT ?1, ?2, ?3, 'recovered-' || ?1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16",
		       row) != SQLITE_DONE)
		repair_tell(r, TELL_UNCERTAIN, "lease '%s' (%s %s): it can't be stored", check_text(row, 3), check_text(row, 4),
			    check_text(row, 5));
}

/* ---- what the history alone tells ----------------------------------------------------------------------------------- */

/* Held by its last line, and nobody's. One that was reserved since was nobody's then. */
static const char told[] =
	"CREATE TEMP TABLE told AS SELECT h.cluster AS cluster, h.node AS node, h.name AS name, h.ip AS ip, h.id AS id, address(0, h.ip) IS NULL AS"
	" family FROM h_addr h JOIN cluster c ON c.id = h.cluster WHERE h.state = 'held' AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.cluster ="
	" h.cluster AND l.ip4 = h.ip) AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.cluster = h.cluster AND l.ip6 = h.ip) AND NOT EXISTS"
	" (SELECT 1 FROM h_reserved x WHERE x.cluster = h.cluster AND x.id > h.id AND in_range(x.range, h.ip)) AND " BLOCK_AT(
		"node", "h.cluster",
		"h.ip") " = h.node AND leasable(" BLOCK_AT("cidr", "h.cluster",
							   "h.ip") ", ifnull((SELECT value FROM"
								   " setting WHERE owner = h.node AND key = 'gateway'), (SELECT value FROM setting WHERE owner = h.cluster AND key = 'gateway')), h.ip);";

/* cluster, node, name, ip4, ip6; cluster's and node's name */
static const char told_leases[] =
	"SELECT t.cluster, t.node, t.name, max(iif(family = 0, ip, NULL)), max(iif(family = 1, ip, NULL)), c.name, n.name FROM told t JOIN cluster c ON"
	" c.id = t.cluster JOIN node n ON n.id = t.node GROUP BY t.cluster, t.node, t.name HAVING count(*) = count(DISTINCT family) ORDER BY min(t.id)";

static void put_told(struct repair *r, sqlite3_stmt *row, void *arg)
{
	bool had = false;

	(void)arg;
	/* It is there with its other address. */
	if (repair_put(r,
		       "UPDATE lease SET ip4 = ifnull(ip4, ?4), ip6 = ifnull(ip6, ?5) WHERE node = ?2 AND name = ?3 AND cluster = ?1 AND"
		       " (ip4 IS NULL AND ?4 IS NOT NULL OR ip6 IS NULL AND ?5 IS NOT NULL)",
		       row) == SQLITE_DONE)
		had = sqlite3_changes(r->to) > 0;
	if (!had && (repair_put(r,
				"INSERT INTO lease SELECT " NEW_ID ", ?1, ?2, ?3, ?4, ?5, 0, 0, 420, " NOW ", " NOW ", " NOW ", " NOW
				", 1, (SELECT id FROM boot_now), 0 WHERE is_name(3, ?3)",
				row) != SQLITE_DONE ||
		     sqlite3_changes(r->to) == 0))
		return; /* a claim alone */
	if (!had)
		repair_used_id(r);
	repair_tell(r, TELL_KEPT, "lease '%s/%s/%s' (%s %s) by the history: %s", check_text(row, 5), check_text(row, 6), check_text(row, 2),
		    check_text(row, 3), check_text(row, 4), had ? "its other address was known" : "without owner, times and attributes");
}

/* ---- boots ---------------------------------------------------------------------------------------------------------- */

/* Which boot a lease was made in decides whether the next mount releases it: where that isn't known it is this one. */
static void put_boots(struct repair *r)
{
	char now[64] = "unknown", sql[512];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, now, sizeof now - 1);

	if (n > 0)
		now[n] = 0;
	now[strcspn(now, "\n'")] = 0;
	if (fd >= 0)
		close(fd);
	repair_do(
		r,
		"INSERT OR IGNORE INTO boot SELECT id, boot_id FROM s_boot s WHERE typeof(boot_id) = 'text' AND " GIVEN(
			"id") " AND NOT EXISTS (SELECT 1 FROM i_boot_id i WHERE i.id = s.id AND i.boot_id != s.boot_id) AND (EXISTS (SELECT 1 FROM i_boot_id i"
			      " WHERE i.id = s.id) OR NOT (SELECT boots FROM whole)) ORDER BY id;"
			      "INSERT OR IGNORE INTO boot SELECT id, boot_id FROM i_boot_id WHERE typeof(boot_id) = 'text' AND " GIVEN(
				      "id") " AND id NOT IN (SELECT id FROM s_boot);");
	snprintf(
		sql, sizeof sql,
		"INSERT INTO boot SELECT " NEW_ID ", '%s' WHERE NOT EXISTS (SELECT 1 FROM boot WHERE boot_id = '%s');"
		"UPDATE sequence SET next_id = next_id + changes(); CREATE TEMP TABLE boot_now AS SELECT id FROM boot WHERE boot_id = '%s'",
		now, now, now);
	repair_do(r, sql);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

static void note_whole(struct repair *r)
{
	char sql[200];

	snprintf(sql, sizeof sql, "CREATE TEMP TABLE whole AS SELECT %d AS t, %d AS n, %d AS a, %d AS boots", r->whole[LEASE],
		 r->whole[LEASE_NAME], r->whole[LEASE_IP4] && r->whole[LEASE_IP6], r->whole[BOOT_ID]);
	repair_do(r, sql);
}

/* A lease that has a name and no address: what the tables tell of leases isn't all. */
static void has_no_address(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)row;
	(void)arg;
	r->leases = false;
}

static void put_attributes(struct repair *r)
{
	repair_do(r, "INSERT OR IGNORE INTO lease_xattr SELECT lease, name, value FROM s_lease_xattr WHERE typeof(name) = 'text' AND"
		     " typeof(value) = 'blob' AND length(CAST(name AS BLOB)) BETWEEN 1 AND 255 AND lease IN (SELECT id FROM lease);"
		     "DELETE FROM lease_xattr WHERE lease IN (SELECT lease FROM lease_xattr GROUP BY lease HAVING"
		     " sum(length(CAST(name AS BLOB)) + length(value)) > 4096);");
	if (!r->history && r->whole[XATTR])
		return;
	/* The last line about a lease has its attributes, as far as they are text. */
	repair_do(r, "CREATE TEMP TABLE had_attributes AS SELECT DISTINCT lease FROM lease_xattr");
	repair_tell_rows(
		r, TELL_KEPT,
		"INSERT OR IGNORE INTO lease_xattr SELECT l.id, j.key, CAST(j.value AS BLOB) FROM lease l JOIN h_addr h ON h.cluster = l.cluster AND"
		" h.ip = ifnull(l.ip4, l.ip6) AND h.node = l.node AND h.name = l.name AND h.state = 'held' JOIN h_line x ON x.id = h.id, json_each(x.line,"
		" '$.attributes') j WHERE x.ok AND instr(x.line, '\\u0000') = 0 AND j.type = 'text' AND instr(j.key || j.value, char(65533)) = 0 AND"
		" length(CAST(j.key AS BLOB)) BETWEEN 1 AND 255 AND l.id NOT IN (SELECT lease FROM had_attributes) RETURNING"
		" printf('attribute ''%s'' of lease %d by the history', name, lease)");
}

void repair_leases(struct repair *r)
{
	note_whole(r);
	put_boots(r);
	repair_do(r, copies);
	repair_do(r, candidates);
	repair_rows(r, "SELECT 1 FROM l_copies WHERE NOT t AND NOT a LIMIT 1", has_no_address, NULL);
	repair_rows(r, leases, put_lease, NULL);
	repair_do(r, told);
	/* By itself, where it has gaps, the history takes for held what was released in one of them. */
	if (r->history)
		repair_rows(r, told_leases, put_told, NULL);
	put_attributes(r);
	repair_do(
		r,
		"DELETE FROM boot WHERE id IN (SELECT id FROM boot_now) AND id NOT IN (SELECT id FROM s_boot) AND id NOT IN (SELECT boot FROM lease)");
}
