#include "store/store_shared.h"

#include "store/store_db.h"

#include <errno.h>
#include <string.h>

int store_put_cluster_shared(struct store *s, uint64_t id, uint64_t shared, int64_t revision)
{
	return store_run(s, "UPDATE cluster SET shared = ?, revision = ? WHERE id = ?", "iii", (int64_t)shared, revision, (int64_t)id);
}

int store_put_node_shared(struct store *s, uint64_t id, uint64_t shared, int64_t revision, unsigned held)
{
	return store_run(s, "UPDATE node SET shared = ?, revision = ?, held = ? WHERE id = ?", "iiii", (int64_t)shared, revision,
			 (int64_t)held, (int64_t)id);
}

int store_put_node_doubt(struct store *s, uint64_t id, unsigned doubt)
{
	return store_run(s, "UPDATE node SET doubt = ? WHERE id = ?", "ii", (int64_t)doubt, (int64_t)id);
}

int store_put_engine(struct store *s, const char *key, const char *value)
{
	return store_run(s, "INSERT INTO engine (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", "tt",
			 key, value);
}

int store_get_engine(struct store *s, const char *key, char **value)
{
	sqlite3_stmt *stmt;
	int rc = store_prepare(s, "SELECT value FROM engine WHERE key = ?", &stmt);
	int code;

	if (rc < 0)
		return rc;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		*value = strdup((const char *)sqlite3_column_text(stmt, 0));
		rc = *value == NULL ? -ENOMEM : 0;
	} else {
		rc = code == SQLITE_DONE ? -ENOENT : store_error(code);
	}
	sqlite3_reset(stmt);
	return rc;
}
