#include "stream.h"

#include "control.h"
#include "ring.h"
#include "viewer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

struct reader {
	struct handle handle;
	struct stream *stream;
	struct ring_reader ring;
	struct fs *fs;
	struct viewer viewer; /* who opened it */
	struct fuse_pollhandle *poll;
	struct reader *next_poll;
};

/* A read that waits. */
struct waiter {
	struct waiter *next;
	struct reader *reader;
	fuse_req_t req;
	size_t size;
};

struct stream {
	pthread_t thread;
	pthread_mutex_t lock; /* what follows, and the readers */
	pthread_cond_t wake;
	bool news, stop;
	struct ring ring;
	uint64_t readers, events;
	struct waiter *waiting;
	struct reader *polling;
};

void stream_event(struct stream *s, const struct ipam_event *event)
{
	pthread_mutex_lock(&s->lock);
	s->events++;
	ring_add(&s->ring, event);
	s->news = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static void answer(fuse_req_t req, struct buffer *b)
{
	if (b->failed)
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, b->data, b->size);
	free(b->data);
}

/* ---- the thread ------------------------------------------------------------------------------------------- */

/* Some of those for whom there is something. False: there is none. The answers are sent without the lock: each is a system
 * call, and the committer may come. */
static bool serve_waiting(struct stream *s)
{
	enum { SOME = 32 };
	struct waiter *ready[SOME], **at = &s->waiting;
	struct buffer text[SOME] = { 0 };
	int n = 0;

	while (*at != NULL && n < SOME) {
		struct waiter *w = *at;

		if (ring_take(&w->reader->ring, w->size, &text[n])) {
			*at = w->next;
			ready[n++] = w;
		} else {
			at = &w->next;
		}
	}
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < n; i++) {
		answer(ready[i]->req, &text[i]);
		free(ready[i]);
	}
	pthread_mutex_lock(&s->lock);
	return n > 0;
}

static void notify(struct fuse_pollhandle *ph)
{
	fuse_lowlevel_notify_poll(ph);
	fuse_pollhandle_destroy(ph);
}

static void serve_polling(struct stream *s)
{
	struct reader **at = &s->polling;

	while (*at != NULL) {
		struct reader *r = *at;

		if (ring_has_news(&r->ring)) {
			*at = r->next_poll;
			notify(r->poll);
			r->poll = NULL;
		} else {
			at = &r->next_poll;
		}
	}
}

static void *run(void *arg)
{
	struct stream *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (!s->news) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->news = false;
		while (serve_waiting(s))
			;
		serve_polling(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- an open file ----------------------------------------------------------------------------------------- */

/* The reader was killed, or got a signal. Called by libfuse at any time, also when the read was answered: it holds the
 * request then, so that its address is no other's. */
static void interrupted(fuse_req_t req, void *data)
{
	struct stream *s = data;
	struct waiter **at, *w = NULL;

	pthread_mutex_lock(&s->lock);
	for (at = &s->waiting; *at != NULL && (*at)->req != req; at = &(*at)->next)
		;
	if (*at != NULL) {
		w = *at;
		*at = w->next;
	}
	pthread_mutex_unlock(&s->lock);
	if (w != NULL)
		fuse_reply_err(req, EINTR);
	free(w);
}

static void stream_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct reader *r = (struct reader *)h;
	struct stream *s = r->stream;
	struct waiter *w = calloc(1, sizeof *w);
	struct buffer b = { 0 };
	int error = w == NULL ? ENOMEM : 0;
	bool ready = false, parked = false;

	(void)fs;
	(void)off;
	fuse_req_interrupt_func(req, interrupted, s); /* not under the lock, which it may take */
	pthread_mutex_lock(&s->lock);
	if (error == 0)
		ready = ring_take(&r->ring, size, &b);
	if (error == 0 && !ready && s->stop) {
		ready = true; /* an end of file */
	} else if (error == 0 && !ready && flags & O_NONBLOCK) {
		error = EAGAIN;
	} else if (error == 0 && !ready && fuse_req_interrupted(req)) {
		error = EINTR;
	} else if (error == 0 && !ready) {
		*w = (struct waiter){ .next = s->waiting, .reader = r, .req = req, .size = size };
		s->waiting = w;
		/* An interruption that came before it was here found nothing. */
		parked = true;
		if (fuse_req_interrupted(req)) {
			s->waiting = w->next;
			parked = false;
			error = EINTR;
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (parked)
		return;
	free(w);
	if (error != 0)
		fuse_reply_err(req, error);
	else
		answer(req, &b);
}

static void forget_poll(struct reader *r)
{
	struct reader **at = &r->stream->polling;

	if (r->poll == NULL)
		return;
	while (*at != r)
		at = &(*at)->next_poll;
	*at = r->next_poll;
	fuse_pollhandle_destroy(r->poll);
	r->poll = NULL;
}

static void stream_poll(struct fs *fs, fuse_req_t req, struct handle *h, struct fuse_pollhandle *ph)
{
	struct reader *r = (struct reader *)h;
	struct stream *s = r->stream;
	bool ready;

	(void)fs;
	pthread_mutex_lock(&s->lock);
	ready = ring_has_news(&r->ring) || s->stop;
	if (ph != NULL) {
		forget_poll(r);
		if (ready) {
			notify(ph);
		} else {
			r->poll = ph;
			r->next_poll = s->polling;
			s->polling = r;
		}
	}
	pthread_mutex_unlock(&s->lock);
	fuse_reply_poll(req, ready ? POLLIN | POLLRDNORM : 0);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct reader *r = (struct reader *)h;
	struct stream *s = r->stream;

	pthread_mutex_lock(&s->lock);
	forget_poll(r);
	ring_leave(&r->ring);
	if (--s->readers == 0) {
		ipam_listen(fs->ipam, false);
		ring_clear(&s->ring);
	}
	pthread_mutex_unlock(&s->lock);
	viewer_free(&r->viewer);
	free(r);
}

static void stream_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	discard(fs, h);
	fuse_reply_err(req, 0);
}

static bool sees(void *arg, uint64_t node)
{
	const struct reader *r = arg;

	return viewer_sees_node(r->fs, &r->viewer, node);
}

int events_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	static const struct handle_ops ops = {
		.read = stream_read, .poll = stream_poll, .release = stream_release, .discard = discard
	};
	struct stream *s = fs->stream;
	struct reader *r = calloc(1, sizeof *r);
	struct ipam_object object;
	enum ipam_kind level = control_table[ref.which].level;
	uint64_t id = level == IPAM_ROOT ? IPAM_ROOT_ID : ref.id;
	int rc = r == NULL ? -ENOMEM : ipam_get(fs->ipam, level, id, &object);

	if (rc == 0)
		rc = viewer_of(req, &r->viewer);
	if (rc == 0) {
		r->handle.ops = &ops;
		r->stream = s;
		r->fs = fs;
		pthread_mutex_lock(&s->lock);
		rc = ring_enter(&s->ring, level, id, &r->ring);
		if (level != IPAM_NODE && r->viewer.uid != 0) {
			r->ring.sees = sees;
			r->ring.arg = r;
		}
		if (rc == 0 && s->readers++ == 0)
			ipam_listen(fs->ipam, true);
		pthread_mutex_unlock(&s->lock);
	}
	if (rc < 0) {
		if (r != NULL)
			viewer_free(&r->viewer);
		free(r);
		return rc;
	}
	fi->direct_io = 1;
	fi->nonseekable = 1; /* so that a shell's read takes a line and no more: it could not give the rest back */
	fi->noflush = 1;
	fi->fh = (uintptr_t)r;
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------- */

int stream_start(struct stream **out)
{
	struct stream *s = calloc(1, sizeof *s);
	int rc;

	if (s == NULL)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	rc = -pthread_create(&s->thread, NULL, run, s);
	if (rc < 0)
		free(s);
	else
		*out = s;
	return rc;
}

void stream_stop(struct stream *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	while (s->waiting != NULL) {
		struct waiter *w = s->waiting;

		s->waiting = w->next;
		fuse_reply_buf(w->req, NULL, 0);
		free(w);
	}
}

void stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	ring_free(&s->ring);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void stream_numbers(struct stream *s, struct stream_numbers *out)
{
	pthread_mutex_lock(&s->lock);
	*out = (struct stream_numbers){ s->readers, s->events, s->ring.dropped };
	pthread_mutex_unlock(&s->lock);
}
