#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What a call says whose daemon may have gone away in it. Success is success: it was acknowledged. */
static int judge(int rc, unsigned before)
{
	int error = rc < 0 ? errno : 0;

	atomic_fetch_add(&soak.done, 1);
	if (rc >= 0)
		return rc;
	/* Also by a descriptor from before. */
	if (!soak.strict && (before % 2 != 0 || atomic_load(&soak.epoch) != before || error == ENOTCONN || error == ECONNABORTED)) {
		atomic_fetch_add(&soak.unknown, 1);
		return UNKNOWN;
	}
	atomic_fetch_add(&soak.refused, 1);
	return -error;
}

#define CALL(expression)                                                                                                                   \
	unsigned before = (call_wait(), atomic_load(&soak.epoch));                                                                         \
	return judge(expression, before)

void call_wait(void)
{
	while (!soak.strict && atomic_load(&soak.epoch) % 2 != 0)
		usleep(1000);
}

int call_open(const char *path, int flags, mode_t mode)
{
	CALL(open(path, flags | O_CLOEXEC, mode));
}

int call_unlink(const char *path)
{
	CALL(unlink(path));
}

int call_rename(const char *from, const char *to)
{
	CALL(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
}

int call_mkdir(const char *path)
{
	CALL(mkdir(path, 0755));
}

int call_rmdir(const char *path)
{
	CALL(rmdir(path));
}

int call_write(int fd, const char *text)
{
	CALL((int)write(fd, text, strlen(text)));
}

int call_setxattr(const char *path, const char *name, const void *value, size_t size)
{
	CALL(setxattr(path, name, value, size, 0));
}

int call_touch(const char *path)
{
	CALL(utimensat(AT_FDCWD, path, NULL, 0));
}

int call_read(const char *path, char *out, size_t room)
{
	unsigned before = (call_wait(), atomic_load(&soak.epoch));
	int fd = open(path, O_RDONLY | O_CLOEXEC), n = -1;

	if (fd >= 0) {
		n = (int)read(fd, out, room - 1);
		out[n > 0 ? n : 0] = 0;
		close(fd);
	}
	return judge(n, before);
}

int look(const char *path, char *out, size_t room)
{
	int n;

	for (;;) {
		n = call_read(path, out, room);
		/* ESTALE: it changed between the open and the read, and the next one knows. */
		if (n > 0 || n == -ENOENT)
			return n > 0 ? 0 : n;
		if (n != UNKNOWN && n != -ESTALE) {
			violation("%s can't be read: %s", path, n == 0 ? "it is empty" : strerror(-n));
			return -ENOENT;
		}
		if (atomic_load(&soak.violations) > 20)
			return -ENOENT;
	}
}
