/* What may be held, though no lease is known, is not given to anybody: it goes into what its cluster reserves, where
 * a person looks at it and takes it out again. */
#include "ipamctl/repair/uncertain.h"

#include "ipamctl/check/findings.h"
#include "ipamctl/repair/salvage.h"
#include "ipamctl/repair/sql.h"

#include <string.h>

static void put_reserved(struct repair *r, uint64_t cluster, const char *range)
{
	sqlite3_stmt *stmt = NULL;

	if (r->error == 0 &&
	    sqlite3_prepare_v2(
		    r->to,
		    "INSERT INTO reserved (cluster, position, range) SELECT ?1, ifnull(max(position), -1) + 1, ?2 FROM reserved WHERE cluster = ?1",
		    -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, (int64_t)cluster);
		sqlite3_bind_text(stmt, 2, range, -1, SQLITE_TRANSIENT);
		if (sqlite3_step(stmt) != SQLITE_DONE)
			r->error = -1;
	}
	sqlite3_finalize(stmt);
}

static void put_claim(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	put_reserved(r, (uint64_t)sqlite3_column_int64(row, 0), check_text(row, 1));
	repair_tell(r, TELL_UNCERTAIN, "'%s' of cluster '%s': something says that it is held%s%s, but no such lease is known: reserved",
		    check_text(row, 1), check_text(row, 2), check_text(row, 3)[0] != 0 ? " by " : "", check_text(row, 3));
}

/* ---- gaps --------------------------------------------------------------------------------------------------------- */

/* Between what is known to be taken: of a block its leases, of a CIDR its blocks. */
struct gaps {
	uint64_t cluster;
	const char *of;
	bool open; /* there is a prefix under way, */
	struct cidr prefix;
	u128 next; /* and from here on all is uncertain */
	char text[CIDR_TEXT];
};

static void put_gap(struct repair *r, const struct gaps *g, u128 first, u128 last)
{
	struct cidr_range range = { first, last, g->prefix.family };
	char text[CIDR_RANGE_TEXT];

	if (first > last)
		return;
	cidr_print_range(&range, text);
	put_reserved(r, g->cluster, text);
	repair_tell(r, TELL_UNCERTAIN, "%s in %s '%s': what was there can't be read: reserved", text, g->of, g->text);
}

static void end_gaps(struct repair *r, struct gaps *g)
{
	u128 last = g->open ? cidr_last(&g->prefix) : 0;

	if (g->open && g->next != 0 && g->next <= last)
		put_gap(r, g, g->next, last);
	g->open = false;
}

/* cluster, prefix, and in their order what is taken in it: an address, a prefix, or NULL for nothing. */
static void take_taken(struct repair *r, sqlite3_stmt *row, void *arg)
{
	struct gaps *g = arg;
	const char *prefix = check_text(row, 1), *taken = check_text(row, 2);
	struct cidr_range range;

	if (!g->open || strcmp(prefix, g->text) != 0 || (uint64_t)sqlite3_column_int64(row, 0) != g->cluster) {
		end_gaps(r, g);
		if (cidr_parse(prefix, strlen(prefix), &g->prefix) < 0)
			return;
		g->open = true;
		g->cluster = (uint64_t)sqlite3_column_int64(row, 0);
		snprintf(g->text, sizeof g->text, "%s", prefix);
		/* Not a block as a whole: it is delegated. Its first address is nobody's anyway. */
		g->next = g->prefix.base + (strcmp(g->of, "block") == 0);
	}
	if (cidr_parse_range(taken, strlen(taken), &range) < 0)
		return;
	if (range.first > g->next)
		put_gap(r, g, g->next, range.first - 1);
	if (range.last >= g->next)
		g->next = range.last + 1;
}

/* The history tells of all that ever was: nothing but it is needed to know who has what. */
static void is_complete(struct repair *r, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	if (!r->history || sqlite3_column_int(row, 0) != 1)
		return;
	r->address[CIDR_V4] = r->address[CIDR_V6] = r->blocks = true;
}

/* All that any copy tells, in the cluster that it says, or its node's. What a single one tells that another doesn't, and the history knows
 * as released, isn't. */
static const char claims[] =
	"CREATE TEMP TABLE claim AS SELECT ip, name, iif(cluster IN (SELECT id FROM cluster), cluster, NULL) AS cluster FROM ("
	" SELECT p.ip AS ip, v.name AS name, iif(p.cluster IN (SELECT id FROM cluster), p.cluster, (SELECT n.cluster FROM v_lease_node w JOIN node n ON"
	" n.id = w.node WHERE w.id = p.id)) AS cluster, p.votes AS votes, p.id AS id FROM l_pair p LEFT JOIN v_lease v ON v.id = p.id) p"
	" WHERE NOT (p.votes < 9 AND EXISTS (SELECT 1 FROM whole w WHERE w.t AND w.a) AND EXISTS (SELECT 1 FROM h_addr h WHERE h.ip = p.ip AND"
	" h.cluster = p.cluster AND h.state = 'free')) AND p.id NOT IN (SELECT id FROM l_gone);";

/* The history's word counts where it is whole, and where nothing else is. Otherwise it may not know of a release: then of each address
 * whose last line the index tells, and that line can be read. */
static const char history_claims[] =
	"INSERT INTO claim SELECT h.ip, h.name, iif(h.cluster IN (SELECT id FROM cluster), h.cluster, NULL) FROM h_addr h, h_known k WHERE"
	" h.state != 'free' AND (k.whole OR h.state = 'held' AND iif(address(0, h.ip) IS NULL, k.ip6, k.ip4) AND NOT EXISTS (SELECT 1 FROM h_addr o"
	" WHERE o.ip = h.ip AND o.cluster IS NULL AND o.id > h.id)) AND NOT (h.cluster IS NULL AND EXISTS (SELECT 1 FROM h_addr o WHERE o.ip = h.ip"
	" AND o.id > h.id)) AND NOT EXISTS (SELECT 1 FROM h_reserved x WHERE x.cluster = h.cluster AND x.id > h.id AND in_range(x.range, h.ip));";

/* Whose cluster isn't known: in each whose addresses it is of. */
static const char unheld[] =
	"INSERT INTO claim SELECT m.ip, m.name, c.id FROM claim m, cluster c WHERE m.cluster IS NULL AND EXISTS (SELECT 1 FROM cidr x WHERE x.cluster ="
	" c.id AND contains(x.cidr, m.ip));"
	"CREATE TEMP TABLE unheld AS SELECT m.cluster AS cluster, m.ip AS ip, c.name AS cluster_name, max(m.name) AS name FROM claim m JOIN cluster c ON"
	" c.id = m.cluster WHERE NOT EXISTS (SELECT 1 FROM lease l WHERE l.cluster = m.cluster AND l.ip4 = m.ip) AND NOT EXISTS (SELECT 1 FROM lease l"
	" WHERE l.cluster = m.cluster AND l.ip6 = m.ip) AND NOT EXISTS (SELECT 1 FROM reserved x WHERE x.cluster = m.cluster AND in_range(x.range, m.ip))"
	" AND (" BLOCK_AT("cidr", "m.cluster", "m.ip") " IS NULL OR leasable(" BLOCK_AT("cidr", "m.cluster",
											"m.ip") ", 'none', m.ip)) GROUP BY 1, 2;";

static void note_known(struct repair *r)
{
	char sql[160];

	snprintf(sql, sizeof sql, "CREATE TEMP TABLE h_known AS SELECT %d AS whole, %d AS ip4, %d AS ip6", r->history || !r->leases,
		 r->whole[HISTORY_IP4], r->whole[HISTORY_IP6]);
	repair_do(r, sql);
}

void repair_doubt(struct repair *r)
{
	struct gaps gaps = { .of = "block" };

	repair_rows(r, "SELECT min(id) = 1 AND count(*) = max(id) FROM s_history", is_complete, NULL);
	note_known(r);
	repair_do(r, claims);
	repair_do(r, history_claims);
	repair_do(r, unheld);
	repair_rows(r, "SELECT * FROM unheld", put_claim, NULL);
	if (!r->address[CIDR_V4])
		repair_rows(r,
			    "SELECT b.cluster, b.cidr, l.ip4 FROM block b LEFT JOIN lease l ON l.node = b.node AND contains(b.cidr, l.ip4)"
			    " WHERE length(b.first_key) = 8 ORDER BY b.cluster, b.first_key, first_key(l.ip4 || '/32')",
			    take_taken, &gaps);
	end_gaps(r, &gaps);
	if (!r->address[CIDR_V6])
		repair_rows(r,
			    "SELECT b.cluster, b.cidr, l.ip6 FROM block b LEFT JOIN lease l ON l.node = b.node AND contains(b.cidr, l.ip6)"
			    " WHERE length(b.first_key) = 32 ORDER BY b.cluster, b.first_key, first_key(l.ip6 || '/128')",
			    take_taken, &gaps);
	end_gaps(r, &gaps);
	gaps = (struct gaps){ .of = "CIDR" };
	if (!r->blocks)
		repair_rows(
			r,
			"SELECT c.cluster, c.cidr, b.cidr FROM cidr c LEFT JOIN block b ON b.cluster = c.cluster AND length(b.first_key) ="
			" length(c.first_key) AND b.first_key BETWEEN c.first_key AND c.last_key ORDER BY c.cluster, c.first_key, b.first_key",
			take_taken, &gaps);
	end_gaps(r, &gaps);
}
