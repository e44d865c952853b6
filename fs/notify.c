#include "notify.h"

#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct job {
	struct job *next;
	fuse_ino_t ino; /* of a name: its directory's */
	void (*then)(void *arg);
	void *arg;
	int kept;    /* where it outlives the worker, -1 nowhere */
	size_t size; /* of the name, 0: content */
	char name[];
};

/* A thread and its queue. */
struct lane {
	struct fuse_session *session;
	struct keep *keep;
	const struct wire *wire;
	int device;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	struct job *first, **tail;
	bool started, busy, stop;
	sem_t apart;
};

enum { CONTENT, NAMES, LANES };

struct notify {
	struct keep *keep;
	int left[KEEP_JOBS], lefts; /* what a worker before left to be done */
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
	keep_job_done(l->keep, j->kept);
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

/* The kernel may hold this thread past the end of its process, until a request is answered by the worker that comes after this
 * one; and that worker begins when all that this process had open is closed. So the thread has a table of descriptors of its own,
 * with nothing in it but the mount's. */
static void leave_files(int device)
{
	if (unshare(CLONE_FILES) < 0)
		return;
	if (device > 0)
		close_range(0, (unsigned)device - 1, 0);
	close_range((unsigned)device + 1, ~0U, 0);
}

/* A worker that takes over has things to tell before its session begins: libfuse would refuse to send them. */
static void wait_for_session(struct lane *l)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	bool stop = false;

	while (!stop && !wire_begun(l->wire)) {
		nanosleep(&moment, NULL);
		pthread_mutex_lock(&l->lock);
		stop = l->stop;
		pthread_mutex_unlock(&l->lock);
	}
}

static void *run(void *arg)
{
	struct lane *l = arg;

	leave_files(l->device);
	sem_post(&l->apart);
	wait_for_session(l);
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

static void lane_init(struct lane *l, struct fuse_session *session, struct keep *keep)
{
	l->session = session;
	l->keep = keep;
	l->tail = &l->first;
	sem_init(&l->apart, 0, 0);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, NULL);
}

static int lane_start(struct lane *l, const struct wire *wire, int device)
{
	int rc;

	l->wire = wire;
	l->device = device;
	rc = -pthread_create(&l->thread, NULL, run, l);
	l->started = rc == 0;
	while (l->started && sem_wait(&l->apart) < 0)
		;
	return rc;
}

static void lane_stop(struct lane *l)
{
	if (l->started) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->wake);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
	}
	while (l->first != NULL)
		free(take(l));
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	sem_destroy(&l->apart);
}

static void submit(struct lane *l, struct job *j)
{
	pthread_mutex_lock(&l->lock);
	*l->tail = j;
	l->tail = &j->next;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

int notify_new(struct fuse_session *session, struct keep *keep, struct notify **out)
{
	struct notify *n = calloc(1, sizeof *n);

	if (n == NULL)
		return -ENOMEM;
	n->keep = keep;
	/* One that was being filled is of a change that nobody was told of: it comes again. */
	for (int i = 0; i < KEEP_JOBS; i++)
		if (atomic_load(&keep->memory->job[i].state) == 2)
			n->left[n->lefts++] = i;
		else
			atomic_store(&keep->memory->job[i].state, 0);
	for (int i = 0; i < LANES; i++)
		lane_init(&n->lane[i], session, keep);
	*out = n;
	return 0;
}

int notify_start(struct notify *n, const struct wire *wire, int device)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < LANES; i++)
		rc = lane_start(&n->lane[i], wire, device);
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
	*j = (struct job){ .ino = ino, .then = then, .arg = arg, .kept = keep_job_add(n->keep, ino, "", 0) };
	submit(&n->lane[CONTENT], j);
}

void notify_name(struct notify *n, fuse_ino_t parent, const char *name)
{
	size_t size = strlen(name);
	struct job *j = malloc(sizeof *j + size + 1);

	if (j == NULL)
		return; /* the name's lease is known to be gone all the same: see above */
	*j = (struct job){ .ino = parent, .size = size, .kept = keep_job_add(n->keep, parent, name, size) };
	memcpy(j->name, name, size + 1);
	submit(&n->lane[NAMES], j);
}

void notify_again(struct notify *n)
{
	for (int i = 0; i < n->lefts; i++) {
		struct keep_job *j = &n->keep->memory->job[n->left[i]];

		if (j->size > 0)
			notify_name(n, j->ino, j->name);
		else
			notify_content(n, j->ino, NULL, NULL);
		atomic_store(&j->state, 0);
	}
	n->lefts = 0;
}
