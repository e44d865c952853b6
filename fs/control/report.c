#include "fs/control/report.h"

#include "fs/control/generated.h"
#include "fs/tree/control.h"
#include "fs/tree/rendition.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NICE = 10 }; /* who allocates goes first */

struct reader {
	struct handle handle;
	struct rendered *made;
};

/* An open that waits. */
struct waiter {
	struct waiter *next;
	struct generated_wish asks;
	struct report_wish wish;
};

struct reports {
	struct fs *fs;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t wake;
	bool end, refuse;
	struct waiter *queue, **tail; /* in the order they came */
	struct waiter *served;        /* for whom one is made now */
	atomic_bool stop;             /* nobody wants that one any more */
};

/* ---- an open one ------------------------------------------------------------------------------------------ */

static void report_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct rendered *p = ((struct reader *)h)->made;
	char *part = malloc(size);
	ssize_t n;

	(void)fs;
	(void)flags;
	/* The release may come while the reply still returns. */
	rendered_enter(p);
	n = part == NULL ? -ENOMEM : spool_read(&p->spool, part, size, off);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, part, (size_t)n);
	free(part);
	rendered_leave(p);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct reader *r = (struct reader *)h;

	renditions_close(fs->renditions, handle_slot(fs, h)->ino);
	handle_close(fs, h);
	rendered_leave(r->made);
	free(r);
}

static void report_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	discard(fs, h);
	fuse_reply_err(req, 0);
}

static const struct handle_ops ops = { .read = report_read, .release = report_release, .discard = discard };

/* p is taken over, if there is memory. */
static struct reader *new_reader(struct rendered *p)
{
	struct reader *r = malloc(sizeof *r);

	if (r != NULL)
		*r = (struct reader){ .handle.ops = &ops, .made = p };
	return r;
}

/* Its file is held by the supervisor too, for the next worker. */
int report_open_made(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, uint32_t uid, struct rendered *p)
{
	struct reader *r = new_reader(p);
	int rc = r == NULL ? -ENOMEM : handle_open(fs, &r->handle, KEEP_REPORT, ino, request, fi);

	if (rc < 0) {
		renditions_close(fs->renditions, ino);
		rendered_leave(p);
		free(r);
		return rc;
	}
	handle_slot(fs, &r->handle)->changed = p->changed;
	rc = handle_hold(fs, &r->handle, p->spool.fd, uid);
	if (rc < 0)
		discard(fs, &r->handle);
	fi->noflush = 1;
	return rc;
}

/* Each worker after the first has a report for itself of what was shared. */
int report_reopen(struct fs *fs, struct keep_slot *s, int fd, struct handle **out)
{
	struct rendered *p = fd < 0 ? NULL : rendered_new(fs->options.spool);
	struct reader *r = NULL;
	struct stat st;
	int rc = -EIO;

	if (p != NULL && fstat(fd, &st) == 0) {
		p->spool.fd = fd;
		p->spool.size = st.st_size;
		p->changed = s->changed;
		r = new_reader(p);
		rc = r == NULL ? -ENOMEM : renditions_opened(fs->renditions, s->ino, st.st_size, s->changed);
	} else if (fd >= 0) {
		close(fd);
	}
	if (rc < 0) {
		rendered_leave(p);
		free(r);
		return rc;
	}
	*out = &r->handle;
	return 0;
}

static int report_new(struct fs *fs, const struct report_wish *wish, atomic_bool *stop, struct rendered **out)
{
	struct rendered *p = rendered_new(fs->options.spool);
	int rc = p == NULL ? -ENOMEM : control_changed(fs, wish->row, wish->id, &p->changed);

	if (rc == 0)
		rc = generated_for(p, &wish->viewer);
	if (rc == 0)
		rc = fs->control[wish->row].report(fs, wish, stop, &p->spool);
	if (rc == 0)
		rc = spool_end(&p->spool);
	if (rc < 0)
		rendered_leave(p);
	else
		*out = p;
	return rc;
}

/* ---- long ones: the thread -------------------------------------------------------------------------------- */

static void free_waiter(struct waiter *w)
{
	viewer_free(&w->wish.viewer);
	free(w);
}

/* The first that waits, and all that want the same. */
static void take_turn(struct reports *r)
{
	const struct report_wish *first = &r->queue->wish;
	struct waiter **at = &r->queue, **tail = &r->served;

	while (*at != NULL) {
		struct waiter *w = *at;

		if (w->wish.row == first->row && w->wish.id == first->id && viewer_same(&w->wish.viewer, &first->viewer)) {
			*at = w->next;
			*tail = w;
			tail = &w->next;
			w->next = NULL;
		} else {
			at = &w->next;
		}
	}
	r->tail = at;
	atomic_store(&r->stop, false);
}

/* Also of an open that comes again: what the worker before held for it goes. */
static void refuse(struct fs *fs, const struct generated_wish *asks, int rc)
{
	handle_refused(fs, asks->request);
	fuse_reply_err(asks->req, -fs_of_inode(rc));
}

static void answer_all(struct reports *r, struct waiter *list, struct rendered *p, int rc)
{
	while (list != NULL) {
		struct waiter *w = list;

		list = w->next;
		if (rc < 0)
			refuse(r->fs, &w->asks, rc);
		else
			generated_ready(r->fs, &w->asks, w->wish.viewer.uid, p);
		free_waiter(w);
	}
}

/* Its own copy of the wish: who made it may leave meanwhile. */
static int make_one(struct reports *r, struct report_wish *wish, struct rendered **out)
{
	struct viewer *v = &wish->viewer;
	gid_t *group = v->groups == 0 ? NULL : malloc(v->groups * sizeof *group);
	int rc = v->groups > 0 && group == NULL ? -ENOMEM : 0;

	if (group != NULL)
		memcpy(group, v->group, v->groups * sizeof *group);
	v->group = group;
	pthread_mutex_unlock(&r->lock);
	if (rc == 0)
		rc = report_new(r->fs, wish, &r->stop, out);
	pthread_mutex_lock(&r->lock);
	free(group);
	return rc;
}

static void *run(void *arg)
{
	struct reports *r = arg;

	setpriority(PRIO_PROCESS, 0, NICE); /* this thread's */
	pthread_mutex_lock(&r->lock);
	while (!r->end) {
		struct rendered *p = NULL;
		struct report_wish wish;
		struct waiter *list;
		int rc;

		if (r->queue == NULL) {
			pthread_cond_wait(&r->wake, &r->lock);
			continue;
		}
		take_turn(r);
		wish = r->served->wish;
		rc = make_one(r, &wish, &p);
		list = r->served;
		r->served = NULL;
		pthread_mutex_unlock(&r->lock);
		/* Left unanswered at a handover, also where it is ready: whoever is told ESTALE now would come to the next worker, which
		 * doesn't expect him. */
		if (!r->end || r->refuse)
			answer_all(r, list, p, rc);
		rendered_leave(p);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static struct waiter *take_out(struct waiter **at, fuse_req_t req)
{
	struct waiter *w;

	while (*at != NULL && (*at)->asks.req != req)
		at = &(*at)->next;
	w = *at;
	if (w != NULL)
		*at = w->next;
	return w;
}

/* Who waits was killed, or got a signal. Called by libfuse at any time, also when the open was answered: it holds the
 * request then, so that its address is no other's. */
static void interrupted(fuse_req_t req, void *data)
{
	struct reports *r = data;
	struct waiter *w;

	pthread_mutex_lock(&r->lock);
	w = take_out(&r->queue, req);
	if (w == NULL)
		w = take_out(&r->served, req);
	for (r->tail = &r->queue; *r->tail != NULL; r->tail = &(*r->tail)->next)
		;
	if (r->served == NULL)
		atomic_store(&r->stop, true);
	pthread_mutex_unlock(&r->lock);
	if (w != NULL) {
		refuse(r->fs, &w->asks, -EINTR);
		free_waiter(w);
	}
}

static void wait_in_line(struct reports *r, struct waiter *w)
{
	fuse_req_t req = w->asks.req;
	bool refused;

	fuse_req_interrupt_func(req, interrupted, r); /* not under the lock, which it may take */
	pthread_mutex_lock(&r->lock);
	refused = r->end;
	if (!refused) {
		*r->tail = w;
		r->tail = &w->next;
		pthread_cond_signal(&r->wake);
		/* An interruption that came before it was here found nothing. */
		if (fuse_req_interrupted(req)) {
			take_out(&r->queue, req);
			for (r->tail = &r->queue; *r->tail != NULL; r->tail = &(*r->tail)->next)
				;
			refused = true;
		}
	}
	pthread_mutex_unlock(&r->lock);
	if (refused) {
		refuse(r->fs, &w->asks, -EINTR);
		free_waiter(w);
	}
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

void report_ask(struct fs *fs, const struct generated_wish *asks)
{
	struct node_ref ref = node_ref(asks->ino);
	struct waiter *w = calloc(1, sizeof *w);
	int rc = w == NULL ? -ENOMEM : viewer_of(asks->req, &w->wish.viewer);

	if (rc < 0) {
		free(w);
		refuse(fs, asks, rc);
		return;
	}
	w->asks = *asks;
	w->wish.row = ref.which;
	w->wish.kind = fs->control[ref.which].level;
	w->wish.id = ref.id;
	wait_in_line(fs->reports, w);
}

/* ---- life ------------------------------------------------------------------------------------------------- */

int reports_start(struct fs *fs, struct reports **out)
{
	struct reports *r = calloc(1, sizeof *r);
	int rc;

	if (r == NULL)
		return -ENOMEM;
	r->fs = fs;
	r->tail = &r->queue;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	rc = -pthread_create(&r->thread, NULL, run, r);
	if (rc < 0)
		free(r);
	else
		*out = r;
	return rc;
}

void reports_stop(struct reports *r, bool refuse)
{
	struct waiter *list;

	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->end = true;
	r->refuse = refuse;
	atomic_store(&r->stop, true);
	pthread_cond_signal(&r->wake);
	list = r->queue;
	r->queue = NULL;
	r->tail = &r->queue;
	pthread_mutex_unlock(&r->lock);
	if (refuse)
		answer_all(r, list, NULL, -EINTR);
	pthread_join(r->thread, NULL);
}

void reports_free(struct reports *r)
{
	if (r == NULL)
		return;
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
