/* store_db — what the files of the store share: the handle, statements by name, binding and the mapping of errors. */
#ifndef IPAM_STORE_DB_H
#define IPAM_STORE_DB_H

#include "store.h"

#include <sqlite3.h>

enum { STORE_STATEMENTS = 64 };

struct store {
	sqlite3 *db;
	int lock_fd;        /* of the database file, with the lock; -1 none */
	bool full;          /* the mount's option */
	bool full_now;      /* what the connection is set to */
	bool broken;        /* an fsync failed once: what is on disk is unknown, nothing may be acknowledged any more */
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} cache[STORE_STATEMENTS]; /* by the address of the text */
};

int store_error(int sqlite_code);
/* The prepared statement for this literal. */
int store_prepare(struct store *s, const char *sql, sqlite3_stmt **out);
/* Run a statement without rows. format: a letter a parameter: i int64_t, t const char * (or NULL), T
 * const char * and size_t, b void * and size_t. */
int store_run(struct store *s, const char *sql, const char *format, ...);

#endif
