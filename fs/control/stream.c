#include "fs/control/stream.h"

#include "fs/base/log.h"
#include "fs/control/history.h"
#include "fs/control/ring.h"
#include "fs/tree/access.h"
#include "fs/tree/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

struct reader {
	struct handle handle;
	struct stream *stream;
	struct ring_reader ring;
	struct fs *fs;
	struct viewer viewer; /* who opened it */
	struct fuse_pollhandle *poll;
	struct reader *next_poll;
	struct keep_slot *resumed; /* of a worker before; while all of those are made again */
	struct reader *next_resumed;
};

/* A read that waits. */
struct waiter {
	struct waiter *next;
	struct reader *reader;
	fuse_req_t req;
	uint64_t request;
	size_t size;
};

struct stream {
	struct fs *fs;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows, and the readers */
	pthread_cond_t wake;
	bool news, stop;
	struct ring ring;
	uint64_t last; /* the newest event that is in the ring, or is older than it */
	bool resuming; /* older ones are still to be put into it */
	uint64_t readers, events;
	struct waiter *waiting;
	struct reader *polling, *resumed;
};

/* With the lock held. */
static void add(struct stream *s, const struct ipam_event *event)
{
	ring_add(&s->ring, event);
	s->last = event->number;
	s->news = true;
	pthread_cond_signal(&s->wake);
}

void stream_event(struct stream *s, const struct ipam_event *event)
{
	pthread_mutex_lock(&s->lock);
	s->events++;
	if (!s->resuming && event->number > s->last)
		add(s, event);
	pthread_mutex_unlock(&s->lock);
}

/* ---- what outlives the worker ------------------------------------------------------------------------------ */

/* How far the reader has come by this read. Where it came from is kept, too: the read may have to be answered again. */
static void keep_place(struct fs *fs, const struct reader *r, uint64_t request)
{
	struct keep_slot *slot = handle_slot(fs, &r->handle);
	uint32_t which = (atomic_load(&slot->events.which) + 1) % 3;

	slot->events.place[which] =
		(struct keep_place){ request, r->ring.number, r->ring.rest != NULL ? r->ring.rest_size - r->ring.rest_given : 0 };
	atomic_store(&slot->events.which, which);
}

/* The answer to this read was made by a worker before, and did not go out: back to where it began. */
static void go_back(struct fs *fs, struct reader *r, uint64_t request)
{
	const struct keep_slot *slot = handle_slot(fs, &r->handle);
	uint32_t which = atomic_load(&slot->events.which);
	const struct keep_place *before = &slot->events.place[(which + 2) % 3];

	if (slot->events.place[which].request == request)
		ring_resume(&r->ring, before->number, before->rest);
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
			keep_place(s->fs, w->reader, w->request);
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

static void notify(struct stream *s, struct reader *r, struct fuse_pollhandle *ph)
{
	fuse_lowlevel_notify_poll(ph);
	fuse_pollhandle_destroy(ph);
	atomic_store(&handle_slot(s->fs, &r->handle)->events.poll, 0);
}

static void serve_polling(struct stream *s)
{
	struct reader **at = &s->polling;

	while (*at != NULL) {
		struct reader *r = *at;

		if (ring_has_news(&r->ring)) {
			*at = r->next_poll;
			notify(s, r, r->poll);
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
	const struct wire_request *current = wire_current();
	bool ready = false, waits, parked = false;

	(void)off;
	fuse_req_interrupt_func(req, interrupted, s); /* not under the lock, which it may take */
	pthread_mutex_lock(&s->lock);
	if (current->again)
		go_back(fs, r, current->unique);
	if (error == 0)
		ready = ring_take(&r->ring, size, &b);
	if (ready)
		keep_place(fs, r, current->unique);
	waits = error == 0 && !ready && !s->stop; /* stopped: an end of file */
	if (waits && flags & O_NONBLOCK) {
		error = EAGAIN;
	} else if (waits && fuse_req_interrupted(req)) {
		error = EINTR;
	} else if (waits) {
		*w = (struct waiter){ .next = s->waiting, .reader = r, .req = req, .request = current->unique, .size = size };
		s->waiting = w;
		/* An interruption that came before it was here found nothing. */
		parked = true;
		if (fuse_req_interrupted(req)) {
			s->waiting = w->next;
			parked = false;
			error = EINTR;
		}
	}
	if (parked)
		wire_parked(fs->wire);
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

	pthread_mutex_lock(&s->lock);
	ready = ring_has_news(&r->ring) || s->stop;
	if (ph != NULL) {
		forget_poll(r);
		if (ready) {
			notify(s, r, ph);
		} else {
			atomic_store(&handle_slot(fs, &r->handle)->events.poll, wire_current()->poll);
			r->poll = ph;
			r->next_poll = s->polling;
			s->polling = r;
		}
	}
	pthread_mutex_unlock(&s->lock);
	fuse_reply_poll(req, ready ? POLLIN | POLLRDNORM : 0);
}

static void free_reader(struct fs *fs, struct reader *r)
{
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

static void discard(struct fs *fs, struct handle *h)
{
	struct reader *r = (struct reader *)h;

	pthread_mutex_lock(&r->stream->lock);
	forget_poll(r); /* before the slot is another's */
	pthread_mutex_unlock(&r->stream->lock);
	handle_close(fs, h);
	free_reader(fs, r);
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

static const struct handle_ops ops = { .read = stream_read, .poll = stream_poll, .release = stream_release, .discard = discard };

/* The viewer is taken over, if it succeeds. */
static int new_reader(struct fs *fs, struct node_ref ref, const struct viewer *viewer, struct reader **out)
{
	struct stream *s = fs->stream;
	struct reader *r = calloc(1, sizeof *r);
	struct ipam_object object;
	enum ipam_kind level = fs->control[ref.which].level;
	uint64_t id = level == IPAM_ROOT ? IPAM_ROOT_ID : ref.id;
	uint64_t told = atomic_load(&fs->keep->memory->told);
	int rc = r == NULL ? -ENOMEM : ipam_get(fs->ipam, level, id, &object);

	if (rc == 0) {
		r->viewer = *viewer;
		r->handle.ops = &ops;
		r->stream = s;
		r->fs = fs;
		pthread_mutex_lock(&s->lock);
		rc = ring_enter(&s->ring, level, id, &r->ring);
		if (level != IPAM_NODE && r->viewer.uid != 0) {
			r->ring.sees = sees;
			r->ring.arg = r;
		}
		r->ring.number = s->last > told ? s->last : told;
		if (rc == 0 && s->readers++ == 0)
			ipam_listen(fs->ipam, true);
		pthread_mutex_unlock(&s->lock);
	}
	if (rc < 0)
		free(r);
	else
		*out = r;
	return rc;
}

int events_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	struct viewer viewer = { .groups = 0 };
	struct reader *r;
	int rc = viewer_of(req, &viewer);

	if (rc == 0)
		rc = new_reader(fs, ref, &viewer, &r);
	if (rc < 0) {
		viewer_free(&viewer);
		return rc;
	}
	rc = handle_open(fs, &r->handle, KEEP_EVENTS, node_ino(ref.type, ref.which, ref.id), wire_current()->unique, fi);
	if (rc < 0) {
		free_reader(fs, r);
		return rc;
	}
	handle_slot(fs, &r->handle)->uid = r->viewer.uid;
	handle_slot(fs, &r->handle)->gid = r->viewer.gid;
	atomic_store(&handle_slot(fs, &r->handle)->events.poll, 0);
	keep_place(fs, r, 0);
	keep_place(fs, r, 0);
	fi->direct_io = 1;
	fi->nonseekable = 1; /* so that a shell's read takes a line and no more: it could not give the rest back */
	fi->noflush = 1;
	return 0;
}

/* ---- taking over ------------------------------------------------------------------------------------------- */

int events_reopen(struct fs *fs, struct keep_slot *slot, int fd, struct handle **out)
{
	/* The other groups are forgotten: it sees no more for that. */
	const struct viewer viewer = { .uid = slot->uid, .gid = slot->gid };
	struct stream *s = fs->stream;
	struct reader *r = NULL;
	int rc;

	if (fd >= 0)
		close(fd);
	/* Until all are here, what happens goes by way of the database alone. */
	pthread_mutex_lock(&s->lock);
	s->resuming = true;
	pthread_mutex_unlock(&s->lock);
	rc = new_reader(fs, node_ref(slot->ino), &viewer, &r);
	if (rc < 0)
		return rc;
	r->resumed = slot;
	r->next_resumed = s->resumed;
	s->resumed = r;
	*out = &r->handle;
	return 0;
}

static int add_past(void *arg, const struct ipam_history_event *e)
{
	struct stream *s = arg;
	struct ipam_event event = { .number = e->number, .cluster = e->cluster, .node = e->node, .size = e->size + 1 };
	char *line = malloc(e->size + 1);

	if (line == NULL)
		return -ENOMEM;
	memcpy(line, e->line, e->size);
	line[e->size] = '\n';
	event.line = line;
	add(s, &event);
	free(line);
	return 0;
}

/* The event from which on readers want something: they may want to go back by one read. */
static uint64_t earliest(const struct stream *s)
{
	uint64_t first = UINT64_MAX;

	for (const struct reader *r = s->resumed; r != NULL; r = r->next_resumed)
		for (int i = 0; i < 2; i++) {
			uint32_t which = (atomic_load(&r->resumed->events.which) + (i == 0 ? 0 : 2)) % 3;

			if (r->resumed->events.place[which].number < first)
				first = r->resumed->events.place[which].number;
		}
	return first;
}

void stream_resume(struct stream *s)
{
	struct fs *fs = s->fs;
	uint64_t first = earliest(s);
	struct ipam_history_query q = { .after = first > 0 ? first - 1 : 0 };
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->resuming)
		rc = past_read(fs, &q, add_past, s);
	if (rc < 0)
		log_write(NULL, LOG_WARNING, "readers of events miss some: the past can't be read");
	s->resuming = false;
	for (struct reader *r = s->resumed; r != NULL; r = r->next_resumed) {
		const struct keep_place *place = &r->resumed->events.place[atomic_load(&r->resumed->events.which)];

		ring_resume(&r->ring, place->number, place->rest);
	}
	pthread_mutex_unlock(&s->lock);
	for (struct reader *r = s->resumed; r != NULL; r = r->next_resumed) {
		uint64_t poll = atomic_exchange(&r->resumed->events.poll, 0);

		if (poll != 0)
			wire_wake(fs->wire, poll); /* whoever polls asks again */
	}
	s->resumed = NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------- */

int stream_start(struct fs *fs, struct stream **out)
{
	struct stream *s = calloc(1, sizeof *s);
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->fs = fs;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	rc = -pthread_create(&s->thread, NULL, run, s);
	if (rc < 0)
		free(s);
	else
		*out = s;
	return rc;
}

void stream_stop(struct stream *s, bool answer_all)
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
		if (answer_all)
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
