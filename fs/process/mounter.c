#include "fs/process/mounter.h"

#include "fs/resume/state.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* -ENAMETOOLONG */
static int address_of(const char *path, struct sockaddr_un *to)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof to->sun_path)
		return -ENAMETOOLONG;
	strcpy(to->sun_path, path);
	return 0;
}

int mounter_listen(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
	struct sockaddr_un at;
	mode_t before;

	if (fd < 0)
		return -errno;
	rc = address_of(path, &at);
	if (rc == 0) {
		unlink(path); /* an earlier one's */
		before = umask(0177);
		if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1) < 0)
			rc = -errno;
		umask(before);
	}
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

static int check_peer(int peer)
{
	struct ucred who;
	socklen_t size = sizeof who;

	if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return -errno;
	return who.uid == geteuid() ? 0 : -EPERM;
}

int mounter_accept(int listener, const char *mountpoint, struct device *device, int *peer)
{
	struct keep_message m;
	int fd = -1, rc;

	*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*peer < 0)
		return -errno;
	rc = check_peer(*peer);
	if (rc == 0)
		rc = keep_receive(*peer, &m, &fd);
	if (rc > 0)
		rc = m.word == KEEP_DEVICE && fd >= 0 ? 0 : -EPROTO;
	else if (rc == 0)
		rc = -EPIPE;
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		close(*peer);
		*peer = -1;
		return rc;
	}
	device_adopt(fd, m.slot, mountpoint, device);
	return 0;
}

void mounter_answer(int peer)
{
	keep_send(peer, &(struct keep_message){ .word = KEEP_GO }, -1);
}

/* The device's descriptor is the other one's alone from here on: where it ends, the connection does. */
static int hand_over(int peer, struct device *device)
{
	struct keep_message m = { .word = KEEP_DEVICE, .slot = device->connection };
	int fd, rc = keep_send(peer, &m, device->fd);

	if (rc < 0)
		return rc;
	close(device->fd);
	device->fd = -1;
	rc = keep_receive(peer, &m, &fd);
	if (rc > 0 && fd >= 0)
		close(fd);
	if (rc <= 0)
		return rc < 0 ? rc : -EPIPE;
	return m.word == KEEP_GO ? 0 : -EPROTO;
}

int mounter_run(const struct options *o, struct ipam_error *error)
{
	int peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), rc;
	struct device device = { .fd = -1, .abort = -1 };
	struct sockaddr_un to;

	rc = peer < 0 ? -errno : address_of(o->mount_for, &to);
	if (rc == 0 && connect(peer, (struct sockaddr *)&to, sizeof to) < 0)
		rc = -errno;
	if (rc < 0) {
		snprintf(error->text, sizeof error->text, "%s: no ipamfs waits there for a mount: %s", o->mount_for, strerror(-rc));
	} else {
		device_clear(o->mountpoint);
		rc = device_mount(o, &device, error);
		if (rc == 0) {
			rc = hand_over(peer, &device);
			if (rc < 0)
				snprintf(error->text, sizeof error->text, "%s: the ipamfs that waited there has ended; unmounted again",
					 o->mount_for);
			if (rc < 0)
				device_unmount(&device, o->mountpoint);
			else if (device.abort >= 0)
				close(device.abort);
		}
	}
	if (peer >= 0)
		close(peer);
	return rc;
}
