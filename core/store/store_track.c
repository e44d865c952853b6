/* What changes in a database while another process reads it, so as to follow. */
#include "store/store_track.h"

#include "store/store_db.h"

#include <stdlib.h>

/* By triggers of this connection alone: id 0 is whatever isn't a lease. Of a block, the address given last changes with leases,
 * and is read anew anyway. */
int store_track(struct store *s)
{
	static const char sql[] = "CREATE TEMP TABLE IF NOT EXISTS touched (id INTEGER PRIMARY KEY);"
#define TOUCH(name, what, id)                                                                                                              \
	"CREATE TEMP TRIGGER IF NOT EXISTS touch_" name " AFTER " what " BEGIN INSERT OR IGNORE INTO touched VALUES (" id "); END;"
#define TOUCH_ALL(table)                                                                                                                   \
	TOUCH(table "_i", "INSERT ON main." table, "0")                                                                                    \
	TOUCH(table "_u", "UPDATE ON main." table, "0") TOUCH(table "_d", "DELETE ON main." table, "0")
		TOUCH("lease_i", "INSERT ON main.lease", "NEW.id") TOUCH("lease_u", "UPDATE ON main.lease", "NEW.id")
			TOUCH("lease_d", "DELETE ON main.lease", "OLD.id") TOUCH("xattr_i", "INSERT ON main.lease_xattr", "NEW.lease")
				TOUCH("xattr_u", "UPDATE ON main.lease_xattr", "NEW.lease")
					TOUCH("xattr_d", "DELETE ON main.lease_xattr", "OLD.lease")
						TOUCH("block_i", "INSERT ON main.block", "0") TOUCH("block_d", "DELETE ON main.block", "0")
							TOUCH_ALL("boot") TOUCH_ALL("cluster") TOUCH_ALL("reserved") TOUCH_ALL("cidr")
								TOUCH_ALL("node") TOUCH_ALL("setting") TOUCH_ALL("label");
#undef TOUCH_ALL
#undef TOUCH

	return store_error(sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SQLITE_OK : sqlite3_extended_errcode(s->db));
}

bool store_tracked(struct store *s, uint64_t **lease, size_t *n, bool *more)
{
	sqlite3_stmt *stmt = NULL;
	size_t room = 0;
	int code;

	*lease = NULL;
	*n = 0;
	*more = false;
	if (s == NULL || sqlite3_prepare_v2(s->db, "SELECT id FROM temp.touched ORDER BY id", -1, &stmt, NULL) != SQLITE_OK)
		return false;
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);

		if (id == 0) {
			*more = true;
			continue;
		}
		if (*n == room) {
			uint64_t *bigger;

			room = room == 0 ? 1024 : room * 2;
			bigger = reallocarray(*lease, room, sizeof *bigger);
			if (bigger == NULL)
				break;
			*lease = bigger;
		}
		(*lease)[(*n)++] = id;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE;
}
