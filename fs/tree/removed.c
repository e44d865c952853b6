#include "fs/tree/removed.h"

#include "fs/tree/inode.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { ROOM = 8192, BUCKETS = 1024 };

/* In its slot's content; the text is in its bodies. */
struct kept {
	struct timespec atim, mtim, ctim;
	uint64_t size;
	uint32_t mode, uid, gid, text;
};
_Static_assert(sizeof(struct kept) <= KEEP_CONTENT, "a slot has room for the attributes");
_Static_assert(IPAM_LEASE_TEXT <= 2 * KEEP_TEXT, "and for a lease's text");

struct removed {
	struct handle handle; /* whose slot it is in, once it is removed */
	fuse_ino_t ino;
	struct removed *next; /* in its bucket */
	struct removed *older, *younger;
	struct kept kept; /* until then */
	char text[IPAM_LEASE_TEXT];
};

struct removals {
	atomic_uint n; /* who sees none needs no lock */
	pthread_mutex_t lock;
	struct removed *bucket[BUCKETS], *oldest, *youngest;
};

int removals_new(struct removals **out)
{
	struct removals *all = calloc(1, sizeof *all);

	if (all == NULL)
		return -ENOMEM;
	pthread_mutex_init(&all->lock, NULL);
	*out = all;
	return 0;
}

void removals_free(struct removals *all)
{
	if (all == NULL)
		return;
	while (all->oldest != NULL) {
		struct removed *r = all->oldest;

		all->oldest = r->younger;
		free(r);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* ---- the table, with its lock held ------------------------------------------------------------------------------ */

/* Where the one with this node id is, or would be. */
static struct removed **find(struct removals *all, fuse_ino_t ino)
{
	struct removed **at = &all->bucket[ino * 0x9e3779b97f4a7c15u >> 54];

	while (*at != NULL && (*at)->ino != ino)
		at = &(*at)->next;
	return at;
}

static void add(struct removals *all, struct removed *r)
{
	struct removed **at = find(all, r->ino);

	r->next = *at;
	*at = r;
	r->older = all->youngest;
	r->younger = NULL;
	if (all->youngest != NULL)
		all->youngest->younger = r;
	else
		all->oldest = r;
	all->youngest = r;
	atomic_fetch_add(&all->n, 1);
}

static void drop(struct fs *fs, struct removed *r)
{
	struct removals *all = fs->removals;

	*find(all, r->ino) = r->next;
	if (r->older != NULL)
		r->older->younger = r->younger;
	else
		all->oldest = r->younger;
	if (r->younger != NULL)
		r->younger->older = r->older;
	else
		all->youngest = r->older;
	atomic_fetch_sub(&all->n, 1);
	handle_close(fs, &r->handle);
	free(r);
}

static struct kept *kept_of(struct fs *fs, const struct removed *r)
{
	return (struct kept *)(void *)handle_slot(fs, &r->handle)->file.content;
}

/* ---- removing -------------------------------------------------------------------------------------------------- */

struct removed *removed_of(struct fs *fs, fuse_ino_t parent, const char *name)
{
	struct removed *r = malloc(sizeof *r);
	struct fuse_entry_param e;
	int rc = r == NULL ? -ENOMEM : node_lookup(fs, parent, name, &e), size = 0;

	if (rc == 0 && node_ref(e.ino).type == NODE_LAST)
		rc = -ENOENT; /* made again, it has its node id again */
	if (rc == 0 && node_ref(e.ino).type == NODE_LEASE)
		size = rc = ipam_lease_text(fs->ipam, node_ref(e.ino).id, r->text);
	if (rc < 0) {
		free(r);
		return NULL;
	}
	r->ino = e.ino;
	r->kept = (struct kept){
		.atim = e.attr.st_atim,
		.mtim = e.attr.st_mtim,
		.ctim = e.attr.st_ctim,
		.size = (uint64_t)e.attr.st_size,
		.mode = e.attr.st_mode,
		.uid = e.attr.st_uid,
		.gid = e.attr.st_gid,
		.text = (uint32_t)size,
	};
	return r;
}

static void discard(struct fs *fs, struct handle *h)
{
	(void)fs, (void)h; /* nobody opened it */
}

static const struct handle_ops ops = { .discard = discard };

/* Into its slot: false, there is none. */
static bool keep(struct fs *fs, struct removed *r)
{
	struct fuse_file_info nobody = { 0 };
	struct keep_slot *s;

	clock_gettime(CLOCK_REALTIME, &r->kept.ctim);
	r->handle.ops = &ops;
	if (handle_open(fs, &r->handle, KEEP_FREE, r->ino, 0, &nobody) < 0)
		return false;
	s = handle_slot(fs, &r->handle);
	memcpy(s->file.content, &r->kept, sizeof r->kept);
	memcpy(s->file.body, r->text, r->kept.text);
	atomic_store(&s->kind, KEEP_REMOVED);
	return true;
}

void removed_settle(struct fs *fs, struct removed *r, bool gone)
{
	struct removals *all = fs->removals;

	if (r == NULL)
		return;
	if (!gone || !keep(fs, r)) {
		free(r);
		return;
	}
	pthread_mutex_lock(&all->lock);
	if (atomic_load(&all->n) == ROOM)
		drop(fs, all->oldest);
	if (*find(all, r->ino) == NULL) {
		add(all, r);
		r = NULL;
	}
	pthread_mutex_unlock(&all->lock);
	if (r == NULL)
		return;
	handle_close(fs, &r->handle);
	free(r);
}

void removed_forget(struct fs *fs, fuse_ino_t ino)
{
	struct removals *all = fs->removals;
	struct removed *r;

	if (atomic_load(&all->n) == 0)
		return;
	pthread_mutex_lock(&all->lock);
	r = *find(all, ino);
	if (r != NULL)
		drop(fs, r);
	pthread_mutex_unlock(&all->lock);
}

int removed_reopen(struct fs *fs, struct keep_slot *slot, int fd, struct handle **out)
{
	struct removed *r = calloc(1, sizeof *r);

	(void)fd; /* it has none */
	if (r == NULL)
		return -ENOMEM;
	r->handle.ops = &ops;
	r->ino = slot->ino;
	add(fs->removals, r);
	*out = &r->handle;
	return 0;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

/* With the lock held, if it is there. */
static struct removed *enter(struct fs *fs, fuse_ino_t ino)
{
	struct removals *all = fs->removals;
	struct removed *r;

	if (atomic_load(&all->n) == 0)
		return NULL;
	pthread_mutex_lock(&all->lock);
	r = *find(all, ino);
	if (r == NULL)
		pthread_mutex_unlock(&all->lock);
	return r;
}

static void leave(struct fs *fs)
{
	pthread_mutex_unlock(&fs->removals->lock);
}

static void fill(const struct removed *r, const struct kept *k, struct stat *st)
{
	*st = (struct stat){
		.st_ino = node_number(r->ino),
		.st_mode = k->mode,
		.st_uid = k->uid,
		.st_gid = k->gid,
		.st_size = (off_t)k->size,
		.st_blksize = 4096,
		.st_atim = k->atim,
		.st_mtim = k->mtim,
		.st_ctim = k->ctim,
	};
}

int removed_stat(struct fs *fs, fuse_ino_t ino, struct stat *st)
{
	const struct removed *r = enter(fs, ino);

	if (r == NULL)
		return -ENOENT;
	fill(r, kept_of(fs, r), st);
	leave(fs);
	return 0;
}

int removed_set(struct fs *fs, fuse_ino_t ino, unsigned which, const struct ipam_attr *a, struct stat *st)
{
	const struct removed *r = enter(fs, ino);
	struct kept *k;

	if (r == NULL)
		return -ENOENT;
	k = kept_of(fs, r);
	if (which & IPAM_SET_MODE)
		k->mode = (k->mode & S_IFMT) | a->mode;
	if (which & IPAM_SET_UID)
		k->uid = a->uid;
	if (which & IPAM_SET_GID)
		k->gid = a->gid;
	if (which & IPAM_SET_ATIME)
		k->atim = node_time(a->atime);
	if (which & IPAM_SET_MTIME)
		k->mtim = node_time(a->mtime);
	clock_gettime(CLOCK_REALTIME, &k->ctim);
	fill(r, k, st);
	leave(fs);
	return 0;
}

int removed_text(struct fs *fs, fuse_ino_t ino, char out[IPAM_LEASE_TEXT])
{
	const struct removed *r = enter(fs, ino);
	int size;

	if (r == NULL)
		return -ENOENT;
	size = (int)kept_of(fs, r)->text;
	memcpy(out, handle_slot(fs, &r->handle)->file.body, (size_t)size);
	out[size] = 0;
	leave(fs);
	return size;
}
