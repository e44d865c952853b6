#include "ipamctl/check/past.h"

#include "base/cidr.h"

#include <string.h>

/* An address that a person may look at: reserved, since a repair of long ago couldn't tell whose it is. */
static bool is_reserved(struct check *c, sqlite3_int64 cluster, const char *ip)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	uint8_t family;
	u128 addr;

	if (cidr_parse_addr(ip, strlen(ip), &family, &addr) < 0 ||
	    sqlite3_prepare_v2(c->db, "SELECT range FROM reserved WHERE cluster = ?", -1, &stmt, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(stmt, 1, cluster);
	while (!found && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *s = check_text(stmt, 0);
		struct cidr_range range;

		found = cidr_parse_range(s, strlen(s), &range) == 0 && range.family == family && range.first <= addr && addr <= range.last;
	}
	sqlite3_finalize(stmt);
	return found;
}

static void take_address(struct check *c, sqlite3_stmt *row, void *arg)
{
	const char *ip = check_text(row, 2);

	(void)arg;
	if (!is_reserved(c, sqlite3_column_int64(row, 0), ip))
		check_finding(c, "'%s': lease '%s' holds it, says the history, and there is none", ip, check_text(row, 3));
}

static void take_gone(struct check *c, sqlite3_stmt *row, void *arg)
{
	check_finding(c, "%s '%s' was never removed, says the history, and isn't there", (const char *)arg, check_text(row, 2));
}

static void take_reserved(struct check *c, sqlite3_stmt *row, void *arg)
{
	(void)arg;
	check_finding(c, "cluster '%s': '%s' is reserved, says the history, and isn't", check_text(row, 0), check_text(row, 1));
}

void check_past(struct check *c)
{
	/* What machines share has its past elsewhere as well. */
	if (check_count(c, "SELECT count(*) FROM engine WHERE key NOT IN ('open', 'open-boot')") > 0)
		return;
	check_rows(c, PAST_HELD(ip4), take_address, NULL);
	check_rows(c, PAST_HELD(ip6), take_address, NULL);
	check_rows(c, PAST_THERE(node), take_gone, "node");
	check_rows(c, PAST_THERE(cluster), take_gone, "cluster");
	check_rows(
		c,
		"SELECT c.name, j.value FROM (SELECT cluster, line, max(id) FROM history WHERE cluster IS NOT NULL AND line LIKE '%\"event\":\"reserved\"%'"
		" GROUP BY cluster) h JOIN cluster c ON c.id = h.cluster, json_each(iif(json_valid(h.line), h.line, '{}'), '$.reserved') j WHERE NOT EXISTS"
		" (SELECT 1 FROM reserved r WHERE r.cluster = h.cluster AND r.range = substr(j.value, 1, instr(j.value || ' ', ' ') - 1))",
		take_reserved, NULL);
}
