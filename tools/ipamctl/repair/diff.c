/* What was found against what was made of it: whatever is otherwise is a line, unless it was told already. So nothing depends on each step
 * of a repair telling what it left out. */
#include "ipamctl/repair/diff.h"

#include "ipamctl/repair/salvage.h"

#include <stdlib.h>
#include <string.h>

struct table {
	const char *name, *what, *columns;
	const char *but; /* rows that are no matter of this */
};

static const struct table tables[] = {
	{ "cluster", "cluster", "id, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision", NULL },
	{ "node", "node", "id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime, shared, revision, held, doubt", NULL },
	{ "cidr", "CIDR of a cluster", "cluster, position, cidr, node_mask, first_key, last_key, selector", NULL },
	{ "block", "block", "id, cluster, node, cidr, first_key, last_key, given, given_lease", NULL },
	{ "boot", "boot", "id, boot_id", NULL },
	{ "label", "label", "node, key, value", NULL },
	{ "setting", "setting", "owner, key, value", NULL },
	{ "lease_xattr", "attribute", "lease, name, value", NULL },
	{ "resting", "address that rests", "cluster, address, until", NULL },
	{ "network", "network", "id, node, name", NULL },
	{ "network_last", "last address of a network", "network, range, address", NULL },
	{ "engine", "word about the engine", "key, value", "key IN ('open', 'open-boot')" },
	{ "history", "line of the history", "id, time, cluster, node, ip4, ip6, line", NULL },
};

/* "'id=' || quote(id) || ' name=' || quote(name)" of "id, name" */
static char *as_text(const char *columns)
{
	char *copy = strdup(columns), *out = NULL, *save = NULL;

	for (char *c = strtok_r(copy, ", ", &save); c != NULL; c = strtok_r(NULL, ", ", &save)) {
		char *more = NULL;

		if (asprintf(&more, "%s%s' %s=' || quote(%s)", out == NULL ? "" : out, out == NULL ? "" : " || ", c, c) < 0)
			abort();
		free(out);
		out = more;
	}
	free(copy);
	return out;
}

static void tell_difference(struct repair *r, const struct table *t)
{
	char *text = as_text(t->columns), *sql = NULL;
	const char *but = t->but == NULL ? "0" : t->but;

	if (asprintf(&sql,
		     "SELECT '%s:' || %s || ' isn''t taken as it was' FROM (SELECT %s FROM s_%s EXCEPT SELECT %s FROM %s) WHERE NOT (%s)",
		     t->what, text, t->columns, t->name, t->columns, t->name, but) < 0)
		abort();
	repair_tell_rows(r, TELL_LOST, sql);
	free(sql);
	if (asprintf(&sql, "SELECT '%s:' || %s || ' is what is taken' FROM (SELECT %s FROM %s EXCEPT SELECT %s FROM s_%s) WHERE NOT (%s)",
		     t->what, text, t->columns, t->name, t->columns, t->name, but) < 0)
		abort();
	repair_tell_rows(r, TELL_KEPT, sql);
	free(sql);
	free(text);
}

/* ---- leases -------------------------------------------------------------------------------------------------------- */

#define WHERE_IT_IS " JOIN node n ON n.id = l.node JOIN cluster c ON c.id = l.cluster "

static const char by_indexes[] =
	"SELECT printf('lease ''%s/%s/%s'' (%s %s) by the indexes: without owner, times and boot', c.name, n.name, l.name, l.ip4, l.ip6) FROM lease l" WHERE_IT_IS
	"WHERE l.id IN (SELECT id FROM l_copies) AND l.id NOT IN (SELECT id FROM s_lease)";

#define MAIN(a) a ".cluster, " a ".node, " a ".name, " a ".ip4, " a ".ip6"
static const char otherwise[] =
	"SELECT DISTINCT printf('lease ''%s/%s/%s'' (%s %s): a row says otherwise: cluster %s, node %s, ''%s'' (%s %s)', c.name, n.name, l.name, l.ip4, l.ip6, " MAIN(
		"s") ") FROM lease l" WHERE_IT_IS
		     "JOIN s_lease s ON s.id = l.id WHERE l.cluster IS NOT s.cluster OR l.node IS NOT s.node OR l.name IS NOT"
		     " s.name OR l.ip4 IS NOT s.ip4 OR l.ip6 IS NOT s.ip6";

#define LEASE_REST "uid, gid, mode, atime, mtime, ctime, btime, generation, boot, ephemeral"
static const char rest[] =
	"SELECT printf('lease ''%s/%s/%s'' (%s %s): its owner, times, boot or the like aren''t as they were', c.name, n.name, l.name, l.ip4, l.ip6) FROM lease l" WHERE_IT_IS
	"WHERE l.id IN (SELECT id FROM (SELECT id, " LEASE_REST " FROM s_lease EXCEPT SELECT id, " LEASE_REST " FROM lease))";

/* Of what has no lease: what it was, and why. */
static const char without[] =
	"SELECT printf('lease %s ''%s'' (%s)', k.id, ifnull((SELECT name FROM v_lease v WHERE v.id = k.id), ''), ifnull((SELECT group_concat(ip, ' ') FROM l_pair"
	" p WHERE p.id = k.id), 'no address')) || CASE WHEN k.id IN (SELECT id FROM l_gone) THEN ': released, says the history, and one copy alone has it still'"
	" WHEN k.id NOT IN (SELECT id FROM l_pair) THEN ': nothing tells its address' WHEN k.id IN (SELECT id FROM x_own) THEN"
	" ': another has its address, which more copies tell, or which is older' ELSE ': of no node, or not with these addresses' END"
	" FROM (SELECT id FROM s_lease UNION SELECT id FROM i_lease_name UNION SELECT id FROM i_lease_ip4 UNION SELECT id FROM i_lease_ip6) k"
	" WHERE k.id IS NOT NULL AND k.id NOT IN (SELECT id FROM lease)";

static const char reserved[] =
	"SELECT printf('what cluster %s reserves, %s: it isn''t taken as it was', quote(s.cluster), quote(s.range)) FROM (SELECT cluster, position, range FROM"
	" s_reserved EXCEPT SELECT cluster, position, range FROM reserved) s";

void repair_diff(struct repair *r)
{
	repair_tell_rows(r, TELL_KEPT, by_indexes);
	repair_tell_rows(r, TELL_KEPT, otherwise);
	repair_tell_rows(r, TELL_KEPT, rest);
	repair_tell_rows(r, TELL_UNCERTAIN, without);
	repair_tell_rows(r, TELL_LOST, reserved);
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		tell_difference(r, &tables[i]);
	/* Indexes alone may tell of what is in no table. */
	repair_tell_rows(
		r, TELL_LOST,
		"SELECT printf('node %d ''%s'', which its index tells', id, name) FROM i_node_name WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM node) AND"
		" id NOT IN (SELECT id FROM s_node)");
	repair_tell_rows(
		r, TELL_LOST,
		"SELECT printf('cluster %d ''%s'', which its index tells', id, name) FROM i_cluster_name WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM"
		" cluster) AND id NOT IN (SELECT id FROM s_cluster)");
	repair_tell_rows(
		r, TELL_LOST,
		"SELECT printf('block %d ''%s'', which its index tells', id, cidr) FROM i_block_cidr WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM block)"
		" AND id NOT IN (SELECT id FROM s_block)");
}
