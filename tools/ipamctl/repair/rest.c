/* What belongs to clusters and nodes: one table each, and the history. A row that can't be so is taken from there. */
#include "ipamctl/repair/rest.h"

#include "ipamctl/check/findings.h"
#include "ipamctl/repair/salvage.h"
#include "ipamctl/repair/sql.h"

/* Before the leases: 'gateway' decides which addresses can be leased. */
void repair_settings(struct repair *r)
{
	repair_do(
		r,
		"INSERT OR IGNORE INTO setting SELECT owner, key, value FROM s_setting WHERE is_setting(key, value) AND (owner IN (SELECT id FROM"
		" cluster) OR owner IN (SELECT id FROM node));");
	repair_tell_rows(
		r, TELL_UNCERTAIN,
		"SELECT printf('setting ''%s'' of %s: the history says ''%s'', it stays ''%s''', s.key, ifnull((SELECT name FROM cluster WHERE"
		" id = owner), (SELECT name FROM node WHERE id = owner)), h.value, s.value) FROM setting s JOIN h_setting h USING (owner, key)"
		" WHERE s.value != h.value");
	if (r->history || !r->whole[SETTING])
		repair_do(
			r,
			"INSERT OR IGNORE INTO setting SELECT owner, key, value FROM h_setting WHERE owner IN (SELECT id FROM cluster) OR owner IN"
			" (SELECT id FROM node)");
}

static void put_labels(struct repair *r)
{
	repair_do(
		r,
		"INSERT OR IGNORE INTO label SELECT node, key, value FROM s_label WHERE is_label(key, value) AND node IN (SELECT id FROM node);");
	if (r->history || !r->whole[LABEL])
		repair_do(r, "INSERT OR IGNORE INTO label SELECT node, key, value FROM h_label WHERE node IN (SELECT id FROM node)");
	repair_do(
		r,
		"DELETE FROM label WHERE (node, key) NOT IN (SELECT node, key FROM s_label) AND node IN (SELECT node FROM label GROUP BY node HAVING"
		" sum(length(key) + length(value) + 2) > 4096);"
		"DELETE FROM label WHERE node IN (SELECT node FROM label GROUP BY node HAVING sum(length(key) + length(value) + 2) > 4096);");
}

static void put_reserved(struct repair *r, sqlite3_stmt *row, void *arg)
{
	const char *how = arg;

	repair_put(
		r,
		"INSERT INTO reserved SELECT ?1, iif(EXISTS (SELECT 1 FROM reserved WHERE cluster = ?1 AND position = ?2), (SELECT max(position) FROM"
		" reserved WHERE cluster = ?1) + 1, ?2), ?3, ?4",
		row);
	if (how != NULL)
		repair_tell(r, TELL_KEPT, "what cluster '%s' reserves, '%s': %s", check_text(row, 4), check_text(row, 2), how);
}

/* A range in which a lease is, or a whole block, isn't reserved. */
#define KEYS(s) "BETWEEN range_key(" s ".range, 0) AND range_key(" s ".range, 1)"
#define UNUSED(s)                                                                                                                          \
	" AND NOT EXISTS (SELECT 1 FROM l_key k WHERE k.cluster = " s ".cluster AND k.key " KEYS(                                          \
		s) " AND length(k.key) = length(range_key(" s ".range, 0))) AND NOT EXISTS (SELECT 1 FROM block b WHERE b.cluster = " s    \
		   ".cluster AND b.first_key " KEYS(s) " AND b.last_key " KEYS(s) " AND length(b.first_key) = length(range_key(" s         \
										  ".range, 0)))"

static void put_all_reserved(struct repair *r)
{
	repair_do(
		r,
		"CREATE TEMP TABLE l_key AS SELECT cluster, key_of(ip4) AS key FROM lease WHERE ip4 IS NOT NULL UNION ALL SELECT cluster, key_of(ip6) FROM"
		" lease WHERE ip6 IS NOT NULL; CREATE INDEX temp.l_key_key ON l_key (cluster, key)");
	repair_rows(
		r,
		"SELECT cluster, position, range, max(services IS 1) FROM s_reserved s WHERE range(range) = range AND typeof(position) = 'integer' AND cluster IN"
		" (SELECT id FROM cluster)" UNUSED("s") " GROUP BY cluster, position, range ORDER BY cluster, position",
		put_reserved, NULL);
	if (r->history || !r->whole[RESERVED])
		repair_rows(
			r,
			"SELECT s.cluster, 0, s.range, s.services, c.name FROM h_reserved s JOIN cluster c ON c.id = s.cluster WHERE newest AND NOT EXISTS"
			" (SELECT 1 FROM reserved x WHERE x.cluster = s.cluster AND x.range = s.range)" UNUSED("s"),
			put_reserved, "by the history alone");
}

static const char networks[] =
	"INSERT OR IGNORE INTO network SELECT s.id, s.node, s.name FROM s_network s WHERE is_name(3, name) AND node IN (SELECT id FROM node) AND " GIVEN(
		"id") " AND NOT EXISTS (SELECT 1 FROM i_network_name i WHERE i.node = s.node AND i.name = s.name AND i.id != s.id);"
		      "INSERT OR IGNORE INTO network SELECT id, node, name FROM i_network_name WHERE is_name(3, name) AND node IN (SELECT id FROM node) AND " GIVEN(
			      "id") ";"
				    "INSERT OR IGNORE INTO network_last SELECT network, range, address FROM s_network_last WHERE typeof(range) = 'integer' AND range BETWEEN 0 AND"
				    " 255 AND network IN (SELECT id FROM network) AND ifnull(address(0, address), address(1, address)) IS NOT NULL;";

static const char others[] =
	"INSERT OR IGNORE INTO resting SELECT cluster, address, until FROM s_resting s WHERE typeof(until) = 'integer' AND cluster IN (SELECT id FROM"
	" cluster) AND ifnull(address(0, address), address(1, address)) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lease l WHERE"
	" l.cluster = s.cluster AND l.ip4 = s.address) AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.cluster = s.cluster AND l.ip6 = s.address);"
	"INSERT OR IGNORE INTO engine SELECT key, value FROM s_engine WHERE typeof(key) = 'text' AND typeof(value) = 'text' AND key NOT IN ('open', 'open-boot');";

void repair_rest(struct repair *r)
{
	put_labels(r);
	put_all_reserved(r);
	repair_do(r, networks);
	repair_do(r, others);
}
