#include "fs/tree/rendition.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BUCKETS = 1024,
	SERIALS = 256,         /* of a file: texts that may be known at a time */
	KEPT = 512,            /* texts that are kept for who opens them, of all files, */
	KEPT_BYTES = 16 << 20, /* and their bytes */
	SOON = 5,              /* seconds in which a thread looks up again what it wants to open: what is older isn't fresh */
	LATE = 60,             /* seconds after which it doesn't any more */
	EXPECTED = 4096,       /* threads */
};

/* A text, or the size of one that is open. */
struct entry {
	struct entry *next; /* of the file */
	struct file_of *file;
	struct entry *older, *newer; /* of those that are kept in memory */
	fuse_ino_t ino;
	off_t size;
	int64_t changed;
	unsigned opens, awaited;
	struct rendered *made; /* NULL: not kept */
	bool listed;           /* among the older and newer */
};

struct file_of {
	struct file_of *next;
	fuse_ino_t plain;
	unsigned serial; /* the last one given */
	struct entry *first;
};

struct expected {
	struct expected *next; /* newer */
	fuse_ino_t plain;
	pid_t thread;
	int64_t since;
	fuse_ino_t ino;      /* that it is to get: the plain one to write, */
	struct entry *entry; /* or a text's; NULL: let go of */
};

struct renditions {
	pthread_mutex_t lock;
	struct file_of *bucket[BUCKETS];
	struct entry *oldest, *newest;
	size_t kept, bytes;
	struct expected *first, **last; /* the oldest first */
	size_t expected;
	unsigned serial; /* where the next file's begin: ids of before are no text's soon again */
};

/* ---- what was made ---------------------------------------------------------------------------------------------- */

enum { SECOND = 1000000000 };

static int64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

struct rendered *rendered_new(const char *spool)
{
	struct rendered *p = malloc(sizeof *p);

	if (p == NULL)
		return NULL;
	*p = (struct rendered){ .begun = monotonic() };
	atomic_init(&p->users, 1);
	spool_init(&p->spool, spool);
	return p;
}

void rendered_enter(struct rendered *p)
{
	atomic_fetch_add(&p->users, 1);
}

void rendered_leave(struct rendered *p)
{
	if (p == NULL || atomic_fetch_sub(&p->users, 1) > 1)
		return;
	spool_free(&p->spool);
	free(p->audience);
	free(p);
}

off_t rendered_size(const struct rendered *p)
{
	return p->spool.fd < 0 ? (off_t)p->spool.mem.size : p->spool.size;
}

static bool is_same(const struct rendered *a, const struct rendered *b)
{
	bool for_same =
		a->audience_size == b->audience_size && (a->audience_size == 0 || memcmp(a->audience, b->audience, a->audience_size) == 0);

	return a == b ||
	       (for_same && a->spool.fd < 0 && b->spool.fd < 0 && a->changed == b->changed && a->spool.mem.size == b->spool.mem.size &&
		(a->spool.mem.size == 0 || memcmp(a->spool.mem.data, b->spool.mem.data, a->spool.mem.size) == 0));
}

/* ---- node ids: the top bit, whether it was asked for, 6 bits of the serial; 2 of it; 6 of the row; the id. The plain one: the type,
 * the row, the id (tree/inode.c). */

enum { IS_SHIFT = 63, ASKED_SHIFT = 62, HIGH_SHIFT = 56, LOW_SHIFT = 54, WHICH_SHIFT = 48 };
static const uint64_t rest = ((uint64_t)1 << LOW_SHIFT) - 1, file_type = (uint64_t)6 << 56;

bool rendition_is(fuse_ino_t ino)
{
	return ino >> IS_SHIFT;
}

bool rendition_asked(fuse_ino_t ino)
{
	return rendition_is(ino) && (ino >> ASKED_SHIFT & 1);
}

fuse_ino_t rendition_plain(fuse_ino_t ino)
{
	return rendition_is(ino) ? (ino & rest) | file_type : ino;
}

static fuse_ino_t compose(fuse_ino_t plain, unsigned serial, bool asked)
{
	return (plain & rest) | (uint64_t)1 << IS_SHIFT | (uint64_t)asked << ASKED_SHIFT | (uint64_t)(serial >> 2) << HIGH_SHIFT |
	       (uint64_t)(serial & 3) << LOW_SHIFT;
}

/* ---- the table: with the lock held ------------------------------------------------------------------------------- */

static struct file_of **place_of(struct renditions *r, fuse_ino_t plain)
{
	struct file_of **at = &r->bucket[(plain * 0x9e3779b97f4a7c15u >> 32) % BUCKETS];

	while (*at != NULL && (*at)->plain != plain)
		at = &(*at)->next;
	return at;
}

static struct entry *find(struct renditions *r, fuse_ino_t ino)
{
	struct file_of *f = *place_of(r, rendition_plain(ino));
	struct entry *e = f == NULL ? NULL : f->first;

	while (e != NULL && e->ino != ino)
		e = e->next;
	return e;
}

static struct file_of *file_of(struct renditions *r, fuse_ino_t plain)
{
	struct file_of **at = place_of(r, plain);

	if (*at == NULL) {
		*at = calloc(1, sizeof **at);
		if (*at != NULL) {
			(*at)->plain = plain;
			(*at)->serial = r->serial++;
		}
	}
	return *at;
}

static void list(struct renditions *r, struct entry *e)
{
	e->listed = true;
	e->newer = NULL;
	e->older = r->newest;
	*(r->newest != NULL ? &r->newest->newer : &r->oldest) = e;
	r->newest = e;
	r->kept++;
	r->bytes += (size_t)e->size;
}

static void unlist(struct renditions *r, struct entry *e)
{
	if (!e->listed)
		return;
	*(e->older != NULL ? &e->older->newer : &r->oldest) = e->newer;
	*(e->newer != NULL ? &e->newer->older : &r->newest) = e->older;
	e->listed = false;
	r->kept--;
	r->bytes -= (size_t)e->size;
}

/* Free what nobody has any use for: the entry, and its file when it was the last one. */
static void tidy(struct renditions *r, struct entry *e)
{
	struct file_of **file = place_of(r, e->file->plain), *f = *file;
	struct entry **at = &f->first;

	/* A file on disk is for who has it open or is about to; a text is kept for a while. */
	if (!e->listed && e->awaited == 0 && (e->made == NULL || e->opens == 0 || e->made->spool.fd >= 0)) {
		rendered_leave(e->made);
		e->made = NULL;
	}
	if (e->made != NULL || e->opens > 0 || e->awaited > 0)
		return;
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	free(e);
	if (f->first == NULL) {
		*file = f->next;
		free(f);
	}
}

static void let_go(struct renditions *r, struct entry *e)
{
	unlist(r, e);
	tidy(r, e);
}

static void make_room(struct renditions *r)
{
	while (r->oldest != r->newest && (r->kept > KEPT || r->bytes > KEPT_BYTES))
		let_go(r, r->oldest);
}

/* It is no longer expected. */
static void forget(struct renditions *r, struct expected **at)
{
	struct expected *x = *at;

	*at = x->next;
	if (r->last == &x->next)
		r->last = at;
	r->expected--;
	if (x->entry != NULL) {
		x->entry->awaited--;
		tidy(r, x->entry);
	}
	free(x);
}

/* Of those that were killed, and never come. */
static void forget_old(struct renditions *r)
{
	int64_t now = monotonic();

	while (r->first != NULL && now - r->first->since > (int64_t)LATE * SECOND)
		forget(r, &r->first);
	for (struct expected *x = r->first; x != NULL && now - x->since > (int64_t)SOON * SECOND; x = x->next)
		if (x->entry != NULL) {
			struct entry *e = x->entry;

			x->entry = NULL;
			e->awaited--;
			tidy(r, e);
		}
}

static struct expected **place_expected(struct renditions *r, fuse_ino_t plain, pid_t thread)
{
	struct expected **at = &r->first;

	while (*at != NULL && ((*at)->plain != plain || (*at)->thread != thread))
		at = &(*at)->next;
	return at;
}

/* ---- the face ------------------------------------------------------------------------------------------------------ */

int renditions_new(struct renditions **out)
{
	struct renditions *r = calloc(1, sizeof *r);

	if (r == NULL)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->last = &r->first;
	r->serial = (unsigned)(monotonic() >> 10);
	*out = r;
	return 0;
}

void renditions_free(struct renditions *r)
{
	if (r == NULL)
		return;
	while (r->first != NULL)
		forget(r, &r->first);
	for (size_t i = 0; i < BUCKETS; i++)
		while (r->bucket[i] != NULL) {
			struct entry *e = r->bucket[i]->first;

			e->opens = 0;
			let_go(r, e);
		}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* A serial that none of the file's texts has which somebody has open: the next, so that it is long until one comes again. 0: there is none.
 */
static fuse_ino_t new_ino(struct renditions *r, struct file_of *f, bool asked)
{
	for (unsigned i = 0; i < SERIALS; i++) {
		struct entry *e;

		f->serial = (f->serial + 1) % SERIALS;
		e = find(r, compose(f->plain, f->serial, false));
		if (e == NULL)
			e = find(r, compose(f->plain, f->serial, true));
		if (e != NULL && (e->opens > 0 || e->awaited > 0))
			continue;
		if (e != NULL)
			let_go(r, e);
		return compose(f->plain, f->serial, asked);
	}
	return 0;
}

/* NULL: no memory, or no id. */
static struct entry *new_entry(struct renditions *r, fuse_ino_t plain, fuse_ino_t ino, bool asked)
{
	struct file_of *f = file_of(r, plain);
	struct entry *e = f == NULL ? NULL : calloc(1, sizeof *e);

	if (e == NULL) {
		if (f != NULL && f->first == NULL) {
			*place_of(r, plain) = f->next;
			free(f);
		}
		return NULL;
	}
	e->file = f;
	e->next = f->first;
	f->first = e; /* before an id is looked for, so that the file stays */
	e->ino = ino != 0 ? ino : new_ino(r, f, asked);
	if (e->ino == 0) {
		tidy(r, e);
		e = NULL;
	}
	return e;
}

/* The text's entry, made if it has none. */
static struct entry *add(struct renditions *r, fuse_ino_t plain, struct rendered *p, bool asked)
{
	struct file_of *f = *place_of(r, plain);
	struct entry *e = f == NULL ? NULL : f->first;

	while (e != NULL && (e->made == NULL || !is_same(e->made, p) || asked != rendition_asked(e->ino)))
		e = e->next;
	if (e == NULL && (e = new_entry(r, plain, 0, asked)) != NULL) {
		e->size = rendered_size(p);
		e->changed = p->changed;
		e->made = p;
		rendered_enter(p);
	}
	if (e != NULL && e->made != p) { /* the same, and younger */
		rendered_enter(p);
		rendered_leave(e->made);
		e->made = p;
	}
	if (e != NULL && p->spool.fd < 0) {
		unlist(r, e);
		list(r, e);
		make_room(r);
	}
	return e;
}

fuse_ino_t renditions_add(struct renditions *r, fuse_ino_t plain, struct rendered *p)
{
	fuse_ino_t ino = plain;
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	forget_old(r);
	e = add(r, plain, p, false);
	if (e != NULL)
		ino = e->ino;
	pthread_mutex_unlock(&r->lock);
	return ino;
}

struct rendered *renditions_recent(struct renditions *r, fuse_ino_t plain, int64_t changed)
{
	struct rendered *p = NULL;
	struct file_of *f;

	pthread_mutex_lock(&r->lock);
	f = *place_of(r, plain);
	for (struct entry *e = f == NULL ? NULL : f->first; p == NULL && e != NULL; e = e->next)
		if (e->made != NULL && e->changed == changed && monotonic() - e->made->begun <= SECOND)
			p = e->made;
	if (p != NULL)
		rendered_enter(p);
	pthread_mutex_unlock(&r->lock);
	return p;
}

/* What is looked at without being looked up is told as it is now, unless somebody has it open. */
static bool is_due(const struct entry *e)
{
	return e->awaited > 0 || (e->made != NULL && monotonic() - e->made->begun <= (int64_t)SOON * SECOND);
}

bool renditions_stat(struct renditions *r, fuse_ino_t ino, off_t *size, int64_t *changed)
{
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	e = find(r, ino);
	if (e != NULL && e->opens == 0 && !is_due(e))
		e = NULL;
	if (e != NULL) {
		*size = e->size;
		*changed = e->changed;
	}
	pthread_mutex_unlock(&r->lock);
	return e != NULL;
}

struct rendered *renditions_open(struct renditions *r, fuse_ino_t ino, bool *shared)
{
	struct rendered *p = NULL;
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	e = find(r, ino);
	if (e != NULL && e->made != NULL && is_due(e)) {
		*shared = e->opens++ > 0;
		p = e->made;
		rendered_enter(p);
	}
	pthread_mutex_unlock(&r->lock);
	return p;
}

int renditions_opened(struct renditions *r, fuse_ino_t ino, off_t size, int64_t changed)
{
	struct entry *e;

	if (!rendition_is(ino))
		return 0;
	pthread_mutex_lock(&r->lock);
	e = find(r, ino);
	if (e == NULL)
		e = new_entry(r, rendition_plain(ino), ino, false);
	/* Whoever has it open already goes by the size that was told him. */
	if (e != NULL && e->opens++ == 0 && !e->listed) {
		e->size = size;
		e->changed = changed;
	}
	pthread_mutex_unlock(&r->lock);
	return e != NULL ? 0 : -ENOMEM;
}

void renditions_close(struct renditions *r, fuse_ino_t ino)
{
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	e = find(r, ino);
	if (e != NULL && e->opens > 0) {
		e->opens--;
		tidy(r, e);
	}
	pthread_mutex_unlock(&r->lock);
}

bool renditions_expect(struct renditions *r, fuse_ino_t plain, pid_t thread, struct rendered *p)
{
	struct expected *x = calloc(1, sizeof *x), **before;
	struct entry *e = NULL;

	if (x == NULL)
		return false;
	pthread_mutex_lock(&r->lock);
	forget_old(r);
	before = place_expected(r, plain, thread);
	if (*before != NULL) /* it never came, and asks anew */
		forget(r, before);
	if (p != NULL && r->expected < EXPECTED)
		e = add(r, plain, p, true);
	if (r->expected < EXPECTED && (p == NULL || e != NULL)) {
		*x = (struct expected){
			.plain = plain, .thread = thread, .since = monotonic(), .ino = e != NULL ? e->ino : plain, .entry = e
		};
		if (e != NULL)
			e->awaited++;
		*r->last = x;
		r->last = &x->next;
		r->expected++;
	} else {
		free(x);
		x = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	return x != NULL;
}

void renditions_tend(struct renditions *r)
{
	pthread_mutex_lock(&r->lock);
	forget_old(r);
	pthread_mutex_unlock(&r->lock);
}

bool renditions_expected(struct renditions *r, fuse_ino_t plain, pid_t thread, fuse_ino_t *ino)
{
	struct expected *x;

	pthread_mutex_lock(&r->lock);
	forget_old(r);
	x = *place_expected(r, plain, thread);
	if (x != NULL)
		*ino = x->ino;
	pthread_mutex_unlock(&r->lock);
	return x != NULL;
}

bool renditions_arrived(struct renditions *r, fuse_ino_t plain, pid_t thread)
{
	struct expected **at;
	bool found;

	pthread_mutex_lock(&r->lock);
	at = place_expected(r, plain, thread);
	found = *at != NULL;
	if (found)
		forget(r, at);
	pthread_mutex_unlock(&r->lock);
	return found;
}
