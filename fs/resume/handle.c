#include "fs/resume/handle.h"

#include "fs/base/bounds.h"
#include "fs/base/log.h"
#include "fs/fs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

struct handles {
	struct keep *keep;
	struct bounds *bounds;
	pthread_mutex_t lock; /* free, frees, ready */
	uint32_t *free, frees, room;
	struct orphan {
		_Atomic uint64_t request; /* 0: no longer; each is its own request's to clear, and others look at it */
		uint32_t slot;
	} * orphan; /* opened by requests that were not answered */
	size_t orphans;
	_Atomic(struct handle *) handle[KEEP_HANDLES];
};

/* The kernel's number: slot and sequence, so that one which was closed is not taken for the next in its slot. 0: none. */
static uint64_t number(const struct keep_slot *s, uint32_t slot)
{
	return (uint64_t)s->sequence << 32 | (slot + 1);
}

int handles_new(struct keep *keep, struct handles **out)
{
	struct handles *hs = calloc(1, sizeof *hs);

	if (hs == NULL)
		return -ENOMEM;
	hs->keep = keep;
	if (bounds_new(&hs->bounds) < 0) {
		free(hs);
		return -ENOMEM;
	}
	pthread_mutex_init(&hs->lock, NULL);
	*out = hs;
	return 0;
}

void handles_free(struct handles *hs)
{
	if (hs == NULL)
		return;
	free(hs->free);
	free(hs->orphan);
	bounds_free(hs->bounds);
	pthread_mutex_destroy(&hs->lock);
	free(hs);
}

/* ---- slots ------------------------------------------------------------------------------------------------ */

/* -ENFILE. The one that was freed last first, so that few pages are in use. */
static int take(struct handles *hs, uint32_t *slot)
{
	struct keep_memory *m = hs->keep->memory;
	int rc = 0;

	pthread_mutex_lock(&hs->lock);
	if (hs->frees > 0)
		*slot = hs->free[--hs->frees];
	else if (atomic_load(&m->slots) < KEEP_HANDLES)
		*slot = atomic_fetch_add(&m->slots, 1);
	else
		rc = -ENFILE;
	pthread_mutex_unlock(&hs->lock);
	return rc;
}

static void give_back(struct handles *hs, uint32_t slot)
{
	pthread_mutex_lock(&hs->lock);
	if (hs->frees == hs->room) {
		uint32_t room = hs->room == 0 ? 64 : hs->room * 2;
		uint32_t *bigger = reallocarray(hs->free, room, sizeof *bigger);

		if (bigger != NULL) {
			hs->free = bigger;
			hs->room = room;
		}
	}
	if (hs->frees < hs->room) /* else it is found again by the next worker */
		hs->free[hs->frees++] = slot;
	pthread_mutex_unlock(&hs->lock);
}

/* The request was made again, and has opened anew, or is refused. */
static void discard_orphan(struct fs *fs, uint64_t request, const struct handle *instead)
{
	struct handles *hs = fs->handles;

	for (size_t i = 0; i < hs->orphans; i++) {
		uint32_t slot = hs->orphan[i].slot;
		struct handle *h;

		if (atomic_load(&hs->orphan[i].request) != request)
			continue;
		/* All: several workers may have died at it. */
		atomic_store(&hs->orphan[i].request, 0);
		if (atomic_load(&hs->keep->memory->slot[slot].opening) != request)
			continue; /* it was answered, and is another's by now */
		h = atomic_load(&hs->handle[slot]);
		if (h != NULL && h != instead)
			h->ops->discard(fs, h);
	}
}

int handle_open(struct fs *fs, struct handle *h, enum keep_kind kind, fuse_ino_t ino, uint64_t request, struct fuse_file_info *fi)
{
	struct handles *hs = fs->handles;
	struct keep_slot *s;
	int rc;

	rc = take(hs, &h->slot);
	if (rc < 0)
		return rc;
	s = &hs->keep->memory->slot[h->slot];
	s->sequence++;
	s->ino = ino;
	atomic_store(&s->opening, request);
	atomic_store(&s->holds, 0);
	atomic_store(&s->flags, 0);
	memset(&s->file, 0, offsetof(struct keep_slot, file.content) - offsetof(struct keep_slot, file));
	atomic_store(&s->kind, kind);
	atomic_store(&hs->handle[h->slot], h);
	fi->fh = number(s, h->slot);
	return 0;
}

int handle_hold(struct fs *fs, const struct handle *h, int fd, uint32_t uid)
{
	struct handles *hs = fs->handles;
	struct keep_slot *s = handle_slot(fs, h);
	int rc = bounds_take(hs->bounds, uid);

	if (rc < 0)
		return rc;
	rc = keep_hold(hs->keep, h->slot, fd);
	if (rc < 0) {
		bounds_give(hs->bounds, uid);
		return rc;
	}
	s->uid = uid;
	atomic_fetch_or(&s->flags, KEEP_BIG);
	return 0;
}

static void let_go(struct handles *hs, uint32_t slot)
{
	struct keep_slot *s = &hs->keep->memory->slot[slot];

	if (!(atomic_load(&s->flags) & KEEP_BIG))
		return;
	keep_drop(hs->keep, slot);
	bounds_give(hs->bounds, s->uid);
}

void handle_close(struct fs *fs, struct handle *h)
{
	struct handles *hs = fs->handles;
	struct keep_slot *s = handle_slot(fs, h);

	let_go(hs, h->slot);
	atomic_store(&s->kind, KEEP_FREE);
	atomic_store(&hs->handle[h->slot], NULL);
	give_back(hs, h->slot);
}

struct keep_slot *handle_slot(struct fs *fs, const struct handle *h)
{
	return &fs->handles->keep->memory->slot[h->slot];
}

struct handle *handle_of(struct fs *fs, const struct fuse_file_info *fi)
{
	uint32_t slot = (uint32_t)fi->fh - 1;

	if (fi->fh == 0 || slot >= KEEP_HANDLES || number(&fs->handles->keep->memory->slot[slot], slot) != fi->fh)
		return NULL;
	return atomic_load(&fs->handles->handle[slot]);
}

void handle_forget(struct fs *fs, const struct fuse_file_info *fi)
{
	uint32_t slot = (uint32_t)fi->fh - 1;
	struct keep_slot *s;

	if (fi->fh == 0 || slot >= KEEP_HANDLES)
		return;
	s = &fs->handles->keep->memory->slot[slot];
	if (number(s, slot) != fi->fh || atomic_exchange(&s->kind, KEEP_FREE) == KEEP_FREE)
		return;
	let_go(fs->handles, slot);
	give_back(fs->handles, slot);
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

/* Whether the kernel took it. Once it has, the release may have come already, and the slot may be another's. */
static void opened(struct fs *fs, struct fuse_file_info *fi, struct keep_slot *s, uint64_t request, int rc)
{
	struct handle *h = rc == -ENOENT ? handle_of(fs, fi) : NULL;

	if (h != NULL)
		h->ops->discard(fs, h); /* interrupted: no release will come */
	else if (s != NULL)
		atomic_compare_exchange_strong(&s->opening, &request, 0);
}

static struct keep_slot *slot_of(struct fs *fs, const struct fuse_file_info *fi, uint64_t *request)
{
	struct handle *h = handle_of(fs, fi);
	struct keep_slot *s = h == NULL ? NULL : handle_slot(fs, h);

	*request = s == NULL ? 0 : atomic_load(&s->opening);
	/* Now that the new one holds what both do. */
	if (s != NULL && fs->handles->orphans > 0)
		discard_orphan(fs, *request, h);
	return s;
}

void handle_refused(struct fs *fs, uint64_t request)
{
	if (fs->handles->orphans > 0)
		discard_orphan(fs, request, NULL);
}

void handle_reply_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi)
{
	uint64_t request;
	struct keep_slot *s = slot_of(fs, fi, &request);

	opened(fs, fi, s, request, fuse_reply_open(req, fi));
}

void handle_reply_create(struct fs *fs, fuse_req_t req, const struct fuse_entry_param *e, struct fuse_file_info *fi)
{
	uint64_t request;
	struct keep_slot *s = slot_of(fs, fi, &request);

	opened(fs, fi, s, request, fuse_reply_create(req, e, fi));
}

/* ---- taking over ------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct handle_file *x = a, *y = b;

	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void reopen_slot(struct fs *fs, handle_reopen *const *reopen, uint32_t slot, const struct handle_file *file)
{
	struct handles *hs = fs->handles;
	struct keep_slot *s = &hs->keep->memory->slot[slot];
	uint32_t kind = atomic_load(&s->kind);
	uint64_t opening = atomic_load(&s->opening);
	struct handle *h = NULL;
	int rc = -EINVAL;

	if (kind < KEEP_KINDS && reopen[kind] != NULL)
		rc = reopen[kind](fs, s, file != NULL ? file->fd : -1, &h);
	if (rc < 0 && opening != 0) {
		atomic_store(&s->kind, KEEP_FREE); /* nobody has it, or its request comes again */
		give_back(hs, slot);
		return;
	}
	if (atomic_load(&s->flags) & KEEP_BIG)
		bounds_found(hs->bounds, s->uid);
	if (rc < 0) {
		/* What it was open for is gone: who has it hears of that when he uses it. */
		if (rc != -ENOENT)
			log_write(NULL, LOG_WARNING, "an open file could not be taken over");
		return;
	}
	h->slot = slot;
	atomic_store(&hs->handle[slot], h);
	if (opening != 0) {
		struct orphan *more = reallocarray(hs->orphan, hs->orphans + 1, sizeof *more);

		if (more != NULL) {
			hs->orphan = more;
			hs->orphan[hs->orphans++] = (struct orphan){ opening, slot };
		}
	}
}

void handles_reopen(struct fs *fs, handle_reopen *const *reopen, struct handle_file *file, size_t files)
{
	struct handles *hs = fs->handles;
	uint32_t slots = atomic_load(&hs->keep->memory->slots);
	size_t at = 0;

	if (files > 0)
		qsort(file, files, sizeof *file, compare);
	for (uint32_t i = 0; i < slots; i++) {
		bool used = atomic_load(&hs->keep->memory->slot[i].kind) != KEEP_FREE;

		while (at < files && file[at].slot < i)
			close(file[at++].fd);
		if (used)
			reopen_slot(fs, reopen, i, at < files && file[at].slot == i ? &file[at++] : NULL);
		else
			give_back(hs, i);
	}
	while (at < files)
		close(file[at++].fd);
}
