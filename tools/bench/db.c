#include "db.h"

#include "bench.h"
#include "store/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static const char insert_sql[] =
	"INSERT INTO lease (id, cluster, node, name, ip4, uid, gid, mode, atime, mtime, ctime, btime, generation, boot)"
	" VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 420, ?6, ?6, ?6, ?6, 1, ?7)";

static int fail(struct bench_db *b, const char *doing)
{
	bench_fail(0, "sqlite: %s: %s", doing, sqlite3_errmsg(b->db));
	return -EIO;
}

static int64_t wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int bench_db_exec(struct bench_db *b, const char *sql)
{
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(b, sql);
}

int bench_db_prepare(struct bench_db *b, const char *sql, sqlite3_stmt **out)
{
	return sqlite3_prepare_v3(b->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK ? 0 : fail(b, sql);
}

int bench_db_step(struct bench_db *b, sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	return sqlite3_reset(stmt) == SQLITE_OK && code == SQLITE_DONE ? 0 : fail(b, sqlite3_sql(stmt));
}

static int get_number(struct bench_db *b, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt;
	int rc = bench_db_prepare(b, sql, &stmt);

	if (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	else if (rc == 0)
		rc = fail(b, sql);
	sqlite3_finalize(stmt);
	return rc;
}

int bench_db_open(const char *path, struct bench_db **out)
{
	struct bench_db *b = calloc(1, sizeof *b);
	int rc;

	if (b == NULL)
		return -ENOMEM;
	rc = sqlite3_open(path, &b->db) == SQLITE_OK ? 0 : fail(b, path);
	if (rc == 0) {
		rc = schema_migrate(b->db);
		if (rc < 0)
			bench_fail(rc, "%s: not to be brought to ipamfs's schema", path);
	}
	if (rc == 0)
		rc = get_number(b, "SELECT next_id FROM sequence", &b->next);
	if (rc < 0) {
		bench_db_close(b);
		return rc;
	}
	b->addr = 0x0a000000;
	*out = b;
	return 0;
}

int bench_db_as_daemon(struct bench_db *b, bool full)
{
	int rc = bench_db_exec(b, "PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
				  "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4096");

	return rc < 0 ? rc : bench_db_exec(b, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

int bench_db_add_node(struct bench_db *b)
{
	char sql[512];

	b->boot = bench_db_id(b);
	b->cluster = bench_db_id(b);
	b->node = bench_db_id(b);
	snprintf(
		sql, sizeof sql,
		"INSERT INTO boot VALUES (%1$lld, 'bench-%1$lld');"
		"INSERT INTO cluster (id, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (%2$lld, 'bench-%2$lld', 0, 0, 493, 0, 0, 0, 0);"
		"INSERT INTO node (id, cluster, name, uid, gid, mode, atime, mtime, ctime, btime) VALUES (%3$lld, %2$lld, 'node', 0, 0, 493, 0, 0, 0, 0)",
		(long long)b->boot, (long long)b->cluster, (long long)b->node);
	return bench_db_exec(b, sql);
}

void bench_db_close(struct bench_db *b)
{
	if (b == NULL)
		return;
	sqlite3_finalize(b->insert);
	sqlite3_finalize(b->remove);
	sqlite3_close(b->db);
	free(b);
}

int64_t bench_db_id(struct bench_db *b)
{
	return b->next++;
}

int bench_db_keep_ids(struct bench_db *b)
{
	char sql[64];

	snprintf(sql, sizeof sql, "UPDATE sequence SET next_id = %lld", (long long)b->next);
	return bench_db_exec(b, sql);
}

int bench_db_insert(struct bench_db *b, const char *name)
{
	uint32_t a = b->addr++;
	char text[16];
	int rc = b->insert != NULL ? 0 : bench_db_prepare(b, insert_sql, &b->insert);

	if (rc < 0)
		return rc;
	snprintf(text, sizeof text, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	sqlite3_bind_int64(b->insert, 1, bench_db_id(b));
	sqlite3_bind_int64(b->insert, 2, b->cluster);
	sqlite3_bind_int64(b->insert, 3, b->node);
	sqlite3_bind_text(b->insert, 4, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(b->insert, 5, text, -1, SQLITE_STATIC);
	sqlite3_bind_int64(b->insert, 6, wall_clock());
	sqlite3_bind_int64(b->insert, 7, b->boot);
	rc = bench_db_step(b, b->insert);
	sqlite3_clear_bindings(b->insert); /* the texts end here */
	return rc;
}

int bench_db_delete(struct bench_db *b, const char *name)
{
	int rc = b->remove != NULL ? 0 : bench_db_prepare(b, "DELETE FROM lease WHERE node = ? AND name = ?", &b->remove);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(b->remove, 1, b->node);
	sqlite3_bind_text(b->remove, 2, name, -1, SQLITE_STATIC);
	rc = bench_db_step(b, b->remove);
	sqlite3_clear_bindings(b->remove);
	return rc;
}
