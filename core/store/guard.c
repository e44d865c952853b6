#include "store/guard.h"

#include "ipam.h"

#include <errno.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int refuse(struct ipam_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct ipam_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return -EPERM;
}

static bool is_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* By its mode; what an access control list grants is in the group's part of it. */
static bool others_write(const struct stat *st)
{
	bool own_group = st->st_gid == 0 || (geteuid() != 0 && st->st_gid == getegid());

	return st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && !own_group);
}

/* In a directory with the sticky bit nobody takes another's name away, but anybody adds one. */
static int check_directory(const char *path, bool adding, struct ipam_error *error)
{
	int size = (int)strlen(path) - (path[1] != 0); /* without the slash at its end */
	struct stat st;

	if (stat(path, &st) < 0)
		return 0; /* who opens what is in it hears of that */
	if (!is_trusted(st.st_uid))
		return refuse(error, "the directory %.*s belongs to uid %u", size, path, (unsigned)st.st_uid);
	if (others_write(&st) && (adding || !(st.st_mode & S_ISVTX)))
		return refuse(error, "others may write in the directory %.*s", size, path);
	return 0;
}

/* path: without links. Each directory on the way decides what the next name means. */
static int check_way(const char *path, bool adding, struct ipam_error *error)
{
	char *way = strdup(path), *at = way;
	int rc = way == NULL ? -ENOMEM : 0;

	while (rc == 0 && (at = strchr(at, '/')) != NULL) {
		char *last = strrchr(at, '/');
		char after = at[1];

		at[1] = 0;
		rc = check_directory(way, adding && at == last, error);
		at++;
		*at = after;
	}
	free(way);
	return rc;
}

int ipam_guarded(const char *path, struct ipam_error *error)
{
	char *name = realpath(path, NULL);
	struct stat st;
	int rc = name == NULL || stat(name, &st) < 0 ? -errno : 0;

	if (rc < 0)
		snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(-rc));
	else if (!is_trusted(st.st_uid))
		rc = refuse(error, "%s belongs to uid %u", name, (unsigned)st.st_uid);
	else if (others_write(&st))
		rc = refuse(error, "others may write to %s", name);
	else
		rc = check_way(name, false, error);
	free(name);
	return rc;
}

/* Where it lies, or will: the memory is the caller's; NULL: nowhere. */
static char *name_of(const char *path)
{
	char *name = realpath(path, NULL), *copy, *directory;

	if (name != NULL || errno != ENOENT)
		return name;
	copy = strdup(path);
	directory = copy == NULL ? NULL : realpath(dirname(copy), NULL);
	free(copy);
	copy = strdup(path);
	if (directory == NULL || copy == NULL || asprintf(&name, "%s/%s", directory, basename(copy)) < 0)
		name = NULL;
	free(copy);
	free(directory);
	return name;
}

/* suffix: of a file that SQLite reads into the database, whose owner is known. */
static int check_beside(const char *name, const char *suffix, uid_t owner, struct ipam_error *error)
{
	char *path = NULL;
	struct stat st;
	int rc = 0;

	if (asprintf(&path, "%s%s", name, suffix) < 0)
		return -ENOMEM;
	if (lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || (st.st_uid != owner && !is_trusted(st.st_uid))))
		rc = refuse(error, "%s belongs to uid %u, or isn't a file: the database isn't; look who laid it there, and remove it", path,
			    (unsigned)st.st_uid);
	free(path);
	return rc;
}

/* Of a file system in user space (FUSE): a database on it may lie at another path, too, whose locks and memory it shares no more than
 * those of another machine. */
static bool is_mirror(const char *name)
{
	char *way = strdup(name);
	struct statfs st;
	bool mirror = way != NULL && statfs(dirname(way), &st) == 0 && st.f_type == FUSE_SUPER_MAGIC;

	free(way);
	return mirror;
}

int guard_database(const char *path, bool insecure, struct ipam_error *error)
{
	static const char *const suffix[] = { "-wal", "-shm", "-journal" };
	char *name = name_of(path);
	struct ipam_error why = { "" };
	struct stat st = { .st_mode = S_IFREG, .st_uid = geteuid() }; /* it is made */
	int rc = 0;

	if (name == NULL || (stat(name, &st) == 0 && !S_ISREG(st.st_mode)))
		goto out; /* who opens it hears of that */
	if (!insecure)
		rc = check_way(name, true, &why);
	if (rc == 0 && !insecure)
		rc = !is_trusted(st.st_uid) ? refuse(&why, "it belongs to uid %u", (unsigned)st.st_uid) :
		     others_write(&st)      ? refuse(&why, "others may write to it") :
					      0;
	if (rc == 0 && !insecure && is_mirror(name))
		rc = refuse(&why, "it lies in a FUSE mount, where a lock doesn't keep out who comes by another path");
	if (rc == -EPERM)
		refuse(error, "%.200s: %.200s; 'chmod', 'chown', or 'insecure_dir' takes the risk", name, why.text);
	for (size_t i = 0; rc == 0 && i < sizeof suffix / sizeof *suffix; i++)
		rc = check_beside(name, suffix[i], st.st_uid, error);
	if (rc == -ENOMEM)
		snprintf(error->text, sizeof error->text, "out of memory");
out:
	free(name);
	return rc;
}
