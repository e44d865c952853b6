#include "fs/process/mount.h"

#include "fs/process/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
/* libfuse frees the name of the mount point only where it unmounts by itself. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:fuse_session_mount\n";
}
#endif

/* What Debian 12's headers don't know yet. */
enum { MNT_ID_UNIQUE = 0x4000 };

/* What is mounted there. It is not asked, since it may never answer. */
static struct device look(const char *mountpoint)
{
	struct device d = { .fd = -1, .abort = -1 };
	struct statx st;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, MNT_ID_UNIQUE, &st) == 0 && st.stx_dev_major == 0) {
		d.connection = st.stx_dev_minor;
		d.mount = st.stx_mask & MNT_ID_UNIQUE ? st.stx_mnt_id : 0;
	}
	return d;
}

/* Where this file can't be had (in a container the file system is often not mounted) there is MNT_FORCE for root. */
static int open_abort(unsigned connection)
{
	char path[64];

	snprintf(path, sizeof path, "/sys/fs/fuse/connections/%u/abort", connection);
	return connection == 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
}

/* libfuse mounts, by itself or by fusermount3, with a session that is used for nothing else. */
int device_mount(const struct options *o, struct device *out, struct ipam_error *error)
{
	struct fuse_session *session = worker_session(o, NULL, error);
	struct device there;
	int rc = 0;

	if (session == NULL)
		return -EINVAL;
	if (fuse_session_mount(session, o->mountpoint) < 0) {
		snprintf(error->text, sizeof error->text, "%s: can't be mounted%s", o->mountpoint,
			 access("/dev/fuse", R_OK | W_OK) == 0 ? "" : "; /dev/fuse is missing or closed to you ('modprobe fuse')");
		fuse_session_destroy(session);
		return -EIO;
	}
	there = look(o->mountpoint);
	out->fd = fcntl(fuse_session_fd(session), F_DUPFD_CLOEXEC, 3);
	if (out->fd < 0) {
		rc = -errno;
		snprintf(error->text, sizeof error->text, "%s: %s", o->mountpoint, strerror(errno));
		fuse_session_unmount(session);
	} else {
		out->connection = there.connection;
		out->mount = there.mount;
		out->abort = open_abort(there.connection);
	}
	fuse_session_destroy(session); /* closes its own descriptor, and leaves the mount */
	return rc;
}

void device_adopt(int fd, unsigned connection, const char *mountpoint, struct device *out)
{
	struct device there = look(mountpoint);

	*out = (struct device){ fd, open_abort(connection), connection, there.connection == connection ? there.mount : 0 };
}

static void run_fusermount(const char *mountpoint)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-q", "-z", "--", mountpoint, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Whether a call by the mount point's name means this mount: somebody may have unmounted it, and have mounted another since or over it. */
static bool is_there(const struct device *d, const char *mountpoint)
{
	struct pollfd p = { .fd = d->fd };
	struct device there;

	if (d->mount == 0 && d->fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & POLLERR)
		return false; /* unmounted, or aborted and left alone */
	there = look(mountpoint);
	return there.mount == d->mount && there.connection == d->connection;
}

/* Of the mount that this is the root of. It is not asked. */
static bool is_ipamfs(int root)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *type;
	bool ours = false;
	struct statx st;
	size_t room = 0;

	if (statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID) ||
	    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		st.stx_mnt_id = 0;
	while (f != NULL && !ours && getline(&line, &room, f) > 0) {
		type = strstr(line, " - "); /* ID PARENT ... - TYPE SOURCE OPTIONS */
		ours = strtoull(line, NULL, 10) == st.stx_mnt_id && type != NULL && strncmp(type, " - fuse.ipamfs ", 15) == 0;
	}
	free(line);
	if (f != NULL)
		fclose(f);
	return ours;
}

/* What a request that every mount takes is answered: 0 or the errno, -1: nothing in time. A process of nobody's asks, since nothing ends
 * one that waits for a daemon which hangs. */
static int ask(int root)
{
	enum { PATIENCE_MS = 2000 };
	struct statfs st;
	int pipes[2], answer = -1;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			dup2(pipes[1], 0);
			dup2(root, 1);
			close_range(2, ~0U, 0); /* a lock, the end of a pipe, somebody's terminal: it may stay */
			answer = fstatfs(1, &st) < 0 ? errno : 0;
			(void)!write(0, &answer, sizeof answer);
		}
		_exit(0);
	}
	close(pipes[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || poll(&(struct pollfd){ .fd = pipes[0], .events = POLLIN }, 1, PATIENCE_MS) <= 0 ||
	    read(pipes[0], &answer, sizeof answer) != sizeof answer)
		answer = -1;
	close(pipes[0]);
	return answer;
}

/* The mount that was looked at and no other: by its name somebody may have mounted meanwhile. fusermount3 knows names alone. */
static int take_off(int root, const char *mountpoint)
{
	char path[64];

	if (geteuid() != 0) {
		run_fusermount(mountpoint);
		return 0;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", root);
	return umount2(path, MNT_DETACH) < 0 ? -errno : 0;
}

static bool clear_one(const char *mountpoint)
{
	int root = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC), answer;
	struct device before = look(mountpoint), after;
	bool taken = false;

	if (root < 0)
		return false;
	if (is_ipamfs(root)) {
		answer = ask(root);
		taken = (answer == ENOTCONN || answer == ECONNABORTED) && take_off(root, mountpoint) == 0;
	}
	close(root);
	after = look(mountpoint);
	return taken && (after.mount != before.mount || after.connection != before.connection);
}

unsigned device_clear(const char *mountpoint)
{
	enum { MOST = 100 };
	unsigned n = 0;

	while (n < MOST && clear_one(mountpoint))
		n++;
	return n;
}

bool device_unmount(struct device *d, const char *mountpoint)
{
	bool there = is_there(d, mountpoint), ended = d->abort >= 0 && write(d->abort, "1", 1) == 1;
	struct pollfd p = { .fd = d->fd };

	/* First the abort, which MNT_FORCE is as well, or whoever walks there would wait for an answer. Both at once, since what is not
	 * busy is gone after the first, and its mount point's name means something else. */
	if (there && geteuid() == 0)
		ended |= umount2(mountpoint, MNT_FORCE | MNT_DETACH) == 0;
	else if (there)
		run_fusermount(mountpoint);
	ended |= d->fd < 0 || (poll(&p, 1, 0) > 0 && p.revents & POLLERR);
	if (d->abort >= 0)
		close(d->abort);
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct device){ .fd = -1, .abort = -1 };
	return ended;
}
