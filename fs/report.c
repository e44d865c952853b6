#include "report.h"

#include "control.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SHORT = 1024, /* leases: fewer are told at once */
	NICE = 10,    /* who allocates goes first */
};

/* What was made, and is the same for all who have it open. */
struct report {
	atomic_uint users;
	struct spool spool;
};

struct reader {
	struct handle handle;
	struct report *report;
};

/* An open that waits. */
struct waiter {
	struct waiter *next;
	fuse_req_t req;
	uint64_t request; /* its number, by which it is known when it comes again */
	struct fuse_file_info fi;
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

static void report_leave(struct report *p)
{
	if (p == NULL || atomic_fetch_sub(&p->users, 1) > 1)
		return;
	spool_free(&p->spool);
	free(p);
}

static void report_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct report *p = ((struct reader *)h)->report;
	char *part = malloc(size);
	ssize_t n;

	(void)fs;
	(void)flags;
	/* The release may come while the reply still returns. */
	atomic_fetch_add(&p->users, 1);
	n = part == NULL ? -ENOMEM : spool_read(&p->spool, part, size, off);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, part, (size_t)n);
	free(part);
	report_leave(p);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct reader *r = (struct reader *)h;

	handle_close(fs, h);
	report_leave(r->report);
	free(r);
}

static void report_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	discard(fs, h);
	fuse_reply_err(req, 0);
}

static const struct handle_ops ops = { .read = report_read, .release = report_release, .discard = discard };

static struct reader *new_reader(struct report *p)
{
	struct reader *r = malloc(sizeof *r);

	if (r != NULL) {
		*r = (struct reader){ .handle.ops = &ops, .report = p };
		atomic_fetch_add(&p->users, 1);
	}
	return r;
}

/* request: the one that opens it. Its file is held by the supervisor too, for the next worker. */
static void reply(struct fs *fs, fuse_req_t req, const struct report_wish *wish, uint64_t request, struct fuse_file_info *fi,
		  struct report *p)
{
	struct reader *r = new_reader(p);
	int rc = r == NULL ? -ENOMEM : handle_open(fs, &r->handle, KEEP_REPORT, node_ino(NODE_FILE, wish->row, wish->id), request, fi);

	if (rc < 0) {
		if (r != NULL)
			report_leave(p);
		free(r);
	} else {
		rc = handle_hold(fs, &r->handle, p->spool.fd, wish->viewer.uid);
		if (rc < 0)
			discard(fs, &r->handle);
	}
	if (rc < 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	fi->direct_io = 1;
	fi->noflush = 1;
	handle_reply_open(fs, req, fi);
}

/* Each worker after the first has a report for itself of what was shared. */
int report_reopen(struct fs *fs, struct keep_slot *s, int fd, struct handle **out)
{
	struct report *p = fd < 0 ? NULL : malloc(sizeof *p);
	struct reader *r = NULL;
	struct stat st;

	(void)s;
	if (p != NULL && fstat(fd, &st) == 0) {
		atomic_init(&p->users, 1);
		spool_init(&p->spool, fs->options.spool);
		p->spool.fd = fd;
		p->spool.size = st.st_size;
		r = new_reader(p);
		report_leave(p); /* the reader's then, or closed */
	} else {
		if (fd >= 0)
			close(fd);
		free(p);
	}
	if (r == NULL)
		return -EIO;
	*out = &r->handle;
	return 0;
}

static int report_new(struct fs *fs, const struct report_wish *wish, atomic_bool *stop, struct report **out)
{
	struct report *p = malloc(sizeof *p);
	int rc;

	if (p == NULL)
		return -ENOMEM;
	atomic_init(&p->users, 1);
	spool_init(&p->spool, fs->options.spool);
	rc = control_table[wish->row].report(fs, wish, stop, &p->spool);
	if (rc == 0)
		rc = spool_end(&p->spool);
	if (rc < 0)
		report_leave(p);
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

static void answer_all(struct reports *r, struct waiter *list, struct report *p, int rc)
{
	while (list != NULL) {
		struct waiter *w = list;

		list = w->next;
		if (rc < 0)
			fuse_reply_err(w->req, -fs_of_inode(rc));
		else
			reply(r->fs, w->req, &w->wish, w->request, &w->fi, p);
		free_waiter(w);
	}
}

/* Its own copy of the wish: who made it may leave meanwhile. */
static int make_one(struct reports *r, struct report_wish *wish, struct report **out)
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
		struct report *p = NULL;
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
		if (rc == 0 || !r->end || r->refuse)
			answer_all(r, list, p, rc);
		report_leave(p);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static struct waiter *take_out(struct waiter **at, fuse_req_t req)
{
	struct waiter *w;

	while (*at != NULL && (*at)->req != req)
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
		fuse_reply_err(req, EINTR);
		free_waiter(w);
	}
}

static void wait_in_line(struct reports *r, struct waiter *w)
{
	fuse_req_t req = w->req;
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
		fuse_reply_err(req, EINTR);
		free_waiter(w);
	}
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static int count_leases(struct fs *fs, const struct report_wish *wish, uint64_t *leases)
{
	struct ipam_cluster_view cluster;
	struct ipam_node_view node;
	int rc;

	ipam_read_begin(fs->ipam);
	if (wish->kind == IPAM_CLUSTER) {
		rc = ipam_view_cluster(fs->ipam, wish->id, &cluster);
		*leases = rc == 0 ? cluster.leases + cluster.nodes : 0;
	} else {
		rc = ipam_view_node(fs->ipam, wish->id, &node);
		*leases = rc == 0 ? node.leases : 0;
	}
	ipam_read_end(fs->ipam);
	return rc;
}

void report_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	struct report_wish wish = { .row = ref.which, .kind = control_table[ref.which].level, .id = ref.id };
	struct waiter *w = NULL;
	struct report *p = NULL;
	atomic_bool stop = false;
	uint64_t leases = 0;
	int rc = (fi->flags & O_ACCMODE) != O_RDONLY ? -EACCES : viewer_of(req, &wish.viewer);

	if (rc == 0)
		rc = count_leases(fs, &wish, &leases);
	if (rc == 0 && leases > SHORT) {
		w = malloc(sizeof *w);
		if (w != NULL) {
			*w = (struct waiter){ .req = req, .request = wire_current()->unique, .fi = *fi, .wish = wish };
			wait_in_line(fs->reports, w);
			return;
		}
		rc = -ENOMEM;
	}
	if (rc == 0)
		rc = report_new(fs, &wish, &stop, &p);
	viewer_free(&wish.viewer);
	if (rc < 0)
		fuse_reply_err(req, -fs_of_inode(rc));
	else
		reply(fs, req, &wish, wire_current()->unique, fi, p);
	report_leave(p);
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
