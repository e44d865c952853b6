/* The log (WAL) of the database: when it is folded back, and what an fsync that failed means.
 *
 * A kernel that couldn't write a page tells of it once, at the next fsync, and takes the page for clean from then on:
 * a second fsync succeeds, though the page never reached the disk. So after a failed one this connection stores
 * nothing more, and doesn't fold back, which would copy from pages of the log that may be gone by then.
 *
 * When the database is opened, whoever had it before, its log is what the kernel says it is, proven by its checksums.
 * It is written once more, byte for byte, and synced, so that it is what the disk says, too; then it is folded back.
 * Otherwise what is added to it would be lost behind a gap, and a cut during the fold-back would leave a database
 * that no log mends. */
#include "store/checkpoint.h"

#include "store/store.h"
#include "store/store_db.h"
#include "store/store_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_PAGES = 8192 }; /* 16 MiB: a fold-back every few thousand changes, not every few hundred */

static int has_grown(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *s = arg;

	(void)db;
	(void)name;
	s->log_pages = (unsigned)pages;
	s->log_ahead = true;
	return SQLITE_OK;
}

/* https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
enum { LOG_HEADER = 32, FRAME_HEADER = 24, SALTS = 8 };

static sqlite3_int64 number(struct store *s, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3_int64 n = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* A log that a reader has let grow is cut to twice its usual length when it begins anew, never to nothing: see store_mark.c. */
static void limit_log(struct store *s)
{
	char pragma[64];

	snprintf(pragma, sizeof pragma, "PRAGMA journal_size_limit = %lld",
		 2LL * s->fold_every * (FRAME_HEADER + number(s, "PRAGMA page_size")));
	sqlite3_exec(s->db, pragma, NULL, NULL, NULL);
}

void store_log_start(struct store *s, unsigned pages)
{
	s->fold_every = pages > 0 ? pages : LOG_PAGES;
	s->fold_at = s->fold_every;
	s->log_ahead = true; /* a log that was found may be */
	sqlite3_wal_hook(s->db, has_grown, s);
	limit_log(s);
}

void store_note(struct store *s, int code)
{
	if (s->broken[0] != 0)
		return;
	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
		snprintf(s->broken, sizeof s->broken, "an fsync failed, so that what is on disk is not known; mend the disk, mount again");
	else if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
		snprintf(s->broken, sizeof s->broken,
			 "the database is damaged (%s); 'ipamctl export' what the mount shows, unmount, 'ipamctl check --repair'",
			 sqlite3_errmsg(s->db));
}

int store_fold(struct store *s, bool *whole)
{
	int log = 0, done = 0;
	int code = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &done);

	*whole = code == SQLITE_OK && log == done;
	if (*whole)
		s->log_ahead = false;
	return code == SQLITE_BUSY || code == SQLITE_INTERRUPT ? 0 : store_failed(s, code);
}

static sqlite3_file *log_file(struct store *s)
{
	sqlite3_file *log = NULL;

	if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK || log == NULL || log->pMethods == NULL)
		return NULL;
	return log;
}

/* With the lock of those who change the database held. */
static int rewrite(struct store *s)
{
	enum { PIECE = 1 << 16 }; /* os_unix.c can't write 128 KiB at a time */
	sqlite3_file *log = log_file(s);
	sqlite3_int64 size = 0;
	void *piece;
	int code;

	if (log == NULL)
		return 0;
	piece = malloc(PIECE);
	if (piece == NULL)
		return -ENOMEM;
	code = log->pMethods->xFileSize(log, &size);
	for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += PIECE) {
		int n = size - at < PIECE ? (int)(size - at) : PIECE;

		code = log->pMethods->xRead(log, piece, n, at);
		if (code == SQLITE_OK)
			code = log->pMethods->xWrite(log, piece, n, at);
	}
	if (code == SQLITE_OK && size > 0)
		code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
	free(piece);
	return store_failed(s, code);
}

int store_log_rewrite(struct store *s)
{
	int rc = store_run(s, "BEGIN IMMEDIATE", "");

	if (rc == 0)
		rc = rewrite(s);
	store_rollback(s);
	return rc;
}

int store_fold_due(struct store *s)
{
	bool whole;
	int rc;

	if (s->broken[0] != 0 || s->log_pages < s->fold_at)
		return 0;
	rc = store_fold(s, &whole);
	/* A reader in the way, a full disk: not at every change anew. */
	s->fold_at = whole ? s->fold_every : s->log_pages + s->fold_every / 8 + 1;
	return rc;
}

bool store_unfolded(const struct store *s)
{
	/* What is still to be written anew isn't folded back before (s->unfolded). */
	return s->log_ahead && !s->unfolded && s->broken[0] == 0;
}

int store_fold_idle(struct store *s)
{
	bool whole;

	return store_is_untouched(s) ? store_fold(s, &whole) : 0; /* the next transaction says what is wrong, and does what can be done */
}

void store_interrupt(struct store *s)
{
	sqlite3_interrupt(s->db);
}

/* A frame of the log's own generation has its salts; one that ends a transaction says how many pages the database has
 * then. */
int store_log_gap(struct store *s, unsigned *commits)
{
	unsigned char header[LOG_HEADER], frame[FRAME_HEADER];
	sqlite3_int64 size = 0, page = number(s, "PRAGMA page_size");
	sqlite3_file *log = log_file(s);
	int frames = 0, done = 0, code;

	*commits = 0;
	code = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
	if (log == NULL || code != SQLITE_OK || page <= 0 || log->pMethods->xFileSize(log, &size) != SQLITE_OK || size < LOG_HEADER)
		return code == SQLITE_BUSY ? 0 : store_failed(s, code);
	code = log->pMethods->xRead(log, header, sizeof header, 0);
	for (sqlite3_int64 at = LOG_HEADER + (sqlite3_int64)frames * (FRAME_HEADER + page);
	     code == SQLITE_OK && at + FRAME_HEADER + page <= size; at += FRAME_HEADER + page) {
		code = log->pMethods->xRead(log, frame, sizeof frame, at);
		if (code == SQLITE_OK && memcmp(frame + 8, header + 16, SALTS) == 0 && memcmp(frame + 4, "\0\0\0", 4) != 0)
			(*commits)++;
	}
	return store_failed(s, code);
}

void store_log_stays(struct store *s)
{
	int yes = 1;

	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_PERSIST_WAL, &yes);
	sqlite3_exec(s->db, "PRAGMA journal_size_limit = 0", NULL, NULL, NULL);
}

bool store_log_whole(struct store *s, off_t size)
{
	sqlite3_int64 page = number(s, "PRAGMA page_size");
	int log = 0, done = 0;

	/* A log that isn't there in full is found out by reading it, too: nothing is written from what can't be read. */
	if (page <= 0 || sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &done) != SQLITE_OK)
		return false;
	return log <= 0 || size >= LOG_HEADER + log * (FRAME_HEADER + page);
}
