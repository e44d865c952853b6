#include "fs/control/import.h"

#include "fs/base/log.h"
#include "fs/control/import_parse.h"
#include "fs/resume/invalidate.h"
#include "fs/tree/access.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

enum { IMPORT_MAX = 256 << 20 };

struct import {
	struct handle handle;
	struct node_ref ref;
	struct ipam_owner owner;
	struct viewer opener;
	bool closes;          /* a close takes it, too */
	pthread_mutex_t lock; /* the rest: requests of one descriptor may come at once */
	bool taking;          /* a round is under way: what comes meanwhile would be dropped with its text */
	struct buffer text, report;
	struct foreign_scan scan; /* of the text */
	uint64_t files;           /* whose table of descriptors it was written through last */
	int kept;                 /* the text again, in a file that outlives the worker */
	uint64_t request;         /* the write that it ends with, or the fsync that took it; */
	int error;                /* with this answer */
};

/* A round of fsync, or of a close: what lives until the answer. */
struct round {
	struct fs *fs;
	fuse_req_t req;
	uint64_t request;
	struct import *import;
	bool closed;
	struct foreign_import parsed;
};

/* ---- fsync, close ------------------------------------------------------------------------------------------------ */

static void report(struct import *m, const struct ipam_import *in)
{
	char addr[CIDR_ADDR_TEXT] = "-", cidr[CIDR_TEXT] = "-";

	if (in->name == NULL) {
		if (in->refused < in->cidrs)
			cidr_print(&in->cidr[in->refused], cidr);
		buffer_print(&m->report, "%s\t%s\t%s\n", in->node, cidr, strerror(-in->error));
		return;
	}
	if ((in->error == -EADDRINUSE || in->error == -EADDRNOTAVAIL) && in->has[in->family])
		cidr_print_addr(in->family, in->addr[in->family], addr);
	buffer_print(&m->report, "%s/%s\t%s\t%s\n", in->node, in->name, addr, strerror(-in->error));
}

/* In the slot: how much of the file counts, and the request that left it so. Two in turn, so that they belong together. */
static void keep_state(struct fs *fs, const struct import *m)
{
	struct keep_slot *s = handle_slot(fs, &m->handle);
	uint32_t which = atomic_load(&s->file.which) ^ 1;

	s->file.text[which] = (struct keep_text){ .request = m->request, .size = m->text.size, .held = m->files, .error = m->error };
	atomic_store(&s->file.which, which);
}

/* Taken or refused: what comes next begins anew. */
static void begin_anew(struct fs *fs, struct import *m, uint64_t request, int error)
{
	pthread_mutex_lock(&m->lock);
	m->taking = false;
	m->text.size = 0;
	m->scan = (struct foreign_scan){ 0 };
	m->request = request;
	m->error = error;
	keep_state(fs, m);
	pthread_mutex_unlock(&m->lock);
}

/* A shell that writes by itself doesn't look at what its close says. */
static void log_closed(int error)
{
	char text[128];

	snprintf(text, sizeof text, "an import was refused when its file was closed: %s", strerror(-error));
	log_write(NULL, LOG_WARNING, text);
}

static void finish(struct round *r, int error)
{
	begin_anew(r->fs, r->import, r->request, error);
	if (error < 0 && r->closed)
		log_closed(error);
	fuse_reply_err(r->req, -error);
	foreign_import_free(&r->parsed);
	free(r);
}

/* The kernel saw neither nodes nor leases come. Those of one node mostly follow each other. */
static void notify_of_nodes(struct fs *fs, const struct round *r)
{
	const char *last = NULL;
	struct ipam_object node;

	notify_inode(fs->notify, node_ino(NODE_CLUSTER, 0, r->import->ref.id));
	for (size_t i = 0; i < r->parsed.n; i++) {
		const char *name = r->parsed.list[i].node;

		if (last != NULL && strcmp(last, name) == 0)
			continue;
		last = name;
		if (ipam_lookup(fs->ipam, IPAM_NODE, r->import->ref.id, name, &node) == 0)
			notify_inode(fs->notify, node_ino(NODE_NODE, 0, node.id));
	}
}

static void imported(void *arg, int error, const struct ipam_object *object)
{
	struct round *r = arg;
	struct import *m = r->import;

	(void)object;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; error < 0 && i < r->parsed.n; i++)
		if (r->parsed.list[i].error < 0)
			report(m, &r->parsed.list[i]);
	if (error < 0 && m->report.size == 0)
		buffer_print(&m->report, "-\t-\t%s\n", strerror(-error));
	pthread_mutex_unlock(&m->lock);
	if (error == 0)
		notify_of_nodes(r->fs, r);
	finish(r, error);
}

/* The cluster's owner makes leases where he might make them one by one. All that he may not are told, and nothing else is tried, so that
 * he hears nothing of what is there. */
static int check_nodes(struct fs *fs, struct import *m, struct foreign_import *parsed)
{
	struct viewing viewing = { fs, &m->opener };
	struct ipam_object node;
	int rc = 0;

	for (size_t i = 0; i < parsed->n; i++) {
		struct ipam_import *in = &parsed->list[i];

		if (in->name == NULL || ipam_lookup(fs->ipam, IPAM_NODE, m->ref.id, in->node, &node) < 0 ||
		    viewer_may(&viewing, &node.attr, 3))
			continue;
		in->error = rc = -EACCES;
		report(m, in);
	}
	return rc;
}

static void take(struct fs *fs, fuse_req_t req, struct import *m, bool closed)
{
	struct round *r = calloc(1, sizeof *r);
	int rc;

	if (r == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*r = (struct round){ .fs = fs, .req = req, .request = wire_current()->unique, .import = m, .closed = closed };
	pthread_mutex_lock(&m->lock);
	if (m->taking) {
		pthread_mutex_unlock(&m->lock);
		free(r);
		fuse_reply_err(req, EBUSY);
		return;
	}
	m->taking = true;
	m->report.size = 0;
	rc = fs_was_stored(fs) ? 0 : m->text.failed ? -ENOMEM : foreign_import_parse(&r->parsed, m->text.data, m->text.size, &m->report);
	if (rc == 0)
		rc = check_nodes(fs, m, &r->parsed);
	pthread_mutex_unlock(&m->lock);
	if (rc < 0 || r->parsed.n == 0)
		finish(r, rc);
	else
		ipam_import(fs->ipam, m->ref.id, r->parsed.list, r->parsed.n, &m->owner, fs_by(req), imported, r);
}

/* Nothing was written since the last round, whose answer holds; or this is its request, of which a worker before was done with all but
 * the answer. */
static bool is_answered(struct import *m, int *error)
{
	const struct wire_request *current = wire_current();
	bool answered;

	pthread_mutex_lock(&m->lock);
	answered = (m->text.size == 0 && !m->taking) || (current->again && current->unique == m->request);
	*error = m->error;
	pthread_mutex_unlock(&m->lock);
	return answered;
}

static void import_fsync(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct import *m = (struct import *)h;
	int error;

	if (is_answered(m, &error))
		fuse_reply_err(req, -error);
	else
		take(fs, req, m, false);
}

/* Only what was written by who closes it now: a child of his that closes what it was given knows nothing of his text. Half a text
 * isn't taken, and stays: a shell closes a copy of the descriptor after each of its commands. */
static void import_flush(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct import *m = (struct import *)h;
	bool his, whole;
	int error;

	pthread_mutex_lock(&m->lock);
	his = m->closes && m->files == wire_current()->files;
	whole = foreign_scan_whole(&m->scan);
	pthread_mutex_unlock(&m->lock);
	if (!his)
		fuse_reply_err(req, 0);
	else if (is_answered(m, &error))
		fuse_reply_err(req, -error);
	else if (!whole)
		fuse_reply_err(req, EINVAL);
	else
		take(fs, req, m, true);
}

/* ---- the rest of an open file ------------------------------------------------------------------------------------- */

static void import_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct import *m = (struct import *)h;
	struct buffer part = { 0 }; /* a copy: once the answer is out, the release may come, and what was opened is gone */

	(void)fs;
	(void)flags;
	pthread_mutex_lock(&m->lock);
	if (off >= 0 && (size_t)off < m->report.size)
		buffer_add(&part, m->report.data + off, m->report.size - (size_t)off < size ? m->report.size - (size_t)off : size);
	pthread_mutex_unlock(&m->lock);
	if (part.failed)
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, part.data, part.size);
	free(part.data);
}

static void keep_written(struct fs *fs, struct import *m, const char *buf, size_t size, uint64_t request)
{
	off_t at = (off_t)(m->text.size - size);

	m->request = request;
	m->error = 0;
	while (size > 0) {
		ssize_t n = pwrite(m->kept, buf, size, at);

		if (n < 0)
			return; /* no memory: it is lost if the worker is */
		buf += n;
		size -= (size_t)n;
		at += n;
	}
	keep_state(fs, m);
}

static void import_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off)
{
	const struct wire_request *r = wire_current();
	struct import *m = (struct import *)h;
	int rc = 0;

	(void)off; /* a text is a sequence of writes, whatever was read in between */
	pthread_mutex_lock(&m->lock);
	if (m->taking) {
		rc = -EBUSY;
	} else if (!r->again || r->unique != m->request) {
		if (size > IMPORT_MAX - m->text.size)
			rc = -EFBIG;
		else
			buffer_add(&m->text, buf, size);
		if (m->text.failed)
			rc = -ENOMEM;
		foreign_scan(&m->scan, buf, rc == 0 ? size : 0);
		m->files = r->files;
		if (rc == 0)
			keep_written(fs, m, buf, size, r->unique);
	}
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, size);
}

static void free_import(struct import *m)
{
	pthread_mutex_destroy(&m->lock);
	if (m->kept >= 0)
		close(m->kept);
	viewer_free(&m->opener);
	free(m->text.data);
	free(m->report.data);
	free(m);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct import *m = (struct import *)h;

	handle_close(fs, h);
	free_import(m);
}

static void import_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	discard(fs, h);
	fuse_reply_err(req, 0);
}

static struct import *new_import(struct node_ref ref, const struct ipam_object *cluster, int kept)
{
	static const struct handle_ops ops = { .read = import_read,
					       .write = import_write,
					       .fsync = import_fsync,
					       .flush = import_flush,
					       .release = import_release,
					       .discard = discard };
	struct import *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->handle.ops = &ops;
	m->ref = ref;
	m->owner = (struct ipam_owner){ cluster->attr.uid, cluster->attr.gid, 0644 };
	m->kept = kept;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

int import_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	struct import *m = NULL;
	struct ipam_object object;
	int rc = ipam_get(fs->ipam, IPAM_CLUSTER, ref.id, &object);
	int fd = rc < 0 ? -1 : memfd_create("import", MFD_CLOEXEC);

	if (rc == 0 && fd < 0)
		rc = -errno;
	if (rc == 0 && (m = new_import(ref, &object, fd)) == NULL) {
		close(fd);
		rc = -ENOMEM;
	}
	if (rc < 0)
		return rc;
	rc = viewer_of(req, &m->opener);
	if (rc == 0)
		rc = handle_open(fs, &m->handle, KEEP_IMPORT, node_ino(ref.type, ref.which, ref.id), wire_current()->unique, fi);
	if (rc == 0) {
		struct keep_slot *s = handle_slot(fs, &m->handle);

		s->uid = m->opener.uid;
		s->gid = m->opener.gid;
		s->file.text[0] = (struct keep_text){ 0 };
		atomic_store(&s->file.which, 0);
		m->closes = (fi->flags & O_ACCMODE) == O_WRONLY;
		atomic_fetch_or(&s->flags, m->closes ? KEEP_CLOSES : 0);
		rc = handle_hold(fs, &m->handle, fd, fuse_req_ctx(req)->uid);
		if (rc < 0)
			handle_close(fs, &m->handle);
	}
	if (rc < 0) {
		free_import(m);
		return rc;
	}
	fi->direct_io = 1;
	fi->noflush = !m->closes;
	return 0;
}

/* The report of a refusal is gone: it can be had again by trying again. */
int import_reopen(struct fs *fs, struct keep_slot *s, int fd, struct handle **out)
{
	struct node_ref ref = node_ref(s->ino);
	struct import *m = NULL;
	struct ipam_object object;
	const struct keep_text *text = &s->file.text[atomic_load(&s->file.which)];
	size_t size = text->size;
	int rc = fd < 0 ? -EIO : ipam_get(fs->ipam, IPAM_CLUSTER, ref.id, &object);

	if (rc == 0 && (m = new_import(ref, &object, fd)) == NULL)
		rc = -ENOMEM;
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	m->opener = (struct viewer){ .uid = s->uid, .gid = s->gid };
	m->request = text->request;
	m->error = text->error;
	m->files = text->held;
	m->closes = atomic_load(&s->flags) & KEEP_CLOSES;
	while (rc == 0 && m->text.size < size) {
		char part[16384];
		size_t left = size - m->text.size;
		ssize_t n = pread(fd, part, left < sizeof part ? left : sizeof part, (off_t)m->text.size);

		if (n <= 0)
			rc = -EIO;
		else
			buffer_add(&m->text, part, (size_t)n);
	}
	if (rc == 0 && m->text.failed)
		rc = -ENOMEM;
	foreign_scan(&m->scan, m->text.data, m->text.size);
	if (rc < 0)
		free_import(m);
	else
		*out = &m->handle;
	return rc;
}
