#include "fs/resume/invalidate.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct notify {
	_Atomic int device;   /* -1: not known yet */
	pthread_mutex_t lock; /* what follows */
	fuse_ino_t *waiting;  /* to be told once it is */
	size_t n, room;
};

/* An error means that the kernel doesn't know it, which is as good. */
static void tell(int device, fuse_ino_t ino)
{
	struct {
		struct fuse_out_header header;
		struct fuse_notify_inval_inode_out inode;
	} out = { .header = { .len = sizeof out, .error = FUSE_NOTIFY_INVAL_INODE }, .inode = { .ino = ino, .off = -1 } };

	(void)!write(device, &out, sizeof out);
}

int notify_new(struct notify **out)
{
	struct notify *n = calloc(1, sizeof *n);

	if (n == NULL)
		return -ENOMEM;
	atomic_init(&n->device, -1);
	pthread_mutex_init(&n->lock, NULL);
	*out = n;
	return 0;
}

void notify_start(struct notify *n, int device)
{
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n; i++)
		tell(device, n->waiting[i]);
	atomic_store(&n->device, device);
	pthread_mutex_unlock(&n->lock);
	free(n->waiting);
	n->waiting = NULL;
}

bool notify_started(struct notify *n)
{
	return atomic_load(&n->device) >= 0;
}

/* For want of memory it is not told, and believed for a while. */
static void put_off(struct notify *n, fuse_ino_t ino)
{
	if (n->n == n->room) {
		size_t room = n->room == 0 ? 64 : n->room * 2;
		fuse_ino_t *bigger = reallocarray(n->waiting, room, sizeof *bigger);

		if (bigger == NULL)
			return;
		n->waiting = bigger;
		n->room = room;
	}
	n->waiting[n->n++] = ino;
}

void notify_inode(struct notify *n, fuse_ino_t ino)
{
	int device = atomic_load(&n->device);

	if (device < 0) {
		pthread_mutex_lock(&n->lock);
		device = atomic_load(&n->device);
		if (device < 0)
			put_off(n, ino);
		pthread_mutex_unlock(&n->lock);
	}
	if (device >= 0)
		tell(device, ino);
}

void notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	pthread_mutex_destroy(&n->lock);
	free(n->waiting);
	free(n);
}
