#include "wire.h"

#include "fs.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What Debian 12's headers don't know yet. */
#define UNIQUE_RESEND ((uint64_t)1 << 63)
enum { POISONED = 4 };
enum { NOTIFY_RESEND = 7, HAS_RESEND = 1 << 7 }; /* the latter in flags2: bit 39 of the 64 */

struct wire {
	struct keep *keep;
	int fd;
	bool resend;        /* the kernel can */
	bool poisoned;      /* what it sends again is refused: it may be what kills worker after worker */
	_Atomic bool told;  /* INIT has been handed to the session */
	_Atomic bool begun; /* and answered: requests may be read */
	_Atomic bool unmounted;
	_Atomic bool caught_up; /* what a worker before had read has been read again */
	_Atomic uint64_t taken;
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

static void note(struct wire *w, const void *buf, size_t n)
{
	const struct fuse_in_header *in = buf;

	atomic_fetch_add(&w->taken, 1);
	current = (struct wire_request){ in->unique & ~UNIQUE_RESEND, in->unique & UNIQUE_RESEND, in->uid, 0 };
	if (in->opcode == FUSE_POLL && n >= sizeof *in + sizeof(struct fuse_poll_in))
		current.poll = ((const struct fuse_poll_in *)(in + 1))->kh;
	if (in->opcode == FUSE_INIT) {
		keep_init(w, buf, n);
	} else if (in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET && in->opcode != FUSE_INTERRUPT) {
		if (!current.again) /* those come first, but for these three, which have a list of their own */
			atomic_store(&w->caught_up, true);
		keep_read_add(w->keep, in->unique);
	}
}

static bool refused(struct wire *w, const void *buf)
{
	const struct fuse_in_header *in = buf;
	const struct fuse_out_header out = { .len = sizeof out, .error = -EIO, .unique = in->unique };

	if (!w->poisoned || !(in->unique & UNIQUE_RESEND) || in->opcode == FUSE_INTERRUPT || in->opcode == FUSE_RELEASE ||
	    in->opcode == FUSE_RELEASEDIR)
		return false;
	(void)!write(w->fd, &out, sizeof out);
	return true;
}

static ssize_t wire_read(int fd, void *buf, size_t size, void *userdata)
{
	struct wire *w = ((struct fs *)userdata)->wire;
	const struct timespec moment = { .tv_nsec = 50000 };
	ssize_t n;

	if (!atomic_exchange(&w->told, true)) {
		current = (struct wire_request){ 0 };
		return replay_init(w, buf, size);
	}
	while (!atomic_load(&w->begun)) /* another thread is at it: microseconds */
		nanosleep(&moment, NULL);
	do
		n = read(fd, buf, size);
	while (n >= (ssize_t)sizeof(struct fuse_in_header) && refused(w, buf));
	if (n >= (ssize_t)sizeof(struct fuse_in_header))
		note(w, buf, (size_t)n);
	else if (n < 0 && errno == ENODEV)
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

/* The session knows how to talk: from here on requests come. */
static void begin(struct wire *w, bool resume)
{
	const struct fuse_out_header again = { .len = sizeof again, .error = NOTIFY_RESEND };

	if (resume && w->resend) {
		for (size_t i = 0; i < KEEP_READ; i++)
			atomic_store(&w->keep->memory->read[i], 0);
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
	if (is_init(m, unique) && n >= 0) {
		atomic_store(&m->init_answered, true);
		begin(w, false);
	}
	return n;
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

int wire_start(struct fuse_session *session, struct keep *keep, int fd, bool resend, struct wire **out)
{
	static const struct fuse_custom_io io = { .read = wire_read, .writev = wire_writev };
	struct wire *w = calloc(1, sizeof *w);
	int rc = w == NULL ? -ENOMEM : fuse_session_custom_io(session, &io, fd);

	if (rc < 0) {
		free(w);
		return rc;
	}
	w->keep = keep;
	w->fd = fd;
	w->resend = resend && (atomic_load(&keep->memory->init_size) == 0 || can_resend(keep->memory));
	w->poisoned = atomic_load(&keep->memory->short_lives) >= POISONED;
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
	free(w);
}

bool wire_unmounted(const struct wire *w)
{
	return atomic_load(&w->unmounted);
}

bool wire_begun(const struct wire *w)
{
	return atomic_load(&w->begun);
}

void wire_load(const struct wire *w, struct wire_load *out)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	out->waiting = poll(&p, 1, 0) > 0 && p.revents & POLLIN;
	out->taken = atomic_load(&w->taken);
	out->caught_up = atomic_load(&w->begun) && (!out->waiting || atomic_load(&w->caught_up));
}
