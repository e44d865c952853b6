#include "store/open_reading.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 100, LOCK_PAUSE = 20000000 /* nanoseconds */ };

bool lock_database(int fd, int how)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, how | LOCK_NB) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* By this name SQLite reads the database's own file and nothing beside it, takes no lock, and leaves the index of the log alone. */
static char *name_alone(const char *path)
{
	static const char before[] = "file:", after[] = "?immutable=1";
	char *name = malloc(sizeof before + 3 * strlen(path) + sizeof after), *p = name;

	if (name == NULL)
		return NULL;
	p = stpcpy(p, before);
	for (; *path != 0; path++)
		if (*path == '?' || *path == '#' || *path == '%')
			p += sprintf(p, "%%%02X", (unsigned)*path);
		else
			*p++ = *path;
	strcpy(p, after);
	return name;
}

int open_alone(const char *path, sqlite3 **db)
{
	char *name = name_alone(path);
	int code = SQLITE_NOMEM;

	*db = NULL;
	if (name != NULL)
		code = sqlite3_open_v2(name, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	free(name);
	return code;
}

/* SQLite looks beside the file itself, wherever a link is. */
static bool has_log(const char *path)
{
	char *real = realpath(path, NULL), *log = NULL;
	bool has = real == NULL || asprintf(&log, "%s-wal", real) < 0 || access(log, F_OK) == 0 || errno != ENOENT;

	free(real);
	free(log);
	return has;
}

const char *open_error(sqlite3 *db)
{
	int error = sqlite3_errcode(db) == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;

	return error != 0 ? strerror(error) : sqlite3_errmsg(db);
}

int open_reading(const char *path, sqlite3 **db)
{
	if (!has_log(path))
		return open_alone(path, db);
	return sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
}
