#include "floor_ops.h"

#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY = 16384 }; /* bytes of one reply at most */

static const char requests_name[] = ".requests";
static const uint64_t requests_ino = UINT64_MAX - 1;
static const char content[] = "10.123.0.77/16\n"; /* as long as a lease */
static const double keep = 86400;

static const char *const request_name[FLOOR_REQUESTS] = {
	[FLOOR_LOOKUP] = "lookup",   [FLOOR_FORGET] = "forget", [FLOOR_GETATTR] = "getattr",       [FLOOR_SETATTR] = "setattr",
	[FLOOR_MKDIR] = "mkdir",     [FLOOR_UNLINK] = "unlink", [FLOOR_RMDIR] = "rmdir",           [FLOOR_OPEN] = "open",
	[FLOOR_READ] = "read",       [FLOOR_FLUSH] = "flush",   [FLOOR_RELEASE] = "release",       [FLOOR_OPENDIR] = "opendir",
	[FLOOR_READDIR] = "readdir", [FLOOR_CREATE] = "create", [FLOOR_RELEASEDIR] = "releasedir",
};

/* What a descriptor reads: of a directory its entries, of `.requests` the counts, as they were at open. */
struct snapshot {
	size_t size, capacity;
	char *bytes;
};

static struct floor *counted(fuse_req_t req, enum floor_request request)
{
	struct floor *f = fuse_req_userdata(req);

	atomic_fetch_add_explicit(&f->count[request], 1, memory_order_relaxed);
	return f;
}

static struct stat attr_of(const struct floor *f, uint64_t ino)
{
	bool is_dir = tree_is_dir(ino);

	return (struct stat){
		.st_ino = ino,
		.st_mode = is_dir ? S_IFDIR | 0755 : S_IFREG | 0644,
		.st_nlink = is_dir ? 2 : 1,
		.st_uid = getuid(),
		.st_gid = getgid(),
		.st_size = is_dir || ino == requests_ino ? 0 : sizeof content - 1,
		.st_atim = f->born,
		.st_mtim = f->born,
		.st_ctim = f->born,
	};
}

static struct fuse_entry_param entry_of(const struct floor *f, uint64_t ino)
{
	return (struct fuse_entry_param){
		.ino = ino,
		.attr = attr_of(f, ino),
		.attr_timeout = keep,
		.entry_timeout = keep,
	};
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct floor *f = counted(req, FLOOR_LOOKUP);
	uint64_t ino = requests_ino;
	struct fuse_entry_param e;

	if ((parent != TREE_ROOT || strcmp(name, requests_name) != 0) && tree_find(&f->tree, parent, name, &ino) < 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e = entry_of(f, ino);
	fuse_reply_entry(req, &e);
}

/* Inode numbers hold nothing, so there is nothing to let go. */
static void do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino, (void)nlookup;
	counted(req, FLOOR_FORGET);
	fuse_reply_none(req);
}

static void do_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
	struct floor *f = fuse_req_userdata(req);

	(void)forgets;
	atomic_fetch_add_explicit(&f->count[FLOOR_FORGET], n, memory_order_relaxed);
	fuse_reply_none(req);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = attr_of(counted(req, FLOOR_GETATTR), ino);

	(void)fi;
	fuse_reply_attr(req, &st, keep);
}

static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct stat st = attr_of(counted(req, FLOOR_SETATTR), ino);

	(void)attr, (void)to_set, (void)fi;
	fuse_reply_attr(req, &st, keep);
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct floor *f = counted(req, FLOOR_MKDIR);
	struct fuse_entry_param e;
	uint64_t ino;
	int rc = tree_add(&f->tree, parent, name, true, &ino);

	(void)mode;
	if (rc < 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	e = entry_of(f, ino);
	fuse_reply_entry(req, &e);
}

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct floor *f = counted(req, FLOOR_UNLINK);

	fuse_reply_err(req, -tree_remove(&f->tree, parent, name, false));
}

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct floor *f = counted(req, FLOOR_RMDIR);

	fuse_reply_err(req, -tree_remove(&f->tree, parent, name, true));
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct floor *f = counted(req, FLOOR_CREATE);
	struct fuse_entry_param e;
	uint64_t ino;
	int rc = tree_add(&f->tree, parent, name, false, &ino);

	(void)mode;
	if (rc == -EEXIST && !(fi->flags & O_EXCL))
		rc = tree_find(&f->tree, parent, name, &ino);
	if (rc < 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	e = entry_of(f, ino);
	fi->noflush = 1;
	fi->keep_cache = 1;
	fuse_reply_create(req, &e, fi);
}

static void free_snapshot(struct snapshot *s)
{
	if (s != NULL)
		free(s->bytes);
	free(s);
}

static struct snapshot *counts_now(struct floor *f)
{
	struct snapshot *s = calloc(1, sizeof *s);
	FILE *out = s != NULL ? open_memstream(&s->bytes, &s->size) : NULL;

	for (int i = 0; out != NULL && i < FLOOR_REQUESTS; i++)
		fprintf(out, "requests_%s %llu\n", request_name[i],
			(unsigned long long)atomic_load_explicit(&f->count[i], memory_order_relaxed));
	if (out == NULL || fclose(out) != 0) {
		free_snapshot(s);
		return NULL;
	}
	return s;
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct floor *f = counted(req, FLOOR_OPEN);
	struct snapshot *s = NULL;

	if (ino == requests_ino) {
		s = counts_now(f);
		if (s == NULL) {
			fuse_reply_err(req, ENOMEM);
			return;
		}
		fi->direct_io = 1;
	} else {
		fi->keep_cache = 1;
	}
	fi->noflush = 1;
	fi->fh = (uintptr_t)s;
	if (fuse_reply_open(req, fi) == -ENOENT)
		free_snapshot(s); /* the caller is gone: no release will come */
}

/* From a copy: the release may be under way in another thread before writev(2) is back, and AddressSanitizer looks at
 * what was written only then. Less than was asked for is fine for both kinds of reader. */
static void reply_copy(fuse_req_t req, const struct snapshot *s, size_t begin, size_t end)
{
	char copy[COPY];

	memcpy(copy, s->bytes + begin, end - begin);
	fuse_reply_buf(req, copy, end - begin);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct snapshot *s = (const struct snapshot *)(uintptr_t)fi->fh;
	size_t all = s != NULL ? s->size : sizeof content - 1;
	size_t begin = (size_t)off < all ? (size_t)off : all;

	(void)ino;
	counted(req, FLOOR_READ);
	size = size < all - begin ? size : all - begin;
	if (s == NULL)
		fuse_reply_buf(req, content + begin, size);
	else
		reply_copy(req, s, begin, begin + (size < COPY ? size : COPY));
}

/* Asked once at most: the kernel remembers the answer, even where it doesn't know noflush. */
static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	counted(req, FLOOR_FLUSH);
	fuse_reply_err(req, ENOSYS);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	counted(req, FLOOR_RELEASE);
	free_snapshot((struct snapshot *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

struct listing {
	fuse_req_t req;
	struct snapshot *out;
};

static int add_entry(void *arg, const char *name, uint64_t ino)
{
	struct listing *l = arg;
	struct snapshot *s = l->out;
	struct stat st = { .st_ino = ino, .st_mode = tree_is_dir(ino) ? S_IFDIR : S_IFREG };
	size_t size = fuse_add_direntry(l->req, NULL, 0, name, NULL, 0);

	if (s->size + size > s->capacity) {
		size_t capacity = (s->capacity + size) * 2;
		char *bigger = realloc(s->bytes, capacity);

		if (bigger == NULL)
			return -ENOMEM;
		s->bytes = bigger;
		s->capacity = capacity;
	}
	/* An entry's offset is where the next one begins. */
	fuse_add_direntry(l->req, s->bytes + s->size, size, name, &st, (off_t)(s->size + size));
	s->size += size;
	return 0;
}

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct floor *f = counted(req, FLOOR_OPENDIR);
	struct listing l = { req, calloc(1, sizeof *l.out) };
	int rc = l.out != NULL ? 0 : -ENOMEM;

	if (rc == 0)
		rc = add_entry(&l, ".", ino);
	if (rc == 0)
		rc = add_entry(&l, "..", TREE_ROOT); /* the kernel puts its own number there */
	if (rc == 0)
		rc = tree_each(&f->tree, ino, add_entry, &l);
	if (rc < 0) {
		free_snapshot(l.out);
		fuse_reply_err(req, -rc);
		return;
	}
	fi->fh = (uintptr_t)l.out;
	if (fuse_reply_open(req, fi) == -ENOENT)
		free_snapshot(l.out);
}

/* Whole entries only: a cut one would be lost. */
static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct snapshot *s = (const struct snapshot *)(uintptr_t)fi->fh;
	size_t begin = (size_t)off < s->size ? (size_t)off : s->size, end = begin;

	(void)ino;
	counted(req, FLOOR_READDIR);
	size = size < COPY ? size : COPY;
	while (end < s->size) {
		uint64_t next; /* the second field of an entry in the protocol's layout */

		memcpy(&next, s->bytes + end + sizeof next, sizeof next);
		if (next - begin > size)
			break;
		end = (size_t)next;
	}
	reply_copy(req, s, begin, end);
}

static void do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	counted(req, FLOOR_RELEASEDIR);
	free_snapshot((struct snapshot *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

const struct fuse_lowlevel_ops floor_ops = {
	.lookup = do_lookup,
	.forget = do_forget,
	.forget_multi = do_forget_multi,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.mkdir = do_mkdir,
	.unlink = do_unlink,
	.rmdir = do_rmdir,
	.create = do_create,
	.open = do_open,
	.read = do_read,
	.flush = do_flush,
	.release = do_release,
	.opendir = do_opendir,
	.readdir = do_readdir,
	.releasedir = do_releasedir,
};
