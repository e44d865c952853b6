#include "stream.h"

#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	RING_LINES = 8192,
	RING_BYTES = 4 << 20,
	SCOPES = 256,
	LEVELS = 3, /* mount, cluster, node */
};

struct line {
	uint64_t scope[LEVELS]; /* ids: the root's, the cluster's, the node's; 0 none */
	uint64_t nth[LEVELS];   /* which one it is of each, while somebody reads that */
	size_t size;
	char text[];
};

/* What readers have in common who read the events of one thing. */
struct scope {
	struct scope *next; /* in the bucket */
	uint64_t id, count; /* events since the first reader came */
	unsigned readers;
};

struct reader {
	struct handle handle;
	struct stream *stream;
	struct scope *scope;
	enum ipam_kind level;
	uint64_t at;        /* the line to look at next */
	uint64_t seen;      /* of the scope's count */
	char *rest;         /* of a line that was longer than the read */
	size_t rest_size, rest_given;
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
	struct fs *fs;
	struct line *ring[RING_LINES];
	uint64_t oldest, next;  /* of the ring */
	size_t bytes;
	struct scope *scope[SCOPES];
	struct waiter *waiting;
	struct reader *polling;
	struct stream_numbers numbers;
};

/* ---- scopes ----------------------------------------------------------------------------------------------- */

static struct scope **bucket(struct stream *s, uint64_t id)
{
	return &s->scope[id % SCOPES];
}

static struct scope *scope_find(struct stream *s, uint64_t id)
{
	struct scope *scope = *bucket(s, id);

	while (scope != NULL && scope->id != id)
		scope = scope->next;
	return scope;
}

static struct scope *scope_enter(struct stream *s, uint64_t id)
{
	struct scope *scope = scope_find(s, id);

	if (scope == NULL && (scope = calloc(1, sizeof *scope)) != NULL) {
		scope->id = id;
		scope->next = *bucket(s, id);
		*bucket(s, id) = scope;
	}
	if (scope != NULL)
		scope->readers++;
	return scope;
}

static void scope_leave(struct stream *s, struct scope *scope)
{
	struct scope **at = bucket(s, scope->id);

	if (--scope->readers > 0)
		return;
	while (*at != scope)
		at = &(*at)->next;
	*at = scope->next;
	free(scope);
}

/* ---- the ring --------------------------------------------------------------------------------------------- */

static void drop_oldest(struct stream *s)
{
	struct line *line = s->ring[s->oldest++ % RING_LINES];

	s->bytes -= line->size;
	free(line);
}

void stream_event(struct stream *s, const struct ipam_event *event)
{
	struct line *line = malloc(sizeof *line + event->size);
	const uint64_t scope[LEVELS] = { IPAM_ROOT_ID, event->cluster, event->node };

	pthread_mutex_lock(&s->lock);
	s->numbers.events++;
	for (int i = 0; i < LEVELS; i++) {
		struct scope *of = scope[i] == 0 ? NULL : scope_find(s, scope[i]);

		if (of != NULL)
			of->count++;
		if (line != NULL) {
			line->scope[i] = scope[i];
			line->nth[i] = of != NULL ? of->count : 0;
		}
	}
	if (line != NULL) { /* else it counts as dropped */
		while (s->next - s->oldest == RING_LINES || (s->bytes + event->size > RING_BYTES && s->next > s->oldest))
			drop_oldest(s);
		line->size = event->size;
		memcpy(line->text, event->line, event->size);
		s->ring[s->next++ % RING_LINES] = line;
		s->bytes += line->size;
	}
	s->news = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* ---- a reader's next lines -------------------------------------------------------------------------------- */

static bool has_news(const struct reader *r)
{
	return r->rest != NULL || r->scope->count > r->seen;
}

static void tell_dropped(struct reader *r, uint64_t n, struct buffer *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	buffer_print(out, "{\"time\":\"");
	buffer_time(out, (int64_t)now.tv_sec * 1000000000);
	buffer_print(out, "\",\"event\":\"dropped\",\"count\":%llu}\n", (unsigned long long)n);
	r->stream->numbers.dropped += n;
}

/* Whole lines, until there are `size` bytes or more. */
static void gather(struct reader *r, size_t size, struct buffer *out)
{
	struct stream *s = r->stream;

	if (r->at < s->oldest)
		r->at = s->oldest;
	while (r->at < s->next && out->size < size) {
		const struct line *line = s->ring[r->at % RING_LINES];
		uint64_t nth = line->nth[r->level];

		/* A line from before the reader came has a lower number, or one of an earlier life of the scope. */
		if (line->scope[r->level] == r->scope->id && nth > r->seen) {
			if (nth > r->seen + 1)
				tell_dropped(r, nth - r->seen - 1, out);
			buffer_add(out, line->text, line->size);
			r->seen = nth;
		}
		r->at++;
	}
	if (r->at == s->next && r->seen < r->scope->count) { /* all that there were have gone */
		tell_dropped(r, r->scope->count - r->seen, out);
		r->seen = r->scope->count;
	}
}

/* With the lock. False: nothing there. The text is the caller's to free. */
static bool take(struct reader *r, size_t size, struct buffer *out)
{
	size_t n;

	if (!has_news(r))
		return false;
	if (r->rest == NULL) {
		gather(r, size, out);
		if (out->size <= size || out->failed)
			return true;
		/* What is over the reader's size waits for his next read. */
		r->rest = malloc(out->size - size);
		if (r->rest == NULL) {
			out->failed = true;
			return true;
		}
		r->rest_size = out->size - size;
		r->rest_given = 0;
		memcpy(r->rest, out->data + size, r->rest_size);
		out->size = size;
		return true;
	}
	n = r->rest_size - r->rest_given < size ? r->rest_size - r->rest_given : size;
	buffer_add(out, r->rest + r->rest_given, n);
	r->rest_given += n;
	if (r->rest_given == r->rest_size) {
		free(r->rest);
		r->rest = NULL;
	}
	return true;
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

		if (take(w->reader, w->size, &text[n])) {
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

		if (has_news(r)) {
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
		ready = take(r, size, &b);
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
	ready = has_news(r) || s->stop;
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
	scope_leave(s, r->scope);
	if (--s->numbers.readers == 0) {
		ipam_listen(fs->ipam, false);
		while (s->oldest < s->next)
			drop_oldest(s);
	}
	pthread_mutex_unlock(&s->lock);
	free(r->rest);
	free(r);
}

static void stream_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	discard(fs, h);
	fuse_reply_err(req, 0);
}

int events_open(struct fs *fs, struct node_ref ref, struct fuse_file_info *fi)
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

	if (rc == 0) {
		*r = (struct reader){ .handle.ops = &ops, .stream = s, .level = level };
		pthread_mutex_lock(&s->lock);
		r->scope = scope_enter(s, id);
		if (r->scope == NULL) {
			rc = -ENOMEM;
		} else {
			r->at = s->next;
			r->seen = r->scope->count;
			if (s->numbers.readers++ == 0)
				ipam_listen(fs->ipam, true);
		}
		pthread_mutex_unlock(&s->lock);
	}
	if (rc < 0) {
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
	while (s->oldest < s->next)
		drop_oldest(s);
	for (int i = 0; i < SCOPES; i++)
		while (s->scope[i] != NULL) {
			struct scope *scope = s->scope[i];

			s->scope[i] = scope->next;
			free(scope);
		}
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void stream_numbers(struct stream *s, struct stream_numbers *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->numbers;
	pthread_mutex_unlock(&s->lock);
}
