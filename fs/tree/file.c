#include "fs/tree/file.h"

#include "fs/resume/invalidate.h"
#include "fs/tree/control.h"
#include "fs/tree/file_resume.h"
#include "fs/tree/file_write.h"
#include "fs/tree/forget.h"
#include "fs/tree/holders.h"
#include "fs/tree/removed.h"
#include "fs/tree/rendition.h"
#include "fs/tree/subtree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LEASE_TEXT_MAX = 4096,          /* of one write to a lease */
	CONTROL_TEXT_MAX = 1024 * 1024, /* to a control file */
};

/* Not before nobody uses it. NULL is fine. */
static void file_free(struct file *f)
{
	if (f == NULL || atomic_fetch_sub(&f->users, 1) > 1)
		return;
	if (f->kept >= 0)
		close(f->kept);
	viewer_free(&f->opener);
	if (f->made != NULL)
		rendered_leave(f->made);
	else
		free(f->content);
	free(f->text);
	free(f);
}

static const struct handle_ops file_ops;

static struct file *new_file(fuse_ino_t ino)
{
	struct file *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	f->handle.ops = &file_ops;
	atomic_init(&f->users, 1);
	f->ref = node_ref(ino);
	f->ino = ino;
	f->kept = -1;
	f->text_max = f->ref.type == NODE_LEASE ? LEASE_TEXT_MAX : CONTROL_TEXT_MAX;
	return f;
}

/* ---- open ------------------------------------------------------------------------------------------------- */

static bool wants_write(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY;
}

/* An ephemeral lease lasts while this file is open. */
static int hold(struct fs *fs, struct file *f, uint64_t lease)
{
	bool held;
	int rc = holders_take(fs, lease, f->created, &held);

	if (held) {
		f->held_lease = lease;
		atomic_store(&handle_slot(fs, &f->handle)->holds, lease);
	}
	return rc;
}

void file_close(struct fs *fs, struct file *f)
{
	uint64_t lease = f->held_lease;

	if (atomic_load(&handle_slot(fs, &f->handle)->flags) & KEEP_RENDERED)
		renditions_close(fs->renditions, f->ino);
	handle_close(fs, &f->handle);
	if (lease != 0)
		holders_leave(fs, lease);
	file_free(f);
}

static int open_slot(struct fs *fs, struct file *f, uint64_t request, struct fuse_file_info *fi)
{
	int rc = handle_open(fs, &f->handle, KEEP_FILE, f->ino, request, fi);

	if (rc < 0)
		return rc;
	rc = file_keep_content(fs, f);
	if (rc < 0)
		handle_close(fs, &f->handle);
	return rc;
}

/* By the open that made the lease: nobody has heard of the addresses that it got by itself. */
static void store_first(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
			void *arg)
{
	ipam_write(fs->ipam, IPAM_LEASE_FIRST, ref.id, text, size, append, by, done, arg);
}

/* Of a lease. A reader goes by the page cache, and by what is in it already where the text is still the first one; else the open
 * itself drops that, which nobody else can do without waiting (resume/invalidate.h). But the kernel may know the size from before a change
 * and get the text from after it, and cut an address short: so a reader that opens while any lease changes goes past the cache, with the
 * text as it is now, and one that opened before is refused a text that isn't the one it opened (fs_read). A writer goes past the
 * cache too: what is read back is not what was written. */
static int set_up_lease(struct fs *fs, fuse_ino_t ino, fuse_ino_t parent, const char *name, bool created, uint64_t request,
			struct fuse_file_info *fi)
{
	bool reads = !wants_write(fi);
	struct file *f = new_file(ino);
	struct ipam_object object;
	int rc;

	if (f == NULL)
		return -ENOMEM;
	f->parent = parent;
	f->created = created;
	f->store = created ? store_first : file_store_lease;
	if (created)
		strcpy(f->name, name);
	f->cached = reads && atomic_load(&fs->writing) == 0;
	rc = ipam_get(fs->ipam, IPAM_LEASE, f->ref.id, &object);
	if (rc == 0 && reads) {
		f->content = malloc(IPAM_LEASE_TEXT);
		rc = f->content == NULL ? -ENOMEM : ipam_lease_text(fs->ipam, f->ref.id, f->content);
	}
	if (rc >= 0) {
		f->size = (size_t)rc;
		rc = open_slot(fs, f, request, fi);
	}
	if (rc < 0) {
		file_free(f);
		return rc;
	}
	rc = hold(fs, f, f->ref.id);
	if (rc < 0) {
		file_close(fs, f);
		return rc;
	}
	fi->noflush = 1;
	fi->keep_cache = f->cached && object.attr.mtime == object.attr.btime;
	fi->direct_io = !f->cached;
	return 0;
}

int file_open_text(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, struct buffer *content, file_store *store)
{
	struct file *f = new_file(ino);
	int rc;

	if (f == NULL)
		return -ENOMEM;
	f->append = fi->flags & O_APPEND;
	f->store = store;
	f->content = content->data;
	f->size = content->size;
	content->data = NULL;
	rc = open_slot(fs, f, request, fi);
	if (rc < 0) {
		file_free(f);
		return rc;
	}
	fi->direct_io = 1;
	fi->noflush = f->ref.type != NODE_FILE || !wants_write(fi); /* elsewhere no line waits for its rest */
	return 0;
}

int file_open_made(struct fs *fs, struct fuse_file_info *fi, fuse_ino_t ino, uint64_t request, struct rendered *p)
{
	struct file *f = new_file(ino);
	struct keep_slot *s;
	int rc = -ENOMEM;

	if (f != NULL) {
		f->made = p;
		f->content = p->spool.mem.data;
		f->size = p->spool.mem.size;
		rc = open_slot(fs, f, request, fi);
	}
	if (rc < 0) {
		renditions_close(fs->renditions, ino);
		if (f != NULL)
			file_free(f);
		else
			rendered_leave(p);
		return rc;
	}
	s = handle_slot(fs, &f->handle);
	s->changed = p->changed;
	atomic_fetch_or(&s->flags, KEEP_RENDERED);
	fi->noflush = 1;
	return 0;
}

int file_hold(struct fs *fs, struct fuse_file_info *fi, uint64_t lease)
{
	struct file *f = (struct file *)handle_of(fs, fi);
	int rc = hold(fs, f, lease);

	if (rc < 0)
		file_close(fs, f);
	return rc;
}

static void store_control(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by,
			  ipam_done *done, void *arg)
{
	ipam_write(fs->ipam, fs->control[ref.which].text, ref.id, text, size, append, by, done, arg);
}

/* Who opened it, not who writes: a descriptor may come to somebody who knows nothing of what it is. */
static int note_opener(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi)
{
	struct file *f = (struct file *)handle_of(fs, fi);
	int rc = viewer_of(req, &f->opener);

	handle_slot(fs, &f->handle)->uid = f->opener.uid;
	handle_slot(fs, &f->handle)->gid = f->opener.gid;
	if (rc < 0)
		file_close(fs, f);
	return rc;
}

static int open_control(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node_ref ref = node_ref(ino);
	const struct control *row = &fs->control[ref.which];
	struct buffer content = { 0 };
	int rc = 0;

	if (wants_write(fi) && !row->writable)
		return -EACCES;
	if (row->open != NULL)
		return row->open(fs, req, ref, fi);
	if (row->show != NULL && fs->generated->writer(fs, req, ino))
		return -ESTALE;
	if ((fi->flags & O_ACCMODE) != O_WRONLY && row->show != NULL)
		rc = row->show(fs, row->level, ref.id, &content);
	if (rc == 0 && content.failed)
		rc = -ENOMEM;
	if (rc == 0)
		rc = file_open_text(fs, fi, ino, wire_current()->unique, &content, row->store != NULL ? row->store : store_control);
	free(content.data);
	if (rc == 0 && row->reaches)
		rc = note_opener(fs, req, fi);
	return rc;
}

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_open);
	struct node_ref ref = node_ref(ino);
	int rc;

	switch (ref.type) {
	case NODE_LEASE:
		rc = set_up_lease(fs, ino, 0, NULL, false, wire_current()->unique, fi);
		break;
	case NODE_FILE:
		if (control_generated(fs, ref) && !wants_write(fi)) {
			fs->generated->open(fs, req, ino, fi);
			return;
		}
		rc = ref.which < fs->controls && control_directory(fs, ref) == CONTROL_FILE ? open_control(fs, req, ino, fi) : -EISDIR;
		break;
	case NODE_LOCK:
	case NODE_LAST:
	case NODE_RESERVATION:
		rc = fs->host_local->open(fs, ino, wire_current()->unique, fi);
		break;
	case NODE_README:
		fi->keep_cache = 1;
		fi->noflush = 1;
		rc = wants_write(fi) ? -EACCES : 0;
		break;
	default:
		rc = -EISDIR;
	}
	if (rc < 0) {
		handle_refused(fs, wire_current()->unique);
		fuse_reply_err(req, -fs_of_inode(rc));
	} else {
		handle_reply_open(fs, req, fi);
	}
}

/* ---- taking over ------------------------------------------------------------------------------------------- */

/* What writing means, by what it is. */
static file_store *store_of(const struct fs *fs, const struct file *f, uint32_t flags)
{
	switch (f->ref.type) {
	case NODE_LEASE:
		return f->created && !(flags & KEEP_STORED) ? store_first : file_store_lease;
	case NODE_FILE:
		return fs->control[f->ref.which].store != NULL ? fs->control[f->ref.which].store : store_control;
	default:
		return fs->host_local->store(f->ref); /* cppcheck-suppress CastIntegerToAddressAtReturn */
	}
}

int file_reopen(struct fs *fs, struct keep_slot *s, int fd, struct handle **out)
{
	uint32_t flags = atomic_load(&s->flags);
	struct file *f = new_file(s->ino);
	int rc;

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	f->kept = fd;
	f->created = flags & KEEP_CREATED;
	f->cached = flags & KEEP_CACHED;
	f->append = flags & KEEP_APPENDS;
	f->store = store_of(fs, f, flags);
	if (f->ref.type == NODE_FILE && fs->control[f->ref.which].reaches)
		f->opener = (struct viewer){ .uid = s->uid, .gid = s->gid }; /* without his other groups: he may do no more for that */
	rc = file_again(fs, f, s);
	if (rc < 0)
		file_free(f);
	else
		*out = &f->handle;
	return rc;
}

/* ---- create ----------------------------------------------------------------------------------------------- */

struct create {
	struct fs *fs;
	fuse_req_t req;
	uint64_t request;
	bool ephemeral;
	struct fuse_file_info fi;
	char name[];
};

static void created(void *arg, int error, const struct ipam_object *object)
{
	struct create *c = arg;
	struct fuse_entry_param e;

	if (error == 0) {
		node_entry(c->fs, object, &e);
		if (c->ephemeral) {
			e.entry_timeout = 0; /* it may end, or be kept, and be here no longer */
			notify_inode(c->fs->notify, node_ino(NODE_NODE, 0, object->parent));
		}
		error = fs_of_inode(
			set_up_lease(c->fs, e.ino, node_ino(NODE_NODE, 0, object->parent), c->name, object->created, c->request, &c->fi));
		if (error < 0 && c->ephemeral && object->created)
			ipam_drop(c->fs->ipam, object->id); /* nobody else would */
	}
	if (error < 0) {
		handle_refused(c->fs, c->request);
		fuse_reply_err(c->req, -error);
	} else {
		handle_reply_create(c->fs, c->req, &e, &c->fi);
	}
	free(c);
}

void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_create);
	struct node_ref ref = node_ref(parent);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct ipam_owner owner = { ctx->uid, ctx->gid, mode & 07777 };
	size_t size = strlen(name) + 1;
	struct create *c;

	if (ref.type == NODE_NETWORK) {
		fs->host_local->create(fs, req, ref, name, mode, fi);
		return;
	}
	if (ref.type != NODE_NODE && control_directory(fs, ref) != CONTROL_EPHEMERAL) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (size > IPAM_NAME_MAX + 1) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	c = malloc(sizeof *c + size);
	if (c == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*c = (struct create){ fs, req, wire_current()->unique, ref.type != NODE_NODE, *fi };
	memcpy(c->name, name, size);
	if (fs_was_stored(fs)) {
		answer_made(fs, IPAM_LEASE, ref.id, name, created, c);
		return;
	}
	ipam_make(fs->ipam, IPAM_LEASE, ref.id, name, (fi->flags & O_EXCL ? IPAM_EXCLUSIVE : 0) | (c->ephemeral ? IPAM_EPHEMERAL : 0),
		  &owner, fs_by(req), created, c);
}

/* ---- read ------------------------------------------------------------------------------------------------- */

void fs_reply_part(fuse_req_t req, const char *data, size_t have, size_t size, off_t off)
{
	if (off < 0 || (size_t)off >= have)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, data + off, have - (size_t)off < size ? have - (size_t)off : size);
}

/* A lease as it is now, or was when its name was removed; -ESTALE where a cached reader would mix it with what it opened. */
static int read_lease(struct fs *fs, const struct file *f, char text[IPAM_LEASE_TEXT])
{
	int rc = ipam_lease_text(fs->ipam, f->ref.id, text);

	if (rc == -ENOENT)
		rc = removed_text(fs, f->ino, text);
	rc = fs_of_inode(rc);
	if (rc >= 0 && f->cached && strcmp(text, f->content) != 0)
		rc = -ESTALE;
	return rc;
}

static void read_file(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct file *f = (struct file *)h;
	char text[IPAM_LEASE_TEXT];
	int rc;

	(void)flags;
	if (f->ref.type == NODE_LEASE && (f->cached || f->content == NULL)) {
		rc = read_lease(fs, f, text);
		if (rc < 0)
			fuse_reply_err(req, -rc);
		else
			fs_reply_part(req, text, (size_t)rc, size, off);
	} else {
		/* The release may come while the reply still returns, and the sanitizers look at the buffer after it. */
		atomic_fetch_add(&f->users, 1);
		fs_reply_part(req, f->content, f->size, size, off);
		file_free(f);
	}
}

void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_read);
	struct handle *h = handle_of(fs, fi);

	(void)ino;
	if (h == NULL && fi->fh != 0)
		fuse_reply_err(req, ESTALE);
	else if (h == NULL)
		fs_reply_part(req, node_readme, strlen(node_readme), size, off);
	else
		h->ops->read(fs, req, h, size, off, fi->flags);
}

/* ---- write, poll ------------------------------------------------------------------------------------------ */

void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_write);
	struct handle *h = handle_of(fs, fi);

	(void)ino;
	if (h == NULL)
		fuse_reply_err(req, fi->fh != 0 ? ESTALE : EBADF);
	else
		h->ops->write(fs, req, h, buf, size, off);
}

/* Programs in Go ask it of every file that they open. */
void fs_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	struct fs *fs = fs_of(req, FS_poll);
	struct handle *h = handle_of(fs, fi);

	(void)ino;
	if (h != NULL && h->ops->poll != NULL) {
		h->ops->poll(fs, req, h, ph);
		return;
	}
	if (ph != NULL)
		fuse_pollhandle_destroy(ph);
	fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
}

/* ---- release, flush, fsync -------------------------------------------------------------------------------- */

static void discard_file(struct fs *fs, struct handle *h)
{
	file_close(fs, (struct file *)h);
}

static const struct handle_ops file_ops = {
	.read = read_file, .write = file_write, .flush = file_flush, .release = file_release, .discard = discard_file
};

void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_release);
	struct handle *h = handle_of(fs, fi);

	(void)ino;
	if (h == NULL) {
		handle_forget(fs, fi);
		fuse_reply_err(req, 0);
	} else {
		h->ops->release(fs, req, h);
	}
}

void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_flush);
	struct handle *h = handle_of(fs, fi);

	(void)ino;
	if (h != NULL && h->ops->flush != NULL)
		h->ops->flush(fs, req, h);
	else
		fuse_reply_err(req, 0);
}

static void synced(void *arg, int error, const struct ipam_object *object)
{
	(void)object;
	fuse_reply_err(arg, error == -ENOENT ? 0 : -error); /* released since: nothing to wait for */
}

void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_fsync);
	struct handle *h = handle_of(fs, fi);
	struct node_ref ref = node_ref(ino);
	enum ipam_kind kind;

	(void)datasync;
	if (h == NULL && fi->fh != 0)
		fuse_reply_err(req, ESTALE);
	else if (h != NULL && h->ops->fsync != NULL)
		h->ops->fsync(fs, req, h);
	else if (node_object(ref, &kind))
		ipam_sync_object(fs->ipam, kind, ref.id, synced, req);
	else
		fuse_reply_err(req, 0);
}
