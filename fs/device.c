#include "device.h"

#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
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

/* libfuse mounts, by itself or by fusermount3, with a session that is used for nothing else. */
int device_mount(const struct options *o, struct ipam_error *error)
{
	struct fuse_session *session = worker_session(o, NULL, error);
	int fd = -1;

	if (session == NULL)
		return -EINVAL;
	if (fuse_session_mount(session, o->mountpoint) < 0) {
		snprintf(error->text, sizeof error->text, "%s: can't be mounted%s", o->mountpoint,
			 access("/dev/fuse", R_OK | W_OK) == 0 ? "" : "; /dev/fuse is missing or closed to you ('modprobe fuse')");
		fuse_session_destroy(session);
		return -EIO;
	}
	fd = fcntl(fuse_session_fd(session), F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		fd = -errno;
		snprintf(error->text, sizeof error->text, "%s: %s", o->mountpoint, strerror(errno));
		fuse_session_unmount(session);
	}
	fuse_session_destroy(session); /* closes its own descriptor, and leaves the mount */
	return fd;
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

void device_unmount(int device, const char *mountpoint)
{
	struct pollfd p = { .fd = device };
	bool gone = poll(&p, 1, 0) > 0 && p.revents & POLLERR;

	/* First this, or a thread that walks there would wait for an answer. */
	close(device);
	if (gone)
		return;
	if (geteuid() != 0)
		run_fusermount(mountpoint);
	else
		umount2(mountpoint, MNT_DETACH);
}
