#include "fs/control/delegate.h"

#include "fs/base/buffer.h"
#include "fs/base/log.h"
#include "fs/resume/handle_keep.h"
#include "fs/resume/invalidate.h"
#include "fs/tree/file.h"
#include "fs/tree/file_write.h"
#include "text/text_line.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum { TEXT_MAX = 64 * 1024 }; /* of one write: the kernel passes on as much at once */

struct delegation {
	struct handle handle;
	struct node_ref ref;
	pthread_mutex_t lock;    /* the rest */
	uint64_t request;        /* the last write, */
	int answer;              /* and what it was answered: 0 or an error */
	struct buffer held;      /* a line without its end */
	int error;               /* a text that was cut is refused: so is the rest of it */
	uint64_t files;          /* whose table of descriptors it was written through last; 0 not known */
	int kept;                /* the file in which what is long outlives the worker; -1 none */
	struct ipam_owner owner; /* who wrote it */
	struct ipam_by by;
	struct buffer done;  /* the last text whose nodes were made */
	struct buffer shown; /* of it, since it was read from the beginning */
};

/* One write, until it is answered. */
struct round {
	struct fs *fs;
	fuse_req_t req;
	struct delegation *delegation;
	uint64_t cluster, request;
	size_t size;
	bool closes; /* no write, but the close after it */
	struct buffer text;
};

static void free_round(struct round *r)
{
	if (r != NULL)
		free(r->text.data);
	free(r);
}

/* With the lock held, before the answer: how far it is outlives the worker. Where it can't, a line that is held is lost if the
 * worker is, and nobody may take its end for a line. */
static void keep(struct fs *fs, struct delegation *d, uint64_t request, int answer)
{
	const struct keep_text t = { .request = request, .size = d->held.size, .next = d->error, .error = answer };
	struct keep_slot *s = handle_slot(fs, &d->handle);

	d->request = request;
	d->answer = answer;
	s->uid = d->owner.uid;
	s->gid = d->owner.gid;
	if (handle_keep_text(fs, &d->handle, &d->kept, &t, d->held.data) < 0)
		atomic_fetch_or(&s->flags, KEEP_CUT);
	else
		atomic_fetch_and(&s->flags, ~(uint32_t)KEEP_CUT);
}

static void answer(void *arg)
{
	struct round *r = arg;
	struct delegation *d = r->delegation;

	pthread_mutex_lock(&d->lock);
	keep(r->fs, d, r->request, 0);
	pthread_mutex_unlock(&d->lock);
	if (r->closes)
		fuse_reply_err(r->req, 0);
	else
		fuse_reply_write(r->req, r->size);
	free_round(r);
}

static void refuse(struct round *r, int error)
{
	struct delegation *d = r->delegation;

	pthread_mutex_lock(&d->lock);
	if (d->held.size > 0)
		d->error = error;
	keep(r->fs, d, r->request, error);
	pthread_mutex_unlock(&d->lock);
	fuse_reply_err(r->req, -error);
	free_round(r);
}

/* The kernel didn't see its directory change. */
static void made(void *arg, int error, const struct ipam_object *object)
{
	struct round *r = arg;
	struct delegation *d = r->delegation;
	struct buffer before;

	(void)object;
	if (error < 0) {
		refuse(r, fs_of_inode(error));
		return;
	}
	pthread_mutex_lock(&d->lock);
	before = d->done;
	d->done = r->text;
	r->text = before;
	pthread_mutex_unlock(&d->lock);
	notify_inode(r->fs->notify, node_ino(NODE_CLUSTER, 0, r->cluster));
	answer(r);
}

/* What is to be done now of what is held and this; the rest of it is held from now on. */
static int gather(struct delegation *d, const char *buf, size_t size, struct buffer *text)
{
	size_t tail;

	if (d->error == 0 && (size > TEXT_MAX || d->held.size > TEXT_MAX - size))
		d->error = -EFBIG;
	if (d->error < 0)
		return d->error;
	tail = fs_cut_line(buf, size, size);
	if (tail < size) {
		if (d->held.size > 0)
			buffer_add(text, d->held.data, d->held.size);
		buffer_add(text, buf, size - tail);
		d->held.size = 0;
	}
	buffer_add(&d->held, buf + size - tail, tail);
	return text->failed || d->held.failed ? -ENOMEM : 0;
}

static void delegate_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off)
{
	struct delegation *d = (struct delegation *)h;
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	const struct wire_request *current = wire_current();
	struct ipam_owner owner = { ctx->uid, ctx->gid, 0755 };
	struct round *r = malloc(sizeof *r);
	bool again;
	int rc;

	(void)off; /* what is written is done, not kept */
	if (r == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*r = (struct round){ .fs = fs, .req = req, .delegation = d, .cluster = d->ref.id, .request = current->unique, .size = size };
	pthread_mutex_lock(&d->lock);
	again = current->again && d->request == current->unique; /* what a worker before took in, and didn't answer */
	d->owner = owner;
	d->by = fs_by_then(req);
	d->files = current->files;
	rc = again ? d->answer : gather(d, buf, size, &r->text);
	pthread_mutex_unlock(&d->lock);
	if (rc < 0)
		refuse(r, rc);
	else if (r->text.size == 0)
		answer(r);
	else if (fs_was_stored(fs))
		made(r, 0, NULL);
	else
		ipam_delegate(fs->ipam, d->ref.id, r->text.data, r->text.size, &owner, fs_by(req), made, r);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static int print_block(void *arg, const struct ipam_block_view *v)
{
	char text[CIDR_TEXT];

	cidr_print(&v->cidr, text);
	buffer_print(arg, " %s", text);
	return 0;
}

/* A node that has gone since is left out. */
static int show_node(struct fs *fs, uint64_t cluster, struct text_word name, struct buffer *out)
{
	char text[IPAM_NAME_MAX + 1];
	struct ipam_object node;
	size_t before = out->size;
	int rc;

	if (name.n > IPAM_NAME_MAX)
		return 0;
	memcpy(text, name.s, name.n);
	text[name.n] = 0;
	rc = ipam_lookup(fs->ipam, IPAM_NODE, cluster, text, &node);
	if (rc == 0) {
		buffer_print(out, "%s", text);
		ipam_read_begin(fs->ipam);
		rc = ipam_each_block(fs->ipam, IPAM_NODE, node.id, print_block, out);
		ipam_read_end(fs->ipam);
		buffer_print(out, "\n");
	}
	if (rc == -ENOENT)
		out->size = before;
	return rc == -ENOENT ? 0 : rc;
}

static int show(struct fs *fs, struct delegation *d)
{
	struct text_reader r = { .s = d->done.data, .end = d->done.data + d->done.size };
	int rc = 0;

	d->shown.size = 0;
	d->shown.failed = false;
	while (rc == 0 && d->done.size > 0 && text_next_line(&r))
		rc = show_node(fs, d->ref.id, r.word[0], &d->shown);
	return rc == 0 && d->shown.failed ? -ENOMEM : rc;
}

static void delegate_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct delegation *d = (struct delegation *)h;
	char *copy = NULL;
	size_t have;
	int rc = 0;

	(void)flags;
	pthread_mutex_lock(&d->lock);
	if (off == 0)
		rc = show(fs, d);
	have = d->shown.size;
	if (rc == 0 && have > 0) {
		copy = malloc(have);
		rc = copy == NULL ? -ENOMEM : 0;
	}
	if (copy != NULL)
		memcpy(copy, d->shown.data, have);
	pthread_mutex_unlock(&d->lock);
	/* From here on it may be released. */
	if (rc < 0)
		fuse_reply_err(req, -fs_of_inode(rc));
	else
		fs_reply_part(req, copy, have, size, off);
	free(copy);
}

static void free_delegation(struct delegation *d)
{
	pthread_mutex_destroy(&d->lock);
	if (d->kept >= 0)
		close(d->kept);
	free(d->held.data);
	free(d->done.data);
	free(d->shown.data);
	free(d);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct delegation *d = (struct delegation *)h;

	handle_close(fs, h);
	free_delegation(d);
}

/* Whoever wrote a line without its end has no more to write. Anybody else may be a child of his that closes what it was given. */
static void delegate_flush(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct delegation *d = (struct delegation *)h;
	const struct wire_request *current = wire_current();
	struct round *r = NULL;
	bool ends, stored = current->again && fs_was_stored(fs); /* by this close, of which a worker has died */

	pthread_mutex_lock(&d->lock);
	ends = d->held.size > 0 && d->error == 0 && (stored || d->files == current->files);
	if (ends)
		r = malloc(sizeof *r);
	if (r != NULL) {
		*r = (struct round){ .fs = fs,
				     .req = req,
				     .delegation = d,
				     .cluster = d->ref.id,
				     .request = current->unique,
				     .closes = true,
				     .text = d->held };
		d->held = (struct buffer){ 0 };
	}
	pthread_mutex_unlock(&d->lock);
	if (r == NULL)
		fuse_reply_err(req, ends ? ENOMEM : 0);
	else if (stored)
		made(r, 0, NULL);
	else
		ipam_delegate(fs->ipam, d->ref.id, r->text.data, r->text.size, &d->owner, fs_by(req), made, r);
}

struct late {
	struct fs *fs;
	fuse_req_t req;
	struct delegation *delegation;
};

/* Closed before it is answered: a worker that dies in between is asked again, and knows nothing of it. */
static void made_late(void *arg, int error, const struct ipam_object *object)
{
	struct late *l = arg;
	struct delegation *d = l->delegation;

	(void)object;
	if (error < 0)
		log_write(NULL, LOG_WARNING, "the last line written to 'delegate' had no end and was refused");
	else
		notify_inode(l->fs->notify, node_ino(NODE_CLUSTER, 0, d->ref.id));
	discard(l->fs, &d->handle);
	fuse_reply_err(l->req, 0);
	free(l);
}

static void delegate_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct delegation *d = (struct delegation *)h;
	bool late = d->held.size > 0 && d->error == 0 && !fs_was_stored(fs);
	struct late *l = late ? malloc(sizeof *l) : NULL;
	struct ipam_by by = d->by; /* whoever wrote it, but this request */

	if (l == NULL) {
		if (late)
			log_write(NULL, LOG_ERR, "the last line written to 'delegate' had no end and is lost: there is no memory");
		discard(fs, h);
		fuse_reply_err(req, 0);
		return;
	}
	*l = (struct late){ fs, req, d };
	by.request = wire_current()->unique;
	by.again = wire_current()->again;
	ipam_delegate(fs->ipam, d->ref.id, d->held.data, d->held.size, &d->owner, by, made_late, l);
}

static struct delegation *new_delegation(struct node_ref ref)
{
	static const struct handle_ops ops = {
		.read = delegate_read, .write = delegate_write, .flush = delegate_flush, .release = delegate_release, .discard = discard
	};
	struct delegation *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->handle.ops = &ops;
	d->ref = ref;
	d->kept = -1;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

int delegate_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	struct delegation *d = new_delegation(ref);
	int rc = d == NULL ? -ENOMEM :
			     handle_open(fs, &d->handle, KEEP_DELEGATE, node_ino(ref.type, ref.which, ref.id), wire_current()->unique, fi);

	(void)req;
	if (rc < 0) {
		if (d != NULL)
			free_delegation(d);
		return rc;
	}
	fi->direct_io = 1;
	fi->noflush = (fi->flags & O_ACCMODE) == O_RDONLY;
	return 0;
}

int delegate_reopen(struct fs *fs, struct keep_slot *s, int fd, struct handle **out)
{
	struct delegation *d = new_delegation(node_ref(s->ino));
	struct keep_text t;
	int rc;

	(void)fs;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	d->kept = fd;
	rc = handle_text_again(s, fd, &t, &d->held.data);
	if (rc < 0) {
		free_delegation(d);
		return rc;
	}
	d->held.size = d->held.room = t.size;
	d->request = t.request;
	d->answer = t.error;
	d->error = atomic_load(&s->flags) & KEEP_CUT ? -EIO : (int)t.next;
	d->owner = (struct ipam_owner){ s->uid, s->gid, 0755 };
	d->by = (struct ipam_by){ .uid = s->uid };
	*out = &d->handle;
	return 0;
}
