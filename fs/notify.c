#include "notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct job {
	struct job *next;
	fuse_ino_t ino; /* of a name: its directory's */
	void (*then)(void *arg);
	void *arg;
	size_t size; /* of the name, 0: content */
	char name[];
};

/* A thread and its queue. */
struct lane {
	struct fuse_session *session;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	struct job *first, **tail;
	bool started, busy, stop;
};

enum { CONTENT, NAMES, LANES };

struct notify {
	struct lane lane[LANES];
};

/* Errors mean that the kernel doesn't know it, which is as good. */
static void do_job(struct lane *l, struct job *j)
{
	if (j->size > 0) {
		fuse_lowlevel_notify_inval_entry(l->session, j->ino, j->name, j->size);
		fuse_lowlevel_notify_inval_inode(l->session, j->ino, -1, 0);
	} else {
		fuse_lowlevel_notify_inval_inode(l->session, j->ino, 0, 0);
	}
	if (j->then != NULL)
		j->then(j->arg);
	free(j);
}

static struct job *take(struct lane *l)
{
	struct job *j = l->first;

	l->first = j->next;
	if (l->first == NULL)
		l->tail = &l->first;
	return j;
}

static void *run(void *arg)
{
	struct lane *l = arg;

	pthread_mutex_lock(&l->lock);
	while (l->first != NULL || !l->stop) {
		struct job *j;

		if (l->first == NULL) {
			pthread_cond_wait(&l->wake, &l->lock);
			continue;
		}
		j = take(l);
		l->busy = true;
		pthread_mutex_unlock(&l->lock);
		do_job(l, j);
		pthread_mutex_lock(&l->lock);
		l->busy = false;
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static int lane_start(struct lane *l, struct fuse_session *session)
{
	int rc;

	l->session = session;
	l->tail = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, NULL);
	rc = -pthread_create(&l->thread, NULL, run, l);
	l->started = rc == 0;
	return rc;
}

static void lane_stop(struct lane *l)
{
	if (!l->started)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
}

static void submit(struct lane *l, struct job *j)
{
	pthread_mutex_lock(&l->lock);
	*l->tail = j;
	l->tail = &j->next;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

int notify_start(struct fuse_session *session, struct notify **out)
{
	struct notify *n = calloc(1, sizeof *n);
	int rc = n == NULL ? -ENOMEM : 0;

	for (int i = 0; rc == 0 && i < LANES; i++)
		rc = lane_start(&n->lane[i], session);
	if (rc < 0)
		notify_stop(n);
	else
		*out = n;
	return rc;
}

void notify_stop(struct notify *n)
{
	for (int i = 0; n != NULL && i < LANES; i++)
		lane_stop(&n->lane[i]);
	free(n);
}

bool notify_idle(struct notify *n)
{
	bool idle = true;

	for (int i = 0; i < LANES; i++) {
		struct lane *l = &n->lane[i];

		pthread_mutex_lock(&l->lock);
		while (i == NAMES && l->first != NULL)
			free(take(l));
		idle &= l->first == NULL && !l->busy;
		pthread_mutex_unlock(&l->lock);
	}
	return idle;
}

void notify_content(struct notify *n, fuse_ino_t ino, void (*then)(void *arg), void *arg)
{
	struct job *j = malloc(sizeof *j + 1);

	if (j == NULL) {
		if (then != NULL)
			then(arg);
		return;
	}
	*j = (struct job){ .ino = ino, .then = then, .arg = arg };
	submit(&n->lane[CONTENT], j);
}

void notify_name(struct notify *n, fuse_ino_t parent, const char *name)
{
	size_t size = strlen(name);
	struct job *j = malloc(sizeof *j + size + 1);

	if (j == NULL)
		return; /* the name's lease is known to be gone all the same: see above */
	*j = (struct job){ .ino = parent, .size = size };
	memcpy(j->name, name, size + 1);
	submit(&n->lane[NAMES], j);
}
