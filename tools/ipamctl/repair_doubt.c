/* What may be held, though no lease is known, is not given to anybody: it goes into what its cluster reserves, where
 * a person looks at it and takes it out again. */
#include "repair.h"

#include <string.h>

static void put_reserved(struct repair *r, uint64_t cluster, const char *range)
{
	sqlite3_stmt *stmt = NULL;

	if (r->error == 0 &&
	    sqlite3_prepare_v2(r->to, "INSERT INTO reserved SELECT ?1, ifnull(max(position), -1) + 1, ?2 FROM reserved WHERE cluster = ?1",
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
	repair_tell(r, TELL_UNCERTAIN, "'%s' of cluster '%s': something says that it is held, but no lease is known: reserved",
		    check_text(row, 1), check_text(row, 2));
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

void repair_doubt(struct repair *r)
{
	struct gaps gaps = { .of = "block" };

	repair_rows(
		r,
		"SELECT m.cluster, m.ip, c.name FROM claim m JOIN cluster c ON c.id = m.cluster WHERE NOT EXISTS (SELECT 1 FROM lease l WHERE"
		" l.cluster = m.cluster AND l.ip4 = m.ip) AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.cluster = m.cluster AND l.ip6 = m.ip)"
		" AND NOT EXISTS (SELECT 1 FROM reserved x WHERE x.cluster = m.cluster AND x.range = m.ip)"
		" AND ifnull(address(0, m.ip), address(1, m.ip)) IS NOT NULL",
		put_claim, NULL);
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
