#include "find_rows.h"

#include "store/open_reading.h"
#include "store/schema.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 256 /* past that all leases are read as quickly */, BUSY_MS = 1000 };

/* Tables are walked once, in their own order: no index is of a lease's name alone, or of a value. */
static const char sql[] = "WITH hit (id) AS (SELECT id FROM lease WHERE name = ?1 UNION"
			  " SELECT lease FROM lease_xattr WHERE instr(value, CAST(?1 AS BLOB)) > 0)"
			  " SELECT DISTINCT n.name FROM hit JOIN lease l ON l.id = hit.id JOIN node n ON n.id = l.node"
			  " JOIN cluster c ON c.id = n.cluster WHERE c.name = ?2 AND (?3 IS NULL OR n.name = ?3) LIMIT ?4";

static bool add(struct names *names, const char *name)
{
	if (names->n == names->room) {
		size_t room = names->room == 0 ? 16 : 2 * names->room;
		char **bigger = reallocarray(names->name, room, sizeof *bigger);

		if (bigger == NULL)
			return false;
		names->name = bigger;
		names->room = room;
	}
	names->name[names->n] = name == NULL ? NULL : strdup(name);
	if (names->name[names->n] == NULL)
		return false;
	names->n++;
	return true;
}

bool find_rows(const char *database, const char *cluster, const char *node, const char *wanted, struct names *nodes)
{
	sqlite3_stmt *row = NULL;
	sqlite3 *db = NULL;
	bool good = schema_is_file(database) && open_reading(database, &db) == SQLITE_OK &&
		    sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK && schema_check(db) == 0 &&
		    sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK &&
		    sqlite3_bind_text(row, 1, wanted, -1, SQLITE_STATIC) == SQLITE_OK &&
		    sqlite3_bind_text(row, 2, cluster, -1, SQLITE_STATIC) == SQLITE_OK &&
		    (node == NULL || sqlite3_bind_text(row, 3, node, -1, SQLITE_STATIC) == SQLITE_OK) &&
		    sqlite3_bind_int(row, 4, NODES_MAX + 1) == SQLITE_OK;
	int code = SQLITE_ROW;

	while (good && (code = sqlite3_step(row)) == SQLITE_ROW)
		good = add(nodes, (const char *)sqlite3_column_text(row, 0));
	sqlite3_finalize(row);
	sqlite3_close(db);
	return good && code == SQLITE_DONE && nodes->n <= NODES_MAX;
}
