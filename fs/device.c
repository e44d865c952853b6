#include "device.h"

#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

bool device_unmount(struct device *d, const char *mountpoint)
{
	bool there = is_there(d, mountpoint), aborted = d->abort >= 0 && write(d->abort, "1", 1) == 1;

	/* First the abort, which MNT_FORCE is as well, or whoever walks there would wait for an answer. Both at once, since what is not
	 * busy is gone after the first, and its mount point's name means something else. */
	if (there && geteuid() == 0)
		aborted |= umount2(mountpoint, MNT_FORCE | MNT_DETACH) == 0;
	else if (there)
		run_fusermount(mountpoint);
	if (d->abort >= 0)
		close(d->abort);
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct device){ .fd = -1, .abort = -1 };
	return aborted || !there;
}
