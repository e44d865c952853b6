#include "fs/process/ops.h"

#include "fs/base/buffer.h"
#include "fs/control/generated.h"
#include "fs/resume/handle.h"
#include "fs/tree/access.h"
#include "fs/tree/control.h"
#include "fs/tree/dir.h"
#include "fs/tree/file.h"
#include "fs/tree/forget.h"
#include "fs/tree/inode.h"
#include "fs/tree/removed.h"
#include "fs/tree/subtree.h"
#include "fs/tree/xattr.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

static void init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	/* A truncating open changes nothing: as a SETATTR of the size it is answered with the size there is. */
	conn->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
				  FUSE_CAP_AUTO_INVAL_DATA);
	conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS);
}

/* ---- looking ---------------------------------------------------------------------------------------------- */

/* In a directory. The kernel itself takes names of up to 1,024 bytes. */
static size_t name_max(struct node_ref ref)
{
	enum ipam_kind kind;

	return node_child_kind(ref, &kind) && kind == IPAM_NODE ? IPAM_NODE_NAME_MAX : IPAM_NAME_MAX;
}

/* Whatever is done to a name, it is looked up first. */
static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req, FS_lookup);
	struct fuse_entry_param e;
	int rc = strlen(name) > name_max(node_ref(parent)) ? -ENAMETOOLONG : node_lookup(fs, parent, name, &e);

	if (rc == 0 && viewer_check_link(fs, req, node_ref(e.ino)) < 0)
		rc = -ENOENT;
	if (rc == 0)
		generated_entry(fs, req, &e);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_entry(req, &e);
}

static void forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	(void)lookups; /* what was removed isn't looked up again */
	removed_forget(fuse_req_userdata(req), ino);
	fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *list)
{
	for (size_t i = 0; i < n; i++)
		removed_forget(fuse_req_userdata(req), list[i].ino);
	fuse_reply_none(req);
}

static void reply_stat(struct fs *fs, fuse_req_t req, fuse_ino_t ino)
{
	struct stat st;
	int rc = node_stat(fs, ino, &st);

	if (rc == 0)
		generated_stat(fs, req, ino, &st);
	else if (rc == -ENOENT)
		rc = removed_stat(fs, ino, &st);
	if (rc == -ENOENT)
		rc = generated_stat_gone(fs, ino, &st);
	if (rc < 0)
		fuse_reply_err(req, -fs_of_inode(rc));
	else
		fuse_reply_attr(req, &st, node_timeout(fs, ino));
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	reply_stat(fs_of(req, FS_getattr), req, ino);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req, FS_readlink);
	struct node_ref ref = node_ref(ino);
	struct buffer target = { 0 };
	int rc = ref.type == NODE_ADDRESS ? viewer_check_link(fs, req, ref) : -EINVAL;

	if (rc == 0)
		rc = node_readlink(fs, ref, &target);
	if (rc < 0)
		fuse_reply_err(req, -fs_of_inode(rc));
	else
		fuse_reply_readlink(req, target.data);
	free(target.data);
}

enum { DF_BLOCK = 1024 };

static uint64_t clamp(u128 value)
{
	return value > INT64_MAX / DF_BLOCK ? INT64_MAX / DF_BLOCK : (uint64_t)value;
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req, FS_statfs);
	struct node_ref ref = node_ref(ino);
	enum ipam_kind kind = IPAM_ROOT;
	uint64_t id = IPAM_ROOT_ID;
	struct ipam_object object;
	struct ipam_stats stats;
	uint64_t total, used;
	struct statvfs st;
	int rc = 0;

	if (ref.type == NODE_LEASE) {
		kind = IPAM_NODE;
		rc = ipam_get(fs->ipam, IPAM_LEASE, ref.id, &object);
		id = object.parent;
	} else if (node_object(ref, &kind)) {
		id = ref.id;
	} else if (ref.type == NODE_CONTROL) {
		kind = (enum ipam_kind)ref.which;
		id = ref.id;
	}
	if (rc == 0)
		rc = ipam_stats(fs->ipam, kind, id, &stats);
	if (rc < 0) {
		fuse_reply_err(req, -fs_of_inode(rc));
		return;
	}
	total = clamp(stats.usage.total);
	used = clamp(stats.usage.total - stats.usage.free); /* so that it shows where the total had to be cut, too */
	/* Addresses (blocks, leases) are inodes; as blocks of 1 KiB, plain df shows the same numbers. */
	st = (struct statvfs){
		.f_bsize = DF_BLOCK,
		.f_frsize = DF_BLOCK,
		.f_blocks = total,
		.f_bfree = total - used,
		.f_bavail = total - used,
		.f_files = total,
		.f_ffree = total - used,
		.f_favail = total - used,
		.f_namemax = name_max(ref),
	};
	fuse_reply_statfs(req, &st);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_opendir);
	int rc = listing_open(fs, req, ino, fi);
	struct stat st;

	if (rc == -ENOENT)
		rc = removed_stat(fs, ino, &st); /* the kernel knows that it is empty */
	if (rc < 0)
		fuse_reply_err(req, -fs_of_inode(rc));
	else
		handle_reply_open(fs, req, fi);
}

static void read_dir(struct fs *fs, fuse_req_t req, size_t size, off_t off, const struct fuse_file_info *fi, bool plus)
{
	struct listing *l = (struct listing *)handle_of(fs, fi);
	int rc = l == NULL ? -ENOENT : off == 0 ? listing_begin(fs, l) : 0;
	char *buf = rc < 0 ? NULL : malloc(size);

	if (buf == NULL)
		fuse_reply_err(req, rc < 0 ? -fs_of_inode(rc) : ENOMEM);
	else
		fuse_reply_buf(req, buf, listing_fill(fs, req, l, off, plus, buf, size));
	free(buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	read_dir(fs_of(req, FS_readdir), req, size, off, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	read_dir(fs_of(req, FS_readdirplus), req, size, off, fi, true);
}

static void releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_releasedir);
	struct handle *h = handle_of(fs, fi);

	(void)ino;
	if (h != NULL)
		h->ops->discard(fs, h);
	else
		handle_forget(fs, fi);
	fuse_reply_err(req, 0);
}

static void fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	fs_of(req, FS_fsyncdir);
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, 0); /* what was acknowledged is durable */
}

/* ---- changing --------------------------------------------------------------------------------------------- */

/* What a reply needs after the commit. */
struct pending {
	struct fs *fs;
	fuse_req_t req;
	struct removed *removed; /* what stays of a name that goes: of what is open, or in use as somebody's directory; NULL: nothing */
};

static struct pending *pending_new(struct fs *fs, fuse_req_t req)
{
	struct pending *p = malloc(sizeof *p);

	if (p == NULL)
		fuse_reply_err(req, ENOMEM);
	else
		*p = (struct pending){ .fs = fs, .req = req };
	return p;
}

static void entry_done(void *arg, int error, const struct ipam_object *object)
{
	struct pending *p = arg;
	struct fuse_entry_param e;

	if (error < 0) {
		fuse_reply_err(p->req, -error);
	} else {
		node_entry(p->fs, object, &e);
		fuse_reply_entry(p->req, &e);
	}
	free(p);
}

static void attr_done(void *arg, int error, const struct ipam_object *object)
{
	struct pending *p = arg;
	struct stat st;

	if (error < 0) {
		fuse_reply_err(p->req, -fs_of_inode(error));
	} else {
		node_stat_object(p->fs, object, &st);
		fuse_reply_attr(p->req, &st, node_timeout(p->fs, FUSE_ROOT_ID));
	}
	free(p);
}

static void removal_done(void *arg, int error, const struct ipam_object *object)
{
	struct pending *p = arg;

	(void)object;
	removed_settle(p->fs, p->removed, error == 0);
	fuse_reply_err(p->req, -error);
	free(p);
}

static void plain_done(void *arg, int error, const struct ipam_object *object)
{
	(void)object;
	fuse_reply_err(arg, -error);
}

static bool is_control(const char *name)
{
	return strcmp(name, ".ipam") == 0;
}

static void make(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, bool directory)
{
	struct node_ref ref = node_ref(parent);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct ipam_owner owner = { ctx->uid, ctx->gid, mode & 07777 };
	struct pending *p;
	enum ipam_kind kind;

	if (!node_child_kind(ref, &kind) || directory != (kind != IPAM_LEASE) || (kind == IPAM_CLUSTER && strcmp(name, "README") == 0)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	p = pending_new(fs, req);
	if (p != NULL && fs_was_stored(fs))
		answer_made(fs, kind, ref.id, name, entry_done, p);
	else if (p != NULL)
		ipam_make(fs->ipam, kind, ref.id, name, IPAM_EXCLUSIVE, &owner, fs_by(req), entry_done, p);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs *fs = fs_of(req, FS_mkdir);

	if (control_directory(fs, node_ref(parent)) == CONTROL_HOST_LOCAL)
		fs->host_local->mkdir(fs, req, node_ref(parent), name);
	else
		make(fs, req, parent, name, mode, true);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	struct fs *fs = fs_of(req, FS_mknod);

	(void)device;
	if (S_ISREG(mode) || (mode & S_IFMT) == 0)
		make(fs, req, parent, name, mode, false);
	else
		fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	fs_of(req, FS_symlink);
	(void)link;
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	fs_of(req, FS_link);
	(void)ino;
	(void)new_parent;
	(void)new_name;
	fuse_reply_err(req, EPERM);
}

/* By the name in `ephemeral`: the kernel may know the lease by its other name as well, and is to hear that it is gone. */
static void unlink_ephemeral(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e;
	int rc = node_lookup(fs, parent, name, &e);

	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fs_release_lease(fs, node_ref(e.ino).id, fs_by(req), plain_done, req);
}

static void take_away(struct fs *fs, fuse_req_t req, fuse_ino_t parent, const char *name, bool directory)
{
	struct node_ref ref = node_ref(parent);
	enum control_directory control = control_directory(fs, ref);
	enum ipam_kind kind;
	bool here = node_child_kind(ref, &kind) && directory == (kind != IPAM_LEASE) && !is_control(name);
	bool layout = directory ? control == CONTROL_HOST_LOCAL : ref.type == NODE_NETWORK;
	bool held = control == CONTROL_EPHEMERAL && !directory;
	struct pending *p;

	if (!here && !layout && !held) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (fs_was_stored(fs)) { /* asked first: the name may be another's by now */
		plain_done(req, 0, NULL);
		return;
	}
	if (held) {
		unlink_ephemeral(fs, req, parent, name);
		return;
	}
	p = pending_new(fs, req);
	if (p == NULL)
		return;
	p->removed = removed_of(fs, parent, name);
	if (here)
		ipam_remove(fs->ipam, kind, ref.id, name, fs_by(req), removal_done, p);
	else if (directory)
		ipam_network_remove(fs->ipam, ref.id, name, fs_by(req), removal_done, p);
	else
		fs->host_local->unlink(fs, fs_by(req), ref, name, removal_done, p);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	take_away(fs_of(req, FS_unlink), req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	take_away(fs_of(req, FS_rmdir), req, parent, name, true);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct fs *fs = fs_of(req, FS_rename);
	struct node_ref from = node_ref(parent), to = node_ref(new_parent);
	enum ipam_kind kind, new_kind;

	if (flags & ~(unsigned)RENAME_NOREPLACE)
		fuse_reply_err(req, EINVAL);
	else if (!node_child_kind(from, &kind) || !node_child_kind(to, &new_kind) || is_control(name) || is_control(new_name) ||
		 (from.type == NODE_ROOT && strcmp(name, "README") == 0))
		fuse_reply_err(req, EPERM);
	else if (kind != new_kind)
		fuse_reply_err(req, EXDEV);
	else if (kind == IPAM_CLUSTER && strcmp(new_name, "README") == 0)
		fuse_reply_err(req, EEXIST);
	else if (fs_was_stored(fs))
		plain_done(req, 0, NULL);
	else
		ipam_rename(fs->ipam, kind, from.id, name, to.id, new_name, fs_by(req), plain_done, req);
}

/* What 64 bits don't hold is the first or the last moment that they do: 1677 and 2262. */
static int64_t nanoseconds(struct timespec t)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)t.tv_sec, 1000000000, &ns) || __builtin_add_overflow(ns, t.tv_nsec, &ns))
		return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static unsigned collect(const struct stat *st, int to_set, struct ipam_attr *a)
{
	struct timespec now;
	unsigned which = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	*a = (struct ipam_attr){
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mode = st->st_mode & 07777,
		.atime = nanoseconds(to_set & FUSE_SET_ATTR_ATIME_NOW ? now : st->st_atim),
		.mtime = nanoseconds(to_set & FUSE_SET_ATTR_MTIME_NOW ? now : st->st_mtim),
	};
	if (to_set & FUSE_SET_ATTR_UID)
		which |= IPAM_SET_UID;
	if (to_set & FUSE_SET_ATTR_GID)
		which |= IPAM_SET_GID;
	if (to_set & FUSE_SET_ATTR_MODE)
		which |= IPAM_SET_MODE;
	if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		which |= IPAM_SET_ATIME;
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		which |= IPAM_SET_MTIME;
	return which;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req, FS_setattr);
	struct node_ref ref = node_ref(ino);
	struct ipam_attr attr;
	unsigned which = collect(st, to_set, &attr);
	struct pending *p;
	enum ipam_kind kind;

	(void)fi;
	if (which == 0 || (ref.type >= NODE_FILE && (which & (IPAM_SET_UID | IPAM_SET_GID | IPAM_SET_MODE)) == 0)) {
		reply_stat(fs, req, ino); /* the size, or the times of what is generated: as they are */
		return;
	}
	if (!node_object(ref, &kind) || kind == IPAM_ROOT) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (fs_was_stored(fs)) {
		reply_stat(fs, req, ino);
		return;
	}
	if (removed_set(fs, ino, which, &attr, st) == 0) {
		fuse_reply_attr(req, st, node_timeout(fs, ino));
		return;
	}
	p = pending_new(fs, req);
	if (p != NULL)
		ipam_set_attr(fs->ipam, kind, ref.id, which, &attr, fs_by(req), attr_done, p);
}

const struct fuse_lowlevel_ops fs_operations = {
	.init = init,
	.lookup = lookup,
	.forget = forget,
	.forget_multi = forget_multi,
	.getattr = getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = fs_open,
	.read = fs_read,
	.write = fs_write,
	.poll = fs_poll,
	.flush = fs_flush,
	.release = fs_release,
	.fsync = fs_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = releasedir,
	.fsyncdir = fsyncdir,
	.statfs = op_statfs,
	.setxattr = fs_setxattr,
	.getxattr = fs_getxattr,
	.listxattr = fs_listxattr,
	.removexattr = fs_removexattr,
	.create = fs_create,
};
