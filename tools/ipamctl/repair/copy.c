/* The damaged database is read in a copy: the pages of its log are put into it, also those that SQLite would pass over, and its
 * schema is made ours, so that no view, trigger or column of somebody else's is run by reading. The database itself is left as it
 * was found. */
#include "ipamctl/repair/copy.h"

#include "cli/say.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ----------------------------------------------------------------------------------------------------- */

static int copy_bytes(int from, int to)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, 1 << 24);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
	}
	return 0;
}

/* Not a database with a log any more: bytes 18 and 19 of https://www.sqlite.org/fileformat2.html#the_database_header */
static int take_from_log(int copy)
{
	unsigned char version[2];

	if (pread(copy, version, 2, 18) != 2)
		return 0; /* too short to be one: the reader says so */
	if (version[0] != 2 && version[1] != 2)
		return 0;
	return pwrite(copy, "\1\1", 2, 18) == 2 ? 0 : -EIO;
}

static int make_copy(struct repair *r, const char *path, const char *copy)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = -1, rc = from < 0 ? -errno : 0;
	char log[4300];

	snprintf(log, sizeof log, "%s-wal", path);
	if (rc == 0) {
		to = open(copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		rc = to < 0 ? -errno : copy_bytes(from, to);
	}
	if (rc == 0)
		rc = repair_log_apply(to, log, &r->log);
	if (rc == 0)
		rc = take_from_log(to);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return rc;
}

/* ---- the schema --------------------------------------------------------------------------------------------------- */

/* Bounds what a damaged or foreign thing can cost: SQLite asks now and then. */
static int out_of_steps(void *arg)
{
	struct repair *r = arg;

	return r->steps-- <= 0;
}

static int open_copy(struct repair *r, const char *copy)
{
	if (sqlite3_open_v2(copy, &r->from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return cli_fail(CLI_REFUSED, "%s: %s", copy, sqlite3_errmsg(r->from));
	sqlite3_db_config(r->from, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	sqlite3_db_config(r->from, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(r->from, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(r->from, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_progress_handler(r->from, REPAIR_STEP, out_of_steps, r);
	repair_steps(r);
	/* writable_schema, and first: also of a file that is shorter than it says */
	sqlite3_exec(r->from,
		     "PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY",
		     NULL, NULL, NULL);
	return CLI_DONE;
}

void repair_steps(struct repair *r)
{
	r->steps = 20000 + r->size / REPAIR_STEP * 40;
}

/* Its list of tables can be read, and is one: type, name, table, root, statement. */
static bool schema_is_sane(struct repair *r)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(
		r->from,
		"SELECT type IN ('table', 'index', 'view', 'trigger') AND typeof(name) = 'text' AND typeof(tbl_name) = 'text'"
		" AND typeof(rootpage) = 'integer' AND typeof(sql) IN ('text', 'null') FROM sqlite_schema",
		-1, &stmt, NULL);
	bool sane = code == SQLITE_OK;

	while (sane && (code = sqlite3_step(stmt)) == SQLITE_ROW)
		sane = sqlite3_column_int(stmt, 0) == 1;
	sane &= code == SQLITE_DONE;
	sqlite3_finalize(stmt);
	return sane;
}

/* name, type, statement of ours; against what is there. */
static bool put_right(struct repair *r, sqlite3_stmt *ours)
{
	sqlite3_stmt *stmt = NULL;
	bool changed = false;

	if (sqlite3_prepare_v2(r->from,
			       "UPDATE sqlite_schema SET sql = ?3 WHERE name = ?1 AND type = ?2 AND rootpage > 1 AND sql IS NOT ?3"
			       " AND (SELECT count(*) FROM sqlite_schema WHERE name = ?1) = 1",
			       -1, &stmt, NULL) == SQLITE_OK) {
		for (int i = 0; i < 3; i++)
			sqlite3_bind_value(stmt, i + 1, sqlite3_column_value(ours, i));
		changed = sqlite3_step(stmt) == SQLITE_DONE && sqlite3_changes(r->from) > 0;
	}
	sqlite3_finalize(stmt);
	return changed;
}

static sqlite3_stmt *our_schema(struct repair *r)
{
	sqlite3_stmt *stmt = NULL;

	sqlite3_prepare_v2(r->ours, "SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'index')", -1, &stmt, NULL);
	return stmt;
}

/* What isn't as ours is made so; views and triggers go. *same: all was. */
static void make_ours(struct repair *r, bool *same)
{
	sqlite3_stmt *ours = our_schema(r);

	*same = true;
	while (sqlite3_step(ours) == SQLITE_ROW)
		if (put_right(r, ours) || !repair_has(r, (const char *)sqlite3_column_text(ours, 0)))
			*same = false;
	sqlite3_finalize(ours);
	if (sqlite3_exec(r->from,
			 "DELETE FROM sqlite_schema WHERE type = 'view' OR (type = 'trigger' AND name NOT IN ('block_overlap',"
			 " 'block_moved', 'cidr_selector', 'cidr_selector_changed'))",
			 NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_changes(r->from) > 0)
		*same = false;
}

bool repair_has(const struct repair *r, const char *object)
{
	static const char sql[] = "SELECT sql FROM sqlite_schema WHERE name = ?1 AND type IN ('table', 'index') AND rootpage > 1";
	sqlite3_stmt *ours = NULL, *theirs = NULL;
	bool has = false;

	if (sqlite3_prepare_v2(r->ours, sql, -1, &ours, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(r->from, sql, -1, &theirs, NULL) == SQLITE_OK) {
		sqlite3_bind_text(ours, 1, object, -1, SQLITE_STATIC);
		sqlite3_bind_text(theirs, 1, object, -1, SQLITE_STATIC);
		if (sqlite3_step(ours) == SQLITE_ROW && sqlite3_step(theirs) == SQLITE_ROW) {
			const char *a = (const char *)sqlite3_column_text(ours, 0), *b = (const char *)sqlite3_column_text(theirs, 0);

			has = a == NULL ? b == NULL : b != NULL && strcmp(a, b) == 0;
		}
	}
	sqlite3_finalize(ours);
	sqlite3_finalize(theirs);
	return has;
}

static int judge(struct repair *r, const char *path, int rc)
{
	if (rc == 1 || rc == -ENOTSUP)
		return cli_fail(CLI_REFUSED, "%s: of %s ipamfs; use the ipamctl of that version", path, rc == 1 ? "an older" : "a newer");
	return cli_fail(CLI_REFUSED, "%s: nothing can be read of it (%s); restore a backup", path,
			sqlite3_errcode(r->from) == SQLITE_OK ? "no ipamfs database" : sqlite3_errmsg(r->from));
}

/* What says whose the copy is, and of which version, is written anew where all the tables are there: that is read in the tables. */
static int identify(struct repair *r, bool *stamped)
{
	static const char tables[] = "SELECT count(*) = 6 FROM sqlite_schema WHERE type = 'table' AND rootpage > 1"
				     " AND name IN ('sequence', 'cluster', 'cidr', 'node', 'lease', 'history')";
	sqlite3_stmt *stmt = NULL;
	int rc = schema_check(r->from);
	char stamp[96];

	if (rc != -EUCLEAN)
		return rc;
	if (sqlite3_prepare_v2(r->from, tables, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		*stamped = sqlite3_column_int(stmt, 0) != 0;
	sqlite3_finalize(stmt);
	snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d", SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	if (!*stamped || sqlite3_exec(r->from, stamp, NULL, NULL, NULL) != SQLITE_OK)
		return rc;
	return schema_check(r->from);
}

int repair_copy(struct repair *r, const char *path, const char *copy)
{
	int rc = make_copy(r, path, copy), status = CLI_DONE;
	bool stamped = false;
	struct stat st;

	if (rc == 0 && stat(copy, &st) < 0)
		rc = -errno;
	if (rc < 0) {
		unlink(copy);
		return cli_fail(CLI_REFUSED, "%s: %s", copy, strerror(-rc));
	}
	r->size = st.st_size;
	if (sqlite3_open(":memory:", &r->ours) != SQLITE_OK || schema_migrate(r->ours) < 0)
		status = cli_fail(CLI_REFUSED, "out of memory");
	if (status == CLI_DONE)
		status = open_copy(r, copy);
	rc = status == CLI_DONE ? identify(r, &stamped) : 0;
	if (rc != 0)
		status = judge(r, path, rc);
	if (status == CLI_DONE && !schema_is_sane(r))
		status = cli_fail(CLI_REFUSED, "%s: its schema can't be read; restore a backup", path);
	if (status == CLI_DONE) {
		make_ours(r, &r->schema_same);
		r->schema_same &= !stamped;
		sqlite3_close(r->from); /* what was changed is seen by who opens it anew */
		r->from = NULL;
		status = open_copy(r, copy);
	}
	unlink(copy);
	return status;
}
