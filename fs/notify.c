#include "notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct job {
	struct job *next;
	fuse_ino_t ino, parent;
	void (*then)(void *arg);
	void *arg;
	size_t size;
	char name[];
};

struct notify {
	struct fuse_session *session;
	pthread_t thread;
	pthread_mutex_t lock; /* first, tail, stop */
	pthread_cond_t wake;
	struct job *first, **tail;
	bool stop;
	atomic_bool ended;
};

static void do_job(struct notify *n, struct job *j)
{
	bool tell = !atomic_load(&n->ended);

	/* Errors mean that the kernel doesn't know it, which is as good. */
	if (tell && j->size > 0)
		fuse_lowlevel_notify_inval_entry(n->session, j->parent, j->name, j->size);
	if (tell && j->parent != 0)
		fuse_lowlevel_notify_inval_inode(n->session, j->parent, -1, 0);
	if (tell && j->ino != 0)
		fuse_lowlevel_notify_inval_inode(n->session, j->ino, 0, 0);
	if (j->then != NULL)
		j->then(j->arg);
	free(j);
}

static void *run(void *arg)
{
	struct notify *n = arg;

	pthread_mutex_lock(&n->lock);
	while (n->first != NULL || !n->stop) {
		struct job *j = n->first;

		if (j == NULL) {
			pthread_cond_wait(&n->wake, &n->lock);
			continue;
		}
		n->first = j->next;
		if (n->first == NULL)
			n->tail = &n->first;
		pthread_mutex_unlock(&n->lock);
		do_job(n, j);
		pthread_mutex_lock(&n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

int notify_start(struct fuse_session *session, struct notify **out)
{
	struct notify *n = calloc(1, sizeof *n);
	int rc;

	if (n == NULL)
		return -ENOMEM;
	n->session = session;
	n->tail = &n->first;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wake, NULL);
	rc = -pthread_create(&n->thread, NULL, run, n);
	if (rc < 0)
		free(n);
	else
		*out = n;
	return rc;
}

void notify_end(struct notify *n)
{
	if (n != NULL)
		atomic_store(&n->ended, true);
}

void notify_stop(struct notify *n)
{
	if (n == NULL)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

void notify_forget(struct notify *n, fuse_ino_t ino, fuse_ino_t parent, const char *name, void (*then)(void *arg),
		   void *arg)
{
	size_t size = name == NULL ? 0 : strlen(name);
	struct job *j = malloc(sizeof *j + size + 1);

	if (j == NULL) {
		if (then != NULL)
			then(arg);
		return;
	}
	*j = (struct job){ .ino = ino, .parent = parent, .then = then, .arg = arg, .size = size };
	if (size > 0)
		memcpy(j->name, name, size + 1);
	pthread_mutex_lock(&n->lock);
	*n->tail = j;
	n->tail = &j->next;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}
