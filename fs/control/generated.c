#include "fs/control/generated.h"

#include "fs/control/report.h"
#include "fs/resume/handle.h"
#include "fs/tree/access.h"
#include "fs/tree/control.h"
#include "fs/tree/file.h"
#include "fs/tree/rendition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of what is told in a line or more each: a file that has no more of them is made for a lookup. */
enum { MOST_NODES = 4096, MOST_LEASES = 1024 };

/* ---- how long ------------------------------------------------------------------------------------------------------ */

static int add_subjects(void *arg, const struct ipam_cluster_view *v)
{
	*(uint64_t *)arg += 1 + v->nodes;
	return 0;
}

/* Between ipam_read_begin and end. */
static int count(struct fs *fs, const struct control *row, uint64_t id, uint64_t *n)
{
	struct ipam_cluster_view cluster;
	struct ipam_node_view node;
	int rc;

	*n = 0;
	if (row->level == IPAM_ROOT)
		return ipam_each_cluster(fs->ipam, add_subjects, n);
	if (row->level == IPAM_CLUSTER) {
		rc = ipam_view_cluster(fs->ipam, id, &cluster);
		if (rc == 0)
			*n = row->grows == CONTROL_BY_LEASES ? cluster.leases : cluster.nodes;
	} else {
		rc = ipam_view_node(fs->ipam, id, &node);
		if (rc == 0)
			*n = node.leases;
	}
	return rc;
}

/* Whether it is made for a lookup. */
static bool is_short(struct fs *fs, struct node_ref ref)
{
	const struct control *row = &fs->control[ref.which];
	uint64_t n;
	int rc;

	if (row->grows != CONTROL_BY_NODES && row->grows != CONTROL_BY_LEASES)
		return row->grows != CONTROL_ASKS;
	ipam_read_begin(fs->ipam);
	rc = count(fs, row, ref.id, &n);
	ipam_read_end(fs->ipam);
	return rc == 0 && n <= (row->grows == CONTROL_BY_LEASES ? MOST_LEASES : MOST_NODES);
}

/* ---- for whom ------------------------------------------------------------------------------------------------------ */

int generated_for(struct rendered *p, const struct viewer *viewer)
{
	p->audience = viewer_key(viewer, &p->audience_size);
	return p->audience == NULL ? -ENOMEM : 0;
}

/* Whether the text may be told to who asks. One who can't be told for who he is gets one of his own. */
static bool is_for(const struct rendered *p, fuse_req_t req)
{
	struct viewer v;
	size_t size = 0;
	char *key;
	bool is;

	if (p->audience == NULL)
		return true;
	if (viewer_of(req, &v) < 0)
		return false;
	key = viewer_key(&v, &size);
	is = key != NULL && size == p->audience_size && memcmp(key, p->audience, size) == 0;
	free(key);
	viewer_free(&v);
	return is;
}

/* ---- making it ----------------------------------------------------------------------------------------------------- */

static int make(struct fs *fs, struct node_ref ref, const struct viewer *viewer, struct rendered **out)
{
	const struct control *row = &fs->control[ref.which];
	const struct report_wish wish = { .row = ref.which, .kind = row->level, .id = ref.id, .viewer = *viewer };
	struct rendered *p = rendered_new(NULL);
	atomic_bool stop = false;
	int rc = p == NULL ? -ENOMEM : control_changed(fs, ref.which, ref.id, &p->changed);

	if (rc == 0)
		rc = row->report != NULL ? generated_for(p, viewer) : 0;
	if (rc == 0)
		rc = row->report != NULL ? row->report(fs, &wish, &stop, &p->spool) : row->show(fs, row->level, ref.id, &p->spool.mem);
	if (rc == 0 && p->spool.mem.failed)
		rc = -ENOMEM;
	if (rc < 0)
		rendered_leave(p);
	else
		*out = p;
	return rc;
}

/* For a lookup or a stat, where that is to be: NULL. Who may not read it isn't told how long it is. */
static struct rendered *look(struct fs *fs, fuse_req_t req, struct node_ref ref)
{
	const struct control *row = &fs->control[ref.which];
	struct rendered *p = NULL;
	struct viewer viewer;
	int64_t changed;

	if (!is_short(fs, ref) || viewer_of(req, &viewer) < 0)
		return NULL;
	if (row->tells && !viewer_sees_node(fs, &viewer, ref.id)) {
		viewer_free(&viewer);
		return NULL;
	}
	/* Programs ask several times before they open it. */
	if (row->grows == CONTROL_PICTURE && control_changed(fs, ref.which, ref.id, &changed) == 0)
		p = renditions_recent(fs->renditions, node_ino(ref.type, ref.which, ref.id), changed);
	if (p == NULL && make(fs, ref, &viewer, &p) < 0)
		p = NULL;
	viewer_free(&viewer);
	return p;
}

/* ---- looking --------------------------------------------------------------------------------------------------------- */

static void fill(struct stat *st, off_t size, int64_t changed)
{
	node_size(st, size);
	st->st_mtim = st->st_ctim = node_time(changed);
}

void generated_entry(struct fs *fs, fuse_req_t req, struct fuse_entry_param *e)
{
	struct node_ref ref = node_ref(e->ino);
	pid_t thread = fuse_req_ctx(req)->pid;
	fuse_ino_t plain = e->ino;
	struct rendered *p = NULL;
	bool expected, known;
	int64_t changed;
	off_t size;

	if (!control_generated(fs, ref))
		return;
	expected = thread != 0 && renditions_expected(fs->renditions, plain, thread, &e->ino);
	known = renditions_stat(fs->renditions, e->ino, &size, &changed);
	if (!known || e->ino == plain)
		p = look(fs, req, ref);
	/* A thread that isn't known can't be asked to look again: what it may write keeps its plain id. */
	if (p != NULL && !expected && (thread != 0 || !fs->control[ref.which].writable))
		e->ino = renditions_add(fs->renditions, plain, p);
	if (p != NULL)
		fill(&e->attr, rendered_size(p), p->changed);
	else if (known)
		fill(&e->attr, size, changed);
	rendered_leave(p);
	e->entry_timeout = 0;
	e->attr_timeout = node_timeout(fs, e->ino);
}

void generated_stat(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct stat *st)
{
	struct rendered *p;
	int64_t changed;
	off_t size;

	if (!control_generated(fs, node_ref(ino)))
		return;
	if (renditions_stat(fs->renditions, ino, &size, &changed)) {
		fill(st, size, changed);
	} else if ((p = look(fs, req, node_ref(ino))) != NULL) {
		fill(st, rendered_size(p), p->changed);
		rendered_leave(p);
	}
}

int generated_stat_gone(struct fs *fs, fuse_ino_t ino, struct stat *st)
{
	int64_t changed;
	off_t size;

	if (!rendition_is(ino) || !renditions_stat(fs->renditions, ino, &size, &changed))
		return -ENOENT;
	/* Nobody else opens it any more. */
	*st = (struct stat){ .st_ino = node_number(ino), .st_mode = S_IFREG | 0400, .st_blksize = 4096 };
	fill(st, size, changed);
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------------------------------- */

/* p is taken over. */
static int open_made(struct fs *fs, struct generated_wish *w, uint32_t uid, struct rendered *p)
{
	if (p->spool.fd < 0)
		return file_open_made(fs, &w->fi, w->ino, w->request, p);
	return report_open_made(fs, &w->fi, w->ino, w->request, uid, p);
}

static void answer(struct fs *fs, struct generated_wish *w, int rc)
{
	if (rc < 0) {
		handle_refused(fs, w->request);
		fuse_reply_err(w->req, -fs_of_inode(rc));
	} else {
		handle_reply_open(fs, w->req, &w->fi);
	}
}

/* Noted where the next worker finds it, before the thread is told. */
static bool expect(struct fs *fs, fuse_ino_t plain, pid_t thread, struct rendered *p)
{
	bool expected = renditions_expect(fs->renditions, plain, thread, p);

	if (expected)
		atomic_store(&fs->keep->memory->sent[(uint32_t)thread % KEEP_SENT], thread);
	return expected;
}

void generated_ready(struct fs *fs, struct generated_wish *w, uint32_t uid, struct rendered *p)
{
	int rc;

	if (!w->direct && expect(fs, rendition_plain(w->ino), fuse_req_ctx(w->req)->pid, p)) {
		answer(fs, w, -ESTALE);
		return;
	}
	/* Others may have that id open, with another text: past the pages. */
	rc = renditions_opened(fs->renditions, w->ino, rendered_size(p), p->changed);
	if (rc == 0) {
		rendered_enter(p);
		w->fi.direct_io = 1;
		rc = open_made(fs, w, uid, p);
	}
	answer(fs, w, rc);
}

/* Whether the thread was told ESTALE, by this worker or one before, and now comes again. Both that know it forget it. */
static bool comes_again(struct fs *fs, fuse_ino_t plain, pid_t thread)
{
	int32_t expected = thread;
	bool arrived, sent;

	if (thread == 0)
		return false;
	arrived = renditions_arrived(fs->renditions, plain, thread);
	sent = atomic_compare_exchange_strong(&fs->keep->memory->sent[(uint32_t)thread % KEEP_SENT], &expected, 0);
	return arrived || sent;
}

static void generated_open(struct fs *fs, fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct wire_request *current = wire_current();
	struct generated_wish wish = { .req = req, .request = current->unique, .ino = ino, .fi = *fi };
	struct node_ref ref = node_ref(ino);
	pid_t thread = fuse_req_ctx(req)->pid;
	bool shared, again;
	struct viewer viewer;
	struct rendered *p;
	int rc;

	p = renditions_open(fs->renditions, ino, &shared);
	if (p != NULL && !is_for(p, req)) {
		renditions_close(fs->renditions, ino);
		rendered_leave(p);
		p = NULL;
	}
	again = comes_again(fs, rendition_plain(ino), thread);
	if (p != NULL) {
		answer(fs, &wish, open_made(fs, &wish, current->uid, p));
		return;
	}
	wish.direct = thread == 0 || again || rendition_asked(ino) || current->again;
	if (fs->control[ref.which].report != NULL && !is_short(fs, ref)) {
		report_ask(fs, &wish);
		return;
	}
	rc = viewer_of(req, &viewer);
	if (rc == 0) {
		rc = make(fs, ref, &viewer, &p);
		viewer_free(&viewer);
	}
	if (rc == 0)
		generated_ready(fs, &wish, current->uid, p);
	else
		answer(fs, &wish, rc);
	rendered_leave(p);
}

static bool generated_writer(struct fs *fs, fuse_req_t req, fuse_ino_t ino)
{
	pid_t thread = fuse_req_ctx(req)->pid;
	fuse_ino_t plain = rendition_plain(ino);
	bool again = comes_again(fs, plain, thread);

	if (thread == 0 || again || !rendition_is(ino) || rendition_asked(ino) || wire_current()->again)
		return false;
	return expect(fs, plain, thread, NULL);
}

const struct generated_ops generated_ops = { .open = generated_open, .writer = generated_writer };
