#include "fs/tree/file_write.h"

#include "fs/base/log.h"
#include "fs/resume/invalidate.h"
#include "fs/tree/access.h"
#include "fs/tree/control.h"
#include "fs/tree/file.h"
#include "fs/tree/file_resume.h"
#include "fs/tree/forget.h"
#include "fs/tree/inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* A program that gathers its lines cuts them where its buffer ends, and no sooner. */
size_t fs_cut_line(const char *text, size_t n, size_t written)
{
	enum { PROGRAM_BUFFER = 4096 };
	size_t cut = 0;

	while (written >= PROGRAM_BUFFER && cut < n && text[n - 1 - cut] != '\n')
		cut++;
	return cut;
}

void file_store_lease(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
		      void *arg)
{
	ipam_write(fs->ipam, IPAM_LEASE_ADDRESSES, ref.id, text, size, append, by, done, arg);
}

struct write {
	struct fs *fs;
	fuse_req_t req;
	uint64_t request;
	struct file *file;
	size_t size;
	bool closes; /* no write, but the close after it */
	int error;
};

static void answer_write(struct write *w)
{
	if (w->file->ref.type == NODE_LEASE)
		atomic_fetch_sub(&w->fs->writing, 1);
	atomic_flag_clear(&w->file->busy);
	if (w->error < 0)
		fuse_reply_err(w->req, -w->error);
	else if (w->closes)
		fuse_reply_err(w->req, 0);
	else
		fuse_reply_write(w->req, w->size);
	free(w);
}

/* The lease that this open made is gone again: first the kernel forgets what it knows of it, then the writer hears why. */
static void dropped(void *arg, int error, const struct ipam_object *object)
{
	struct write *w = arg;
	struct file *f = w->file;

	(void)error;
	(void)object;
	f->created = false;
	atomic_fetch_and(&handle_slot(w->fs, &f->handle)->flags, ~(uint32_t)KEEP_CREATED);
	if (f->parent != 0)
		notify_inode(w->fs->notify, f->parent);
	notify_inode(w->fs->notify, f->ino);
	answer_write(w);
}

/* What was refused made this open's lease: take it away. It rests only if a write before was taken, whose writer knows its addresses. */
static void drop(struct write *w)
{
	bool unused = !(atomic_load(&handle_slot(w->fs, &w->file->handle)->flags) & KEEP_STORED);

	ipam_release(w->fs->ipam, w->file->ref.id, 0, unused, fs_by_then(w->req), dropped, w);
}

/* What else the kernel knows that isn't so any more: it saw a write to this file alone. */
static void notify_of_text(struct fs *fs, const struct file *f)
{
	switch (f->ref.type) {
	case NODE_FILE:
		notify_inode(fs->notify, node_of_object(fs->control[f->ref.which].level, f->ref.id));
		break;
	case NODE_RESERVATION: /* a lease's times */
		notify_inode(fs->notify, node_of_object(IPAM_LEASE, f->ref.id));
		break;
	case NODE_LEASE:
		notify_inode(fs->notify, f->ino);
		break;
	default:
		break;
	}
}

static void written(void *arg, int error, const struct ipam_object *object)
{
	struct write *w = arg;
	struct file *f = w->file;

	(void)object;
	/* What is written to 'release' names a lease, which may be gone; elsewhere it is the file itself that is. */
	w->error = f->ref.type == NODE_FILE && w->fs->control[f->ref.which].names ? error : fs_of_inode(error);
	f->request = w->request;
	if (error < 0) {
		f->text_size = f->held = 0; /* what was refused is no part of what comes next */
		f->next = 0;
	}
	f->error = error < 0 ? w->error : 0;
	file_keep_text(w->fs, f);
	if (error < 0 && f->created) {
		drop(w);
		return;
	}
	if (error == 0 && f->ref.type == NODE_LEASE) {
		f->store = file_store_lease;
		atomic_fetch_or(&handle_slot(w->fs, &f->handle)->flags, KEEP_STORED);
	}
	if (error == 0)
		notify_of_text(w->fs, f);
	answer_write(w); /* f may be gone after */
}

/* Appending: all before the held line is stored. */
static void keep_held(struct file *f)
{
	if (f->held > 0)
		memmove(f->text, f->text + f->text_size - f->held, f->held);
	f->text_size = f->held;
}

/* A write that goes on where the last one ended adds to it; any other begins anew. */
static int gather(struct file *f, const char *buf, size_t size, off_t off)
{
	size_t max = f->text_max;
	char *bigger;

	if (f->append && f->ref.type != NODE_LEASE)
		keep_held(f);
	else if (off != f->next)
		f->text_size = 0;
	if (size > max - f->text_size)
		return -EFBIG;
	bigger = realloc(f->text, f->text_size + size + 1);
	if (bigger == NULL)
		return -ENOMEM;
	f->text = bigger;
	memcpy(f->text + f->text_size, buf, size);
	f->text_size += size;
	f->next = off + (off_t)size;
	f->held = f->ref.type == NODE_LEASE ? 0 : fs_cut_line(f->text, f->text_size, size);
	return 0;
}

/* All of it, with a line that waits for its rest. */
static int check_reach(struct fs *fs, struct file *f)
{
	const struct control *row = f->ref.type == NODE_FILE ? &fs->control[f->ref.which] : NULL;

	if (row == NULL || !row->reaches || f->opener.uid == 0)
		return 0;
	return ipam_check_reach(fs->ipam, row->text, f->ref.id, f->text, f->text_size, viewer_may, &(struct viewing){ fs, &f->opener });
}

void file_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off)
{
	struct file *f = (struct file *)h;
	const struct wire_request *r = wire_current();
	bool again = r->again && f->request == r->unique; /* what a worker before took in, and didn't answer */
	struct write *w;
	int rc;

	if (atomic_flag_test_and_set(&f->busy)) { /* by a close of another thread's */
		fuse_reply_err(req, EBUSY);
		return;
	}
	rc = f->store == NULL ? -EPERM : again ? 0 : gather(f, buf, size, off);
	w = rc < 0 ? NULL : malloc(sizeof *w);
	if (w == NULL) {
		atomic_flag_clear(&f->busy);
		fuse_reply_err(req, rc < 0 ? -rc : ENOMEM);
		return;
	}
	*w = (struct write){ .fs = fs, .req = req, .request = r->unique, .file = f, .size = size };
	f->files = r->files;
	if (f->ref.type == NODE_LEASE)
		atomic_fetch_add(&fs->writing, 1);
	if (again && f->error < 0) {
		w->error = f->error;
		if (f->created)
			drop(w);
		else
			answer_write(w);
		return;
	}
	if (again || fs_was_stored(fs)) {
		written(w, 0, NULL);
		return;
	}
	rc = check_reach(fs, f);
	if (rc < 0)
		written(w, rc, NULL);
	else
		f->store(fs, f->ref, f->text, f->text_size - f->held, f->append, fs_by(req), written, w);
}

/* Whoever wrote a line without its end has no more to write. Anybody else may be a child of his that closes what it was given. */
void file_flush(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct file *f = (struct file *)h;
	const struct wire_request *r = wire_current();
	struct write *w = NULL;
	bool stored, ends;
	int rc;

	if (atomic_flag_test_and_set(&f->busy)) { /* there is more to come, or another closes it */
		fuse_reply_err(req, 0);
		return;
	}
	stored = r->again && fs_was_stored(fs); /* by this close, of which a worker has died */
	ends = f->held > 0 && (stored || f->files == r->files);
	if (ends)
		w = malloc(sizeof *w);
	if (w == NULL) {
		atomic_flag_clear(&f->busy);
		fuse_reply_err(req, ends ? ENOMEM : 0);
		return;
	}
	*w = (struct write){ .fs = fs, .req = req, .request = r->unique, .file = f, .closes = true };
	if (f->append)
		keep_held(f);
	f->held = 0;
	rc = stored ? 0 : check_reach(fs, f);
	if (rc < 0 || stored)
		written(w, rc, NULL);
	else
		f->store(fs, f->ref, f->text, f->text_size, f->append, fs_by(req), written, w);
}

struct release {
	struct fs *fs;
	fuse_req_t req;
	struct file *file;
};

/* Closed before it is answered: a worker that dies in between is asked again, and knows nothing of it. */
static void stored_late(void *arg, int error, const struct ipam_object *object)
{
	struct release *r = arg;

	(void)object;
	if (error < 0)
		log_write(NULL, LOG_WARNING, "the last line written to a control file had no end and was refused");
	else
		notify_of_text(r->fs, r->file);
	file_close(r->fs, r->file);
	fuse_reply_err(r->req, 0);
	free(r);
}

void file_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct file *f = (struct file *)h;
	bool late = f->held > 0 && !fs_was_stored(fs);
	struct release *r = late ? malloc(sizeof *r) : NULL;
	int rc;

	if (r == NULL) {
		if (late)
			log_write(NULL, LOG_ERR, "the last line written to a control file had no end and is lost: there is no memory");
		file_close(fs, f);
		fuse_reply_err(req, 0);
		return;
	}
	*r = (struct release){ fs, req, f };
	if (f->append)
		keep_held(f);
	rc = check_reach(fs, f);
	if (rc < 0)
		stored_late(r, rc, NULL);
	else
		f->store(fs, f->ref, f->text, f->text_size, f->append, fs_by(req), stored_late, r);
}
