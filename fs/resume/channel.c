#include "fs/resume/channel.h"

#include "fs/base/log.h"
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* What Debian 12's headers don't know yet. */
#define UNIQUE_RESEND ((uint64_t)1 << 63)
enum {
	CAREFUL = 2,    /* deaths from which on a request is handled alone; */
	BLAMES = 2,     /* and those by it alone, after which it is refused */
	ALONE_MS = 500, /* one that isn't answered in this time waits for something else */
};
enum { NOTIFY_RESEND = 7, HAS_RESEND = 1 << 7 }; /* the latter in flags2: bit 39 of the 64 */

struct wire {
	struct keep *keep;
	int fd;
	bool resend;           /* the kernel can */
	struct before *before; /* what a worker before had read and not answered, by number */
	size_t befores;
	_Atomic bool careful; /* some of it is to be handled alone, and hasn't come yet */
	_Atomic bool turn;    /* a thread reads meanwhile */
	_Atomic bool told;    /* INIT has been handed to the session */
	_Atomic bool begun;   /* and answered: requests may be read */
	_Atomic bool unmounted;
	_Atomic bool caught_up; /* what a worker before had read has been read again */
	_Atomic uint64_t taken;
};

struct before {
	uint64_t unique;
	uint32_t deaths;
};

static _Thread_local struct wire_request current;

const struct wire_request *wire_current(void)
{
	return &current;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static bool can_resend(const struct keep_memory *m)
{
	const struct fuse_init_in *in = (const struct fuse_init_in *)(m->init + sizeof(struct fuse_in_header));

	return atomic_load(&m->init_size) >= sizeof(struct fuse_in_header) + sizeof *in && in->flags & FUSE_INIT_EXT &&
	       in->flags2 & HAS_RESEND;
}

/* The INIT of a mount that goes on. */
static ssize_t replay_init(struct wire *w, void *buf, size_t size)
{
	const struct keep_memory *m = w->keep->memory;
	size_t n = atomic_load(&m->init_size);

	if (n > size)
		n = size;
	memcpy(buf, m->init, n);
	return (ssize_t)n;
}

static void keep_init(struct wire *w, const void *buf, size_t n)
{
	struct keep_memory *m = w->keep->memory;

	if (n > sizeof m->init)
		n = sizeof m->init;
	memcpy(m->init, buf, n);
	atomic_store(&m->init_size, (uint32_t)n);
	w->resend = w->resend && can_resend(m);
}

static int compare(const void *a, const void *b)
{
	const struct before *x = a, *y = b;

	return x->unique < y->unique ? -1 : x->unique > y->unique;
}

static uint32_t deaths_by(const struct wire *w, uint64_t unique)
{
	const struct before *b =
		w->befores == 0 ? NULL : bsearch(&(struct before){ .unique = unique }, w->before, w->befores, sizeof *b, compare);

	return b == NULL ? 0 : b->deaths;
}

/* What the kernel sends again isn't all alike: these have a list of their own, and harm nobody. */
static bool has_answer(const struct fuse_in_header *in)
{
	return in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET && in->opcode != FUSE_INTERRUPT;
}

static void note(struct wire *w, const void *buf, size_t n)
{
	const struct fuse_in_header *in = buf;

	atomic_fetch_add(&w->taken, 1);
	current = (struct wire_request){ in->unique & ~UNIQUE_RESEND, in->unique & UNIQUE_RESEND, in->uid, 0, 0 };
	if (in->opcode == FUSE_POLL && n >= sizeof *in + sizeof(struct fuse_poll_in))
		current.poll = ((const struct fuse_poll_in *)(in + 1))->kh;
	if (in->opcode == FUSE_WRITE && n >= sizeof *in + sizeof(struct fuse_write_in))
		current.files = ((const struct fuse_write_in *)(in + 1))->lock_owner;
	if (in->opcode == FUSE_FLUSH && n >= sizeof *in + sizeof(struct fuse_flush_in))
		current.files = ((const struct fuse_flush_in *)(in + 1))->lock_owner;
	if (in->opcode == FUSE_INIT) {
		keep_init(w, buf, n);
	} else if (has_answer(in)) {
		uint32_t deaths = current.again ? deaths_by(w, current.unique) : 0;

		if (!current.again) { /* those come first */
			atomic_store(&w->caught_up, true);
			atomic_store(&w->careful, false);
		}
		keep_read_add(w->keep, in->unique, deaths);
		if (deaths >= CAREFUL)
			atomic_store(&w->keep->memory->suspect, current.unique);
	}
}

static bool refused(struct wire *w, const void *buf)
{
	const struct fuse_in_header *in = buf;
	const struct fuse_out_header out = { .len = sizeof out, .error = -EIO, .unique = in->unique };

	if (atomic_load(&w->keep->memory->blames) < BLAMES || !(in->unique & UNIQUE_RESEND) || in->opcode == FUSE_INTERRUPT ||
	    (in->unique & ~UNIQUE_RESEND) != atomic_load(&w->keep->memory->blamed))
		return false;
	log_write(NULL, LOG_ERR, "worker after worker fell by one request; it is refused");
	(void)!write(w->fd, &out, sizeof out);
	return true;
}

/* false: nobody need take turns any more. No locks, since these threads may be cancelled wherever they wait. */
static bool take_turn(struct wire *w)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	while (atomic_load(&w->careful)) {
		bool taken = false;

		if (atomic_compare_exchange_strong(&w->turn, &taken, true))
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

/* The one before is answered, or waits for something. All that is sent again is there at once. */
static void wait_alone(struct wire *w)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	for (int ms = 0; ms < ALONE_MS && atomic_load(&w->keep->memory->suspect) != 0; ms++)
		nanosleep(&moment, NULL);
	if (poll(&p, 1, 0) == 0)
		atomic_store(&w->careful, false);
}

static ssize_t read_request(struct wire *w, void *buf, size_t size)
{
	bool alone = take_turn(w);
	ssize_t n;

	do {
		if (alone)
			wait_alone(w);
		n = read(w->fd, buf, size);
	} while (n >= (ssize_t)sizeof(struct fuse_in_header) && refused(w, buf));
	if (n >= (ssize_t)sizeof(struct fuse_in_header))
		note(w, buf, (size_t)n);
	if (alone)
		atomic_store(&w->turn, false);
	return n;
}

static ssize_t wire_read(int fd, void *buf, size_t size, void *userdata)
{
	struct wire *w = ((struct fs *)userdata)->wire;
	const struct timespec moment = { .tv_nsec = 50000 };
	ssize_t n;

	(void)fd; /* it is w->fd */
	if (!atomic_exchange(&w->told, true)) {
		current = (struct wire_request){ 0 };
		return replay_init(w, buf, size);
	}
	while (!atomic_load(&w->begun)) /* another thread is at it: microseconds */
		nanosleep(&moment, NULL);
	n = read_request(w, buf, size);
	/* An unmount by force ends a read with ENODEV, or with ECONNABORTED where it came while a request was being copied
	 * (linux, fs/fuse/dev.c, fuse_dev_do_read). libfuse takes the first alone for an end. */
	if (n < 0 && errno == ECONNABORTED)
		errno = ENODEV;
	if (n < 0 && errno == ENODEV)
		atomic_store(&w->unmounted, true);
	return n;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void refuse_unanswered(struct wire *w)
{
	for (size_t i = 0; i < KEEP_READ; i++) {
		struct fuse_out_header out = { .len = sizeof out, .error = -EIO };

		out.unique = atomic_exchange(&w->keep->memory->read[i], 0);
		if (out.unique != 0)
			(void)!write(w->fd, &out, sizeof out);
	}
}

/* What the last worker had read: how many have died with it, and whether the last died by it. */
static void look_back(struct wire *w)
{
	struct keep_memory *m = w->keep->memory;
	bool died = !atomic_exchange(&m->left, false);
	uint64_t suspect = atomic_exchange(&m->suspect, 0);

	if (died && suspect != 0)
		atomic_store(&m->blames, suspect == atomic_exchange(&m->blamed, suspect) ? atomic_load(&m->blames) + 1 : 1);
	w->before = calloc(KEEP_READ, sizeof *w->before); /* for want of memory nobody is suspected */
	for (size_t i = 0; i < KEEP_READ; i++) {
		uint64_t unique = atomic_exchange(&m->read[i], 0);
		uint32_t deaths = atomic_load(&m->deaths[i]) + died;

		if (unique == 0 || w->before == NULL)
			continue;
		w->before[w->befores++] = (struct before){ unique & ~UNIQUE_RESEND, deaths };
		if (deaths >= CAREFUL)
			atomic_store(&w->careful, true);
	}
	if (w->befores > 0)
		qsort(w->before, w->befores, sizeof *w->before, compare);
}

/* The session knows how to talk: from here on requests come. */
static void begin(struct wire *w, bool resume)
{
	const struct fuse_out_header again = { .len = sizeof again, .error = NOTIFY_RESEND };

	if (resume && w->resend) {
		look_back(w);
		(void)!write(w->fd, &again, sizeof again);
	} else if (resume) {
		refuse_unanswered(w);
	}
	atomic_store(&w->begun, true);
}

/* An answer to the kernel's INIT, of which there is one on a mount. */
static bool is_init(const struct keep_memory *m, uint64_t unique)
{
	return unique != 0 && atomic_load(&m->init_size) != 0 && unique == ((const struct fuse_in_header *)m->init)->unique;
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct wire *w = ((struct fs *)userdata)->wire;
	const struct fuse_out_header *out = iov[0].iov_base;
	struct keep_memory *m = w->keep->memory;
	uint64_t unique = out->unique;
	size_t total = 0;
	ssize_t n;

	if (is_init(m, unique) && atomic_load(&m->init_answered)) {
		for (int i = 0; i < count; i++)
			total += iov[i].iov_len;
		begin(w, true);
		return (ssize_t)total;
	}
	n = writev(fd, iov, count);
	if (unique != 0)
		keep_read_remove(w->keep, unique);
	if (unique != 0 && (unique & ~UNIQUE_RESEND) == atomic_load(&m->suspect))
		atomic_store(&m->suspect, 0);
	if (is_init(m, unique) && n >= 0) {
		atomic_store(&m->init_answered, true);
		begin(w, false);
	}
	return n;
}

void wire_parked(struct wire *w)
{
	uint64_t unique = current.unique;

	if (unique != 0)
		atomic_compare_exchange_strong(&w->keep->memory->suspect, &unique, 0);
}

void wire_wake(struct wire *w, uint64_t poll)
{
	struct {
		struct fuse_out_header header;
		struct fuse_notify_poll_wakeup_out wakeup;
	} out = { .header = { .len = sizeof out, .error = FUSE_NOTIFY_POLL }, .wakeup = { .kh = poll } };

	(void)!write(w->fd, &out, sizeof out);
}

/* ---- life ------------------------------------------------------------------------------------------------- */

static const struct fuse_custom_io io = { .read = wire_read, .writev = wire_writev };

int wire_possible(struct fuse_session *session, int fd)
{
	int rc, own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own < 0)
		return -errno;
	rc = fuse_session_custom_io(session, &io, own);
	if (rc < 0)
		close(own);
	return rc;
}

int wire_start(struct fuse_session *session, struct keep *keep, int fd, bool resend, struct wire **out)
{
	struct wire *w = calloc(1, sizeof *w);
	int rc = w == NULL ? -ENOMEM : fuse_session_custom_io(session, &io, fd);

	if (rc < 0) {
		free(w);
		return rc;
	}
	w->keep = keep;
	w->fd = fd;
	w->resend = resend && (atomic_load(&keep->memory->init_size) == 0 || can_resend(keep->memory));
	/* A mount's first INIT is read like any request. */
	if (atomic_load(&keep->memory->init_size) == 0) {
		atomic_store(&w->told, true);
		atomic_store(&w->begun, true);
	}
	*out = w;
	return 0;
}

void wire_free(struct wire *w)
{
	if (w != NULL)
		free(w->before);
	free(w);
}

bool wire_unmounted(const struct wire *w)
{
	return atomic_load(&w->unmounted);
}

void wire_load(const struct wire *w, struct wire_load *out)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	out->waiting = poll(&p, 1, 0) > 0 && p.revents & POLLIN;
	out->taken = atomic_load(&w->taken);
	out->caught_up = atomic_load(&w->begun) && (!out->waiting || atomic_load(&w->caught_up));
}
