/* "open" in the table of the engine: this file (its inode: a copy isn't meant) is in use, or was when its daemon died; "open-boot": in
 * that boot of the machine. Both come to the database proper by way of the log, whose name is durable then and which is never emptied; so
 * there must be one beside it.
 *
 * Where only the process died, the kernel has all that it wrote: the log must reach as far as its index says, with the checksum of that
 * frame. Without an index no transaction may end behind a place that can't be read. Where the power was lost, a log may break off
 * rightly: what wasn't synced comes to the disk in any order, and the index is whatever it is. */
#include "store/store_mark.h"

#include "store/open_reading.h"
#include "store/store.h"
#include "store/store_db.h"
#include "store/store_shared.h"
#include "store/wal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char unknown_boot[] = "unknown";

void boot_id_read(char out[IPAM_BOOT_ID])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(out, IPAM_BOOT_ID, f) == NULL)
		snprintf(out, IPAM_BOOT_ID, unknown_boot);
	out[strcspn(out, "\n")] = 0;
	if (f != NULL)
		fclose(f);
}

static void print_inode(ino_t inode, char out[32])
{
	snprintf(out, 32, "%llu", (unsigned long long)inode);
}

int store_unmark(struct store *s)
{
	return store_run(s, "DELETE FROM engine WHERE key IN ('open', 'open-boot')", "");
}

static int put_mark(struct store *s)
{
	char inode[32];
	int rc;

	print_inode(s->file[STORE_DB].seen.st_ino, inode);
	rc = store_put_engine(s, "open", inode);
	return rc < 0 ? rc : store_put_engine(s, "open-boot", s->boot);
}

int store_mark(struct store *s, bool open)
{
	int rc = store_begin(s, STORE_FULL);

	if (rc == 0)
		rc = open ? put_mark(s) : store_unmark(s);
	if (rc == 0)
		rc = store_commit(s);
	if (rc < 0)
		store_rollback(s);
	return rc;
}

/* ---- reading it --------------------------------------------------------------------------------------------------- */

struct mark {
	bool open, same_boot; /* of this very file; in this boot */
};

/* A database without the table is none of ours, or was never marked. */
static int query(sqlite3 *db, const char *inode, const char *boot, struct mark *out)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'engine' AND type = 'table'", -1, &stmt, NULL);
	bool has_table;

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	has_table = code == SQLITE_ROW && sqlite3_column_int(stmt, 0) > 0;
	sqlite3_finalize(stmt);
	if (code != SQLITE_ROW || !has_table)
		return code == SQLITE_ROW ? SQLITE_OK : code;
	code = sqlite3_prepare_v2(db,
				  "SELECT count(*) FILTER (WHERE key = 'open' AND value = ?1),"
				  " count(*) FILTER (WHERE key = 'open-boot' AND value = ?2) FROM engine",
				  -1, &stmt, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(stmt, 1, inode, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(stmt, 2, boot, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*out = (struct mark){ sqlite3_column_int(stmt, 0) > 0, sqlite3_column_int(stmt, 1) > 0 };
	sqlite3_finalize(stmt);
	return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* What isn't a database, or is damaged, has no mark that can be read: whoever opens it says so. */
static int read_mark(const char *path, const char *boot, struct mark *out)
{
	char inode[32];
	sqlite3 *db = NULL;
	struct stat st;
	int code;

	*out = (struct mark){ false, false };
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	print_inode(st.st_ino, inode);
	code = open_alone(path, &db);
	if (code == SQLITE_OK)
		code = query(db, inode, boot, out);
	sqlite3_close(db);
	code &= 0xff;
	return code == SQLITE_NOTADB || code == SQLITE_CORRUPT || code == SQLITE_ERROR ? 0 : store_error(code);
}

/* ---- the log that was left ---------------------------------------------------------------------------------------- */

enum log_state { LOG_WHOLE, LOG_MISSING, LOG_HEADLESS, LOG_BROKEN };

/* As far as the files tell by themselves. *w: of one that is broken. */
static int look(const char *path, enum log_state *state, struct wal **w)
{
	struct wal_index index;
	int indexed = wal_index_read(path, &index), rc = wal_open(path, w);

	*state = rc == -ENOENT ? LOG_MISSING : rc == -EBADMSG ? LOG_HEADLESS : LOG_WHOLE;
	if (indexed == -ENOMEM)
		return indexed;
	if (rc < 0)
		return *state == LOG_WHOLE ? rc : 0;
	/* One that was made from the log knows no more than that. */
	if (indexed == 0 ? !wal_agrees(*w, &index) : wal_behind(*w) > 0)
		*state = LOG_BROKEN;
	if (indexed == 0 && index.commits == 0 && wal_behind(*w) > 0)
		*state = LOG_BROKEN;
	return 0;
}

/* By the database's name without links, beside which the log lies. */
static int verify(const char *path, const char *boot, struct ipam_error *error)
{
	char here[IPAM_BOOT_ID], how[128] = "was removed";
	enum log_state state;
	struct wal *w = NULL;
	struct mark mark = { false, false };
	int rc;

	boot_id_read(here);
	boot = boot == NULL ? here : boot;
	rc = look(path, &state, &w);
	if (rc == 0 && state != LOG_WHOLE)
		rc = read_mark(path, boot, &mark);
	if (rc < 0)
		snprintf(error->text, sizeof error->text, "%s: whether its log is whole can't be told: %s", path, strerror(-rc));
	else if (mark.open && (state == LOG_MISSING || (mark.same_boot && strcmp(boot, unknown_boot) != 0)))
		rc = -EUCLEAN;
	if (state == LOG_HEADLESS)
		snprintf(how, sizeof how, "was damaged at its beginning");
	else if (state == LOG_BROKEN)
		snprintf(how, sizeof how, "was damaged or cut (only %u of its frames can be read)", wal_readable(w));
	wal_close(w);
	if (rc == -EUCLEAN)
		snprintf(error->text, sizeof error->text,
			 "%s: its daemon died, and the log that it left, '%s-wal', %s since: what was stored last may be missing."
			 " Put back the one that it left; or 'ipamctl check --repair' takes what is there",
			 path, path, how);
	return rc;
}

void store_trim_log(const char *path, const char *boot)
{
	struct wal_index index;
	struct mark mark;
	struct wal *w = NULL;

	/* An index that a daemon has written, not one that was made from the log. Every answer was given for what it says, or less. */
	if (wal_index_read(path, &index) == 0 && index.commits > 0 && wal_open(path, &w) == 0 && wal_agrees(w, &index) &&
	    wal_behind(w) > 0 && strcmp(boot, unknown_boot) != 0 && read_mark(path, boot, &mark) == 0 && mark.open && mark.same_boot)
		wal_trim(w, path);
	wal_close(w);
}

int store_verify_log(const char *path, const char *boot, struct ipam_error *error)
{
	char *name = realpath(path, NULL);
	int rc;

	if (name == NULL) {
		rc = errno == ENOENT ? 0 : -errno;
		snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(-rc));
		return rc;
	}
	rc = verify(name, boot, error);
	free(name);
	return rc;
}
