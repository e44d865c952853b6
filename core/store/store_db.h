/* store_db — what the files of the store share: the handle, statements by name, binding and the mapping of errors. */
#ifndef IPAM_STORE_STORE_DB_H
#define IPAM_STORE_STORE_DB_H

#include "ipam.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { STORE_STATEMENTS = 64 };

enum store_file_kind { STORE_DB, STORE_WAL, STORE_SHM, STORE_FILES };
struct store_file {
	char *path;
	struct stat seen; /* all zero: it wasn't there */
};

struct store {
	sqlite3 *db;
	int lock_fd;             /* of the database file, with the lock; -1 none */
	char boot[IPAM_BOOT_ID]; /* of the machine, for the mark */
	bool full;               /* the mount's option */
	bool full_now;           /* what the connection is set to */
	bool mine;               /* opened to be changed */
	bool keep_names;         /* this process can't remove its files, nor rename one: */
	int (*put_aside)(void *arg, const char *path, const char *name);
	void *arg;
	bool unfolded;                           /* the log that was found is not in the database yet: first of all */
	int system;                              /* errno of the last error, or 0 */
	char message[256];                       /* of it */
	unsigned lost;                           /* transactions behind a gap in the log that was found */
	char broken[768];                        /* why nothing may be acknowledged any more, or "" */
	char trouble[768];                       /* the same, but it may pass */
	unsigned log_pages, fold_at, fold_every; /* of the log: it has, is folded back at, and every */
	bool log_ahead;                          /* of the database's own file */
	struct store_file file[STORE_FILES];
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} cache[STORE_STATEMENTS]; /* by the address of the text */
};

int store_error(int sqlite_code);
/* The same of what just came back, with what the system said, which is remembered for the message. */
int store_failed(struct store *s, int sqlite_code);
/* The prepared statement for this literal. */
int store_prepare(struct store *s, const char *sql, sqlite3_stmt **out);
/* Run a statement without rows. format: a letter a parameter: i int64_t, t const char * (or NULL), T
 * const char * and size_t, b void * and size_t. */
int store_run(struct store *s, const char *sql, const char *format, ...);
/* The same of one that inserts, changes or removes one row: -EUCLEAN where it didn't, as by a trigger that somebody made. */
int store_run_one(struct store *s, const char *sql, const char *format, ...);

#endif
