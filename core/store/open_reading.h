/* open_reading — a database for who reads it and isn't its daemon. Thread-safe. */
#ifndef IPAM_STORE_OPEN_READING_H
#define IPAM_STORE_OPEN_READING_H

#include <sqlite3.h>
#include <stdbool.h>

/* As sqlite3_open_v2 for reading: an SQLite code, and *db is to be closed in any case. Where no log lies beside it, so that nobody has it
 * open, none is made. */
int open_reading(const char *path, sqlite3 **db);
/* The file alone: nothing beside it is read, and no lock is taken. */
int open_alone(const char *path, sqlite3 **db);

/* Why it couldn't be opened, in the system's words where these say more. */
const char *open_error(sqlite3 *db);
/* flock(2) of a database. A daemon that was unmounted a moment ago still folds its log back: it is waited for, some two seconds. */
bool lock_database(int fd, int how);

#endif
