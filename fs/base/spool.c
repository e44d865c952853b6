#include "fs/base/spool.h"

#include "fs/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <syslog.h>
#include <unistd.h>

enum {
	PORTION = 64 << 10, /* a thousand that are open cost no more memory than this each */
	SPARED = 20,        /* the last twentieth of a filesystem is left alone */
};

void spool_init(struct spool *s, const char *dir)
{
	*s = (struct spool){ .dir = dir, .fd = -1 };
}

void spool_free(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->mem.data);
	spool_init(s, s->dir);
}

static int open_nameless(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	return errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

bool spool_knows_nameless(const char *dir)
{
	int fd = open_nameless(dir);

	if (fd >= 0)
		close(fd);
	return fd != -EOPNOTSUPP;
}

static int open_file(struct spool *s)
{
	char *path = NULL;
	int rc = 0;

	s->fd = open_nameless(s->dir);
	if (s->fd >= 0)
		return 0;
	rc = s->fd;
	s->fd = -1;
	if (rc != -EOPNOTSUPP)
		return rc;
	path = malloc(strlen(s->dir) + sizeof "/ipamfs.XXXXXX");
	if (path == NULL)
		return -ENOMEM;
	strcpy(stpcpy(path, s->dir), "/ipamfs.XXXXXX");
	s->fd = mkostemp(path, O_CLOEXEC);
	rc = s->fd < 0 || unlink(path) < 0 ? -errno : 0;
	free(path);
	return rc;
}

/* That its place is gone or closed is none of the reader's errors. */
static int make_file(struct spool *s)
{
	char text[512];
	int rc = open_file(s);

	if (rc == 0 || rc == -ENOSPC || rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
		return rc;
	snprintf(text, sizeof text, "a long report can't be made: spool=%s: %s", s->dir, strerror(-rc));
	log_write(NULL, LOG_ERR, text);
	return -EIO;
}

static int check_room(const struct spool *s)
{
	struct statvfs st;

	if (fstatvfs(s->fd, &st) < 0)
		return -errno;
	return st.f_blocks > 0 && st.f_bavail < st.f_blocks / SPARED ? -ENOSPC : 0;
}

static int to_file(struct spool *s)
{
	size_t done = 0;
	int rc = s->fd < 0 ? make_file(s) : 0;

	if (rc == 0)
		rc = check_room(s);
	while (rc == 0 && done < s->mem.size) {
		ssize_t n = pwrite(s->fd, s->mem.data + done, s->mem.size - done, s->size);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (n > 0) {
			done += (size_t)n;
			s->size += n;
		}
	}
	s->mem.size = 0;
	return rc;
}

int spool_flush(struct spool *s)
{
	if (s->mem.failed)
		return -ENOMEM;
	return s->mem.size < PORTION || s->dir == NULL ? 0 : to_file(s);
}

int spool_end(struct spool *s)
{
	int rc;

	if (s->mem.failed)
		return -ENOMEM;
	if (s->dir == NULL)
		return 0;
	/* A short one in a file that is memory: it can be handed to another process all the same. */
	if (s->fd < 0 && (s->fd = memfd_create("report", MFD_CLOEXEC)) < 0)
		return -errno;
	rc = to_file(s);
	free(s->mem.data);
	s->mem = (struct buffer){ 0 };
	return rc;
}

ssize_t spool_read(const struct spool *s, char *out, size_t size, off_t off)
{
	ssize_t n;

	if (s->fd < 0) {
		size_t have = off < 0 || (size_t)off >= s->mem.size ? 0 : s->mem.size - (size_t)off;

		n = (ssize_t)(have < size ? have : size);
		if (n > 0)
			memcpy(out, s->mem.data + off, (size_t)n);
		return n;
	}
	do
		n = pread(s->fd, out, size, off);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
