/* The file 'import' of a cluster: leases and nodes that were made elsewhere, written as JSON, taken by fsync all at once or
 * not at all.
 *
 * foreign.h says how it is written; what leases.json shows can be written here.
 * Reading the same descriptor afterwards tells what was refused and why.
 */
#include "control.h"
#include "foreign.h"
#include "notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { IMPORT_MAX = 256 << 20 };

struct import {
	struct handle handle;
	struct node_ref ref;
	struct ipam_owner owner;
	pthread_mutex_t lock; /* text, report: requests of one descriptor may come at once */
	struct buffer text, report;
};

/* A round of fsync: what lives until the answer. */
struct round {
	struct fs *fs;
	fuse_req_t req;
	struct import *import;
	struct foreign_import parsed;
};

/* ---- fsync ------------------------------------------------------------------------------------------------------ */

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

static void finish(struct round *r, int error)
{
	fuse_reply_err(r->req, -error);
	foreign_import_free(&r->parsed);
	free(r);
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
	finish(r, error);
}

static void import_fsync(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct import *m = (struct import *)h;
	struct round *r = calloc(1, sizeof *r);
	int rc;

	if (r == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*r = (struct round){ .fs = fs, .req = req, .import = m };
	pthread_mutex_lock(&m->lock);
	m->report.size = 0;
	rc = m->text.failed ? -ENOMEM : foreign_import_parse(&r->parsed, m->text.data, m->text.size, &m->report);
	m->text.size = 0; /* taken or refused: what comes next begins anew */
	pthread_mutex_unlock(&m->lock);
	if (rc < 0 || r->parsed.n == 0)
		finish(r, rc);
	else
		ipam_import(fs->ipam, m->ref.id, r->parsed.list, r->parsed.n, &m->owner, fs_by(req), imported, r);
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

static void import_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off)
{
	struct import *m = (struct import *)h;
	int rc = 0;

	(void)fs;
	(void)off; /* a text is a sequence of writes, whatever was read in between */
	pthread_mutex_lock(&m->lock);
	if (size > IMPORT_MAX - m->text.size)
		rc = -EFBIG;
	else
		buffer_add(&m->text, buf, size);
	if (m->text.failed)
		rc = -ENOMEM;
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, size);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct import *m = (struct import *)h;

	(void)fs;
	pthread_mutex_destroy(&m->lock);
	free(m->text.data);
	free(m->report.data);
	free(m);
}

static void import_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	fuse_reply_err(req, 0);
	discard(fs, h);
}

int import_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	static const struct handle_ops ops = {
		.read = import_read, .write = import_write, .fsync = import_fsync, .release = import_release, .discard = discard
	};
	struct import *m = calloc(1, sizeof *m);
	struct ipam_object object;
	int rc = m == NULL ? -ENOMEM : ipam_get(fs->ipam, IPAM_CLUSTER, ref.id, &object);

	(void)req;
	if (rc < 0) {
		free(m);
		return rc;
	}
	m->handle.ops = &ops;
	m->ref = ref;
	m->owner = (struct ipam_owner){ object.attr.uid, object.attr.gid, 0644 };
	pthread_mutex_init(&m->lock, NULL);
	fi->direct_io = 1;
	fi->noflush = 1;
	fi->fh = (uintptr_t)m;
	return 0;
}
