#include "target_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME = 48 }; /* the longest name made here, and more */

static const char cluster[] = "bench", listed[] = "listed";
static const char cidrs[] = "10.0.0.0/8 16\n"; /* 256 blocks of 65,533 addresses */
static const char text[] = "10.123.0.77/16\n";

static int write_all(int fd, const char *s, size_t n)
{
	ssize_t done = write(fd, s, n);

	if (done < 0)
		return -errno;
	return (size_t)done == n ? 0 : -EIO;
}

/* ---- set-up ------------------------------------------------------------------------------------------------ */

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_dir(int at, const char *name)
{
	return mkdirat(at, name, 0755) < 0 ? -errno : open_dir(at, name);
}

static int give_addresses(int top)
{
	int fd = openat(top, ".ipam/cidrs", O_WRONLY | O_APPEND | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, cidrs, sizeof cidrs - 1);
	return close(fd) < 0 && rc == 0 ? -errno : rc;
}

static int make_listed(int top)
{
	char name[NAME];
	int dir = make_dir(top, listed), rc = 0;

	if (dir < 0)
		return dir;
	for (int i = 0; rc == 0 && i < TARGET_LISTED; i++) {
		int fd;

		snprintf(name, sizeof name, "listed-%03d", i);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			rc = -errno;
		else
			close(fd);
	}
	close(dir);
	return rc;
}

static void worker_name(const struct target *t, unsigned i, char out[NAME])
{
	/* ext4 chooses the place by the name: not the same one in each run. */
	snprintf(out, NAME, "node-%d-%u-%u", (int)getpid(), t->age, t->options.per_node ? i : 0);
}

static int open_workers(struct target *t)
{
	char name[NAME];

	while (t->workers < t->options.threads) {
		bool first = t->options.per_node || t->workers == 0;
		struct worker *w = &t->worker[t->workers];

		worker_name(t, t->workers, name);
		w->target = t;
		w->files = first ? make_dir(t->top, name) : open_dir(t->top, name);
		if (w->files < 0)
			return w->files;
		t->workers++;
	}
	return 0;
}

static void close_workers(struct target *t)
{
	while (t->workers > 0)
		close(t->worker[--t->workers].files);
}

/* Ask a disk to put directories below this one far from each other, as it does with users' home directories. Without a
 * journal, ext4 leaves inodes alone that were deleted within the last minute: after some thousands of deletions near a
 * directory a create there searches for half a millisecond. Where there is no such flag there is no need. */
static void spread(int dir)
{
	int flags;

	if (ioctl(dir, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_TOPDIR_FL;
		(void)ioctl(dir, FS_IOC_SETFLAGS, &flags);
	}
}

int tree_open(struct target *t)
{
	int root = open_dir(AT_FDCWD, t->path), rc = root;

	if (rc >= 0)
		rc = t->top = make_dir(root, cluster);
	if (root >= 0)
		close(root);
	if (rc >= 0)
		spread(t->top);
	if (rc >= 0)
		rc = t->kind->is_ipamfs ? give_addresses(t->top) : 0;
	if (rc >= 0)
		rc = make_listed(t->top);
	if (rc >= 0)
		rc = open_workers(t);
	return rc < 0 ? rc : 0;
}

static void remove_tree(int at, const char *name)
{
	int fd = open_dir(at, name);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_type == DT_DIR)
			remove_tree(fd, e->d_name);
		else
			unlinkat(fd, e->d_name, 0);
	}
	if (dir != NULL)
		closedir(dir);
	unlinkat(at, name, AT_REMOVEDIR);
}

int tree_renew(struct target *t)
{
	char name[NAME];

	close_workers(t);
	for (unsigned i = 0; i < (t->options.per_node ? t->options.threads : 1); i++) {
		worker_name(t, i, name);
		remove_tree(t->top, name);
	}
	t->age++;
	return open_workers(t);
}

void tree_target_close(struct target *t)
{
	int root;

	if (t->top < 0)
		return;
	close_workers(t);
	close(t->top);
	t->top = -1;
	root = open_dir(AT_FDCWD, t->path);
	if (root < 0)
		return;
	remove_tree(root, cluster);
	close(root);
}

/* ---- operations -------------------------------------------------------------------------------------------- */

static bool must_fsync(const struct target *t)
{
	return t->kind->fsyncs && t->options.durable;
}

int tree_create(struct worker *w, const char *name)
{
	bool sync = must_fsync(w->target);
	int fd = openat(w->files, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	if (sync && fsync(fd) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	if (close(fd) < 0 || (sync && fsync(w->files) < 0))
		return -errno;
	return 0;
}

int tree_stat(struct worker *w, const char *name)
{
	struct stat st;

	return fstatat(w->files, name, &st, 0) < 0 ? -errno : 0;
}

int tree_cat(struct worker *w, const char *name)
{
	char buffer[4096];
	ssize_t n;
	int fd = openat(w->files, name, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, buffer, sizeof buffer);
	while (n > 0);
	if (n < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* By the system call, since opendir(3) asks for the attributes as well. */
int tree_readdir(struct worker *w, const char *name)
{
	char buffer[32768];
	long n;
	int fd = open_dir(w->target->top, listed);
	int rc = 0;

	(void)name;
	if (fd < 0)
		return fd;
	do
		n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
	while (n > 0);
	if (n < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int tree_unlink(struct worker *w, const char *name)
{
	if (unlinkat(w->files, name, 0) < 0 || (must_fsync(w->target) && fsync(w->files) < 0))
		return -errno;
	return 0;
}

int tree_mkdir(struct worker *w, const char *name)
{
	bool sync = must_fsync(w->target);
	int top = w->target->top;

	if (mkdirat(top, name, 0755) < 0 || (sync && fsync(top) < 0) || unlinkat(top, name, AT_REMOVEDIR) < 0 || (sync && fsync(top) < 0))
		return -errno;
	return 0;
}

int tree_fill(struct worker *w, const char *name)
{
	int fd = openat(w->files, name, O_WRONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, sizeof text - 1);
	return close(fd) < 0 && rc == 0 ? -errno : rc;
}
