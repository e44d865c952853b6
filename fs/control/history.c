#include "fs/control/history.h"

#include "fs/base/buffer.h"
#include "fs/tree/access.h"
#include "fs/tree/control.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORTION = 128 << 10 };

/* One connection for all readers. */
struct past {
	pthread_mutex_t lock;         /* the connection */
	struct ipam_history *history; /* NULL: nobody has asked yet */
};

struct reader {
	struct handle handle;
	pthread_mutex_t lock; /* the rest; before the connection's */
	struct ipam_history_query query;
	struct fs *fs;
	struct viewer viewer; /* who opened it */
	struct buffer portion;
	off_t start; /* of the portion, in the whole */
};

int past_new(struct past **out)
{
	struct past *p = calloc(1, sizeof *p);

	if (p == NULL)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return 0;
}

void past_free(struct past *p)
{
	if (p == NULL)
		return;
	ipam_history_close(p->history);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static int add_line(void *arg, const struct ipam_history_event *event)
{
	struct reader *r = arg;

	r->query.after = event->number;
	if (r->query.node == 0 && event->node != 0 && !viewer_sees_node(r->fs, &r->viewer, event->node))
		return 0;
	buffer_add(&r->portion, event->line, event->size);
	buffer_add(&r->portion, "\n", 1);
	if (r->portion.failed)
		return -ENOMEM;
	return r->portion.size >= PORTION;
}

/* Where the portion begins that is about to be read. */
static void keep_start(struct fs *fs, struct reader *r)
{
	struct keep_slot *s = handle_slot(fs, &r->handle);
	uint32_t which = atomic_load(&s->history.which) ^ 1;

	s->history.portion[which].start = r->start;
	s->history.portion[which].after = r->query.after;
	atomic_store(&s->history.which, which);
}

static int fill_portion(struct fs *fs, struct reader *r)
{
	int rc;

	pthread_mutex_lock(&fs->past->lock);
	rc = ipam_history_read(fs->past->history, &r->query, add_line, r);
	pthread_mutex_unlock(&fs->past->lock);
	return rc < 0 ? rc : 0;
}

static int next_portion(struct fs *fs, struct reader *r)
{
	r->start += (off_t)r->portion.size;
	r->portion.size = 0;
	keep_start(fs, r);
	return fill_portion(fs, r);
}

/* It is read from its beginning to its end. Back within the portion is fine, since head(1) goes back to the end of what it
 * shows, and so is back to the beginning. */
static int seek_to(struct reader *r, off_t off)
{
	if (off >= r->start && off <= r->start + (off_t)r->portion.size)
		return 0;
	if (off != 0)
		return -ESPIPE;
	r->portion.size = 0;
	r->start = 0;
	r->query.after = 0;
	return 0;
}

static void history_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct reader *r = (struct reader *)h;
	struct buffer part = { 0 }; /* a copy: once the answer is out, the release may come, and the reader is gone */
	size_t at, n;
	int rc;

	(void)flags;
	pthread_mutex_lock(&r->lock);
	rc = seek_to(r, off);
	if (rc == 0 && off == r->start + (off_t)r->portion.size && r->query.after < r->query.last)
		rc = next_portion(fs, r);
	at = (size_t)(off - r->start);
	n = rc < 0 ? 0 : r->portion.size - at;
	if (n > size)
		n = size;
	if (n > 0)
		buffer_add(&part, r->portion.data + at, n);
	pthread_mutex_unlock(&r->lock);
	if (part.failed)
		rc = -ENOMEM;
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_buf(req, part.data, part.size);
	free(part.data);
}

static void free_reader(struct reader *r)
{
	pthread_mutex_destroy(&r->lock);
	viewer_free(&r->viewer);
	free(r->portion.data);
	free(r);
}

static void discard(struct fs *fs, struct handle *h)
{
	handle_close(fs, h);
	free_reader((struct reader *)h);
}

static void history_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	discard(fs, h);
	fuse_reply_err(req, 0);
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static int newest(struct fs *fs, uint64_t *number)
{
	/* Under an engine what happened here stands in the machine's own part. */
	const char *path = fs->options.state != NULL ? fs->options.state : fs->options.source;
	struct past *p = fs->past;
	struct ipam_error error;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (p->history == NULL)
		rc = ipam_history_open(path, &p->history, &error);
	/* Whatever else is wrong with the database isn't of who reads. */
	if (rc < 0 && rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM)
		rc = -EIO;
	if (rc == 0)
		rc = ipam_history_last(p->history, number);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static struct reader *new_reader(struct fs *fs, struct node_ref ref)
{
	static const struct handle_ops ops = { .read = history_read, .release = history_release, .discard = discard };
	enum ipam_kind level = fs->control[ref.which].level;
	struct reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->handle.ops = &ops;
	r->fs = fs;
	r->query.cluster = level == IPAM_CLUSTER ? ref.id : 0;
	r->query.node = level == IPAM_NODE ? ref.id : 0;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

int past_read(struct fs *fs, const struct ipam_history_query *q, int (*fn)(void *arg, const struct ipam_history_event *event), void *arg)
{
	uint64_t number;
	int rc = newest(fs, &number); /* for the connection */

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&fs->past->lock);
	rc = ipam_history_read(fs->past->history, q, fn, arg);
	pthread_mutex_unlock(&fs->past->lock);
	return rc;
}

int history_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	struct reader *r = new_reader(fs, ref);
	enum ipam_kind level = fs->control[ref.which].level;
	struct ipam_object object;
	struct keep_slot *s;
	int rc = r == NULL ? -ENOMEM : 0;

	if (rc == 0 && level != IPAM_ROOT)
		rc = ipam_get(fs->ipam, level, ref.id, &object);
	if (rc == 0)
		rc = newest(fs, &r->query.last);
	if (rc == 0)
		rc = viewer_of(req, &r->viewer);
	if (rc == 0)
		rc = handle_open(fs, &r->handle, KEEP_HISTORY, node_ino(ref.type, ref.which, ref.id), wire_current()->unique, fi);
	if (rc < 0) {
		if (r != NULL)
			free_reader(r);
		return rc;
	}
	s = handle_slot(fs, &r->handle);
	s->uid = r->viewer.uid;
	s->gid = r->viewer.gid;
	s->history.last = r->query.last;
	keep_start(fs, r);
	fi->direct_io = 1;
	fi->noflush = 1;
	return 0;
}

int history_reopen(struct fs *fs, struct keep_slot *s, int fd, struct handle **out)
{
	struct reader *r = new_reader(fs, node_ref(s->ino));
	uint32_t which = atomic_load(&s->history.which);
	uint64_t newest_now;
	int rc = r == NULL ? -ENOMEM : newest(fs, &newest_now); /* for the connection */

	if (fd >= 0)
		close(fd);
	if (rc == 0) {
		r->viewer = (struct viewer){ .uid = s->uid, .gid = s->gid }; /* the other groups are forgotten: it sees no more */
		r->query.last = s->history.last;
		r->query.after = s->history.portion[which].after;
		r->start = s->history.portion[which].start;
		rc = fill_portion(fs, r);
	}
	if (rc < 0 && r != NULL)
		free_reader(r);
	else if (rc == 0)
		*out = &r->handle;
	return rc;
}
