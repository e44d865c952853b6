#include "fs/process/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name of a file beside the database itself, wherever links lead. The memory is the caller's. -errno. */
static int name_beside(const char *database, const char *suffix, char **out)
{
	char *path = realpath(database, NULL);
	int rc = path == NULL ? -errno : asprintf(out, "%s%s", path, suffix) < 0 ? -ENOMEM : 0;

	free(path);
	return rc;
}

int beside_put_aside(const char *database)
{
	char *from = NULL, *to = NULL;
	int rc = name_beside(database, "-wal", &from);

	if (rc == 0)
		rc = name_beside(database, "-wal.foreign", &to);
	if (rc == 0 && rename(from, to) < 0)
		rc = -errno;
	free(from);
	free(to);
	return rc;
}

/* SQLite's own locks (https://www.sqlite.org/src/file?name=src/os.h): every connection has one of these bytes, or a part of them. */
static bool lock_out(int lock, short type)
{
	enum { PENDING = 0x40000000, SHARED = PENDING + 2, SHARED_SIZE = 510 };
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = PENDING, .l_len = SHARED + SHARED_SIZE - PENDING };

	return fcntl(lock, F_SETLK, &range) == 0;
}

static void remove_empty(const char *database, int lock)
{
	char *log = NULL, *index = NULL;
	struct stat ours, named, st;

	if (fstat(lock, &ours) == 0 && stat(database, &named) == 0 && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino &&
	    name_beside(database, "-wal", &log) == 0 && name_beside(database, "-shm", &index) == 0 && lstat(log, &st) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size == 0) {
		unlink(log);
		unlink(index);
	}
	free(log);
	free(index);
}

void beside_tidy(const char *database, int lock)
{
	/* Who reads there now, or the next daemon, needs them. */
	if (!lock_out(lock, F_WRLCK))
		return;
	remove_empty(database, lock);
	lock_out(lock, F_UNLCK);
}

int beside_check(const char *database, const char *mountpoint, struct ipam_error *error)
{
	char *path = realpath(database, NULL), *slash;
	struct stat over, at = { 0 };
	int fd, rc = 0;

	if (path == NULL)
		path = strdup(database); /* it is to be made */
	slash = path == NULL ? NULL : strrchr(path, '/');
	if (slash != NULL)
		slash[slash == path] = 0;
	fd = path == NULL ? -1 : open(slash == NULL ? "." : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(path);
	if (stat(mountpoint, &over) < 0)
		rc = -errno;
	while (rc == 0 && fd >= 0) {
		dev_t dev = at.st_dev;
		ino_t ino = at.st_ino;
		int above;

		if (fstat(fd, &at) < 0 || (at.st_dev == dev && at.st_ino == ino))
			break; /* the root is above itself */
		if (at.st_dev == over.st_dev && at.st_ino == over.st_ino)
			rc = -EINVAL;
		above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = above;
	}
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		snprintf(error->text, sizeof error->text, "%s: its database would lie below it, in '%s'; mount elsewhere", mountpoint,
			 database);
	return rc;
}
