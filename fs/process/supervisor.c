#include "fs/process/supervisor.h"

#include "fs/base/log.h"
#include "fs/process/beside.h"
#include "fs/process/mounter.h"
#include "fs/process/supervisor_part.h"
#include "fs/process/worker.h"
#include "fs/process/workers.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

enum {
	BACKOFF_MS = 10,
	BACKOFF_MAX_MS = 1000, /* between workers that end soon; clients wait for it */
	SOON_MS = 1000,
	REAP_TRIES = 50, /* milliseconds */
	HOPELESS = 10,   /* workers in a row that can't open the database, or serve */
	/* At the end, milliseconds: for answering what was asked, for storing what was acknowledged, and for dying. */
	ANSWER_MS = 3000,
	STORE_MS = 30000,
	KILL_MS = 5000,
};

/* ---- what a worker says ------------------------------------------------------------------------------------ */

static void give_up(struct supervisor *s)
{
	s->ending = s->failed = true;
	s->force = s->leave = now_ms();
}

static void put_aside(const struct supervisor *s)
{
	int rc = beside_put_aside(worker_database(s->options));

	if (rc < 0)
		log_print(LOG_ERR, "%s-wal isn't the database's own, and can't be renamed: %s", worker_database(s->options), strerror(-rc));
}

static void hear(struct supervisor *s, const struct keep_message *m, int fd)
{
	switch (m->word) {
	case KEEP_READY:
		if (workers_hand_over(s) < 0)
			give_up(s);
		break;
	case KEEP_FAILED:
		log_print(LOG_ERR, "%s", m->text);
		if (s->device.fd < 0 || ++s->hopeless >= HOPELESS)
			give_up(s);
		break;
	case KEEP_HOLD:
		if (fd >= 0 && holds_put(&s->holds, m->slot, fd) == 0)
			return;
		break;
	case KEEP_DROP:
		holds_drop(&s->holds, m->slot);
		break;
	case KEEP_ASIDE:
		put_aside(s);
		break;
	case KEEP_TRACKS:
		workers_begin_ahead(s);
		break;
	case KEEP_TOUCHED:
		if (s->touched >= 0)
			close(s->touched);
		s->touched = fd;
		return;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

/* Of workers that have ended: how. */
static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
			log_print(LOG_ERR, "worker %d was killed by signal %d (%s)", (int)pid, WTERMSIG(status),
				  strsignal(WTERMSIG(status)));
			s->fell = true;
		} else if (!WIFSIGNALED(status) && !well && !s->failed && s->device.fd >= 0) {
			if (s->hopeless == 0)
				log_print(LOG_ERR, "worker %d ended with status %d", (int)pid, WEXITSTATUS(status));
			s->fell = true;
		}
		if (pid == s->worker) {
			s->worker = 0;
			s->quit = WIFEXITED(status) && !well;
		}
	}
}

/* It has closed all, or been left in the kernel. */
static void reap_for_a_moment(struct supervisor *s)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	reap(s);
	for (int i = 0; i < REAP_TRIES && s->worker > 0; i++, reap(s))
		nanosleep(&moment, NULL);
}

static void worker_gone(struct supervisor *s)
{
	int64_t now = now_ms(), lived;

	close(s->socket);
	s->socket = -1;
	reap_for_a_moment(s);
	s->worker = 0;
	if (atomic_load(&s->keep.memory->unmounted))
		s->ending = true;
	if (s->ending) {
		workers_forget_ahead(s);
		return;
	}
	if (s->ahead_socket >= 0) {
		workers_follow(s);
		return;
	}
	/* Who kills it from outside has his reasons; one that falls by itself may fall again, by the same request. */
	lived = (s->killed != 0 ? s->beat_seen : now) - s->began; /* one that hung was dead since its last beat */
	/* Of those that could not open it hear() keeps count. */
	if (s->ready && (lived > SOON_MS || !s->quit)) {
		s->hopeless = 0;
	} else if (s->ready && ++s->hopeless >= HOPELESS) {
		log_print(LOG_ERR, "worker after worker can't serve; the mount ends");
		give_up(s);
		return;
	}
	if (lived > SOON_MS || (s->ready && !s->fell && s->killed == 0)) {
		s->backoff = 0;
	} else {
		s->backoff = s->backoff == 0 ? BACKOFF_MS : s->backoff * 2;
		if (s->backoff > BACKOFF_MAX_MS)
			s->backoff = BACKOFF_MAX_MS;
	}
	s->next = now + s->backoff;
	s->ready = false;
	if (!s->handing)
		log_print(LOG_WARNING, "the worker ended; another takes over, and clients wait");
}

/* ---- what happens ----------------------------------------------------------------------------------------- */

static void end_mount(struct supervisor *s)
{
	s->force = s->ending ? now_ms() : now_ms() + ANSWER_MS; /* asked twice: at once */
	s->leave = s->ending ? s->force : s->force + STORE_MS;
	s->ending = true;
	atomic_store(&s->keep.memory->ending, true);
	if (s->worker > 0)
		kill(s->worker, SIGTERM);
}

static void renew(struct supervisor *s)
{
	struct handover h = { s->keep.fd, s->lock, s->socket, &s->device, s->worker, &s->holds };

	if (!s->ready || s->ending || s->handing || s->ahead_socket >= 0) {
		log_print(LOG_WARNING, "not now: %s", s->ending ? "the mount ends" : "a worker is just taking over");
		return;
	}
	log_print(LOG_NOTICE, "another program takes over");
	/* Signals stay blocked, and wait for the next one. It returns where it can't. */
	handover_execute(&h, s->argv);
}

static void hear_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(s);
		else if (info.ssi_signo == SIGHUP)
			renew(s);
		else
			end_mount(s);
	}
}

/* A worker that has not answered all in time does it no longer: clients don't wait for a disk that hangs. What it has acknowledged it
 * may store still, and not even that for ever. */
static void watch_end(struct supervisor *s)
{
	int64_t now = now_ms();

	if (s->force != 0 && s->force <= now) {
		s->force = 0;
		if (s->device.fd >= 0 && !device_unmount(&s->device, s->options->mountpoint))
			s->leave = now;
	}
	if (s->force == 0 && s->leave <= now && s->worker > 0)
		kill(s->worker, SIGKILL);
	if (s->force == 0 && s->leave + KILL_MS <= now && s->socket >= 0) {
		log_print(LOG_ERR, "the worker can't be killed: the disk may hang");
		s->failed = true;
		close(s->socket);
		s->socket = -1;
	}
}

static void watch(struct supervisor *s)
{
	uint64_t beat = atomic_load(&s->keep.memory->beat);
	int64_t now = now_ms();

	if (!s->ready || s->worker <= 0 || s->options->watchdog == 0 || s->ending || beat != s->beat) {
		s->beat = beat;
		s->beat_seen = now;
	} else if (s->killed != 0 && now - s->killed > KILL_MS) {
		log_print(LOG_ERR, "the worker can't be killed: the disk may hang; the mount ends");
		give_up(s);
	} else if (s->killed == 0 && now - s->beat_seen > (int64_t)s->options->watchdog * 1000) {
		log_print(LOG_ERR, "the worker hangs: nothing moved for %u seconds; it is killed", s->options->watchdog);
		s->killed = now;
		kill(s->worker, SIGKILL);
	}
}

static int pause_ms(const struct supervisor *s)
{
	int64_t left = s->next - now_ms();

	if (s->ending)
		return 50;
	if (s->next != 0)
		return left > 0 ? (int)left : 0;
	return s->options->watchdog != 0 && s->ready ? 500 : -1;
}

static void run(struct supervisor *s)
{
	while (!s->ending || s->socket >= 0) {
		struct pollfd p[4] = {
			{ .fd = s->signals, .events = POLLIN }, { .events = POLLIN }, { .events = POLLIN }, { .events = POLLIN }
		};

		if (s->next != 0 && s->next <= now_ms() && workers_start(s) < 0)
			s->next = now_ms() + BACKOFF_MAX_MS; /* no memory or process now */
		p[1].fd = s->socket;
		p[2].fd = s->ahead_socket;
		p[3].fd = s->mounter;
		if (poll(p, 4, pause_ms(s)) > 0 && p[0].revents != 0)
			hear_signal(s);
		if (p[1].revents != 0 && s->socket >= 0) {
			struct keep_message m;
			int fd, rc = keep_receive(s->socket, &m, &fd);

			if (rc > 0)
				hear(s, &m, fd);
			else
				worker_gone(s);
		}
		if (p[2].revents != 0 && s->ahead_socket == p[2].fd)
			workers_hear_ahead(s);
		if (p[3].revents != 0 && !s->ending)
			workers_hear_mounter(s);
		watch(s);
		if (s->ending)
			watch_end(s);
	}
}

/* ---- life ------------------------------------------------------------------------------------------------- */

/* Descriptors of open files are held here, one each at most. */
static void raise_limit(struct supervisor *s)
{
	enum { SPARED = 64 }; /* for workers, and for another program */
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > 2 * SPARED && limit.rlim_cur < INT_MAX)
		s->holds.most = (int)limit.rlim_cur - SPARED;
}

static int check_mountpoint(const struct options *o, struct ipam_error *error)
{
	unsigned dead = device_clear(o->mountpoint);
	struct stat st;

	if (dead > 0)
		log_print(LOG_NOTICE, "%s: the mount of an ipamfs that died was taken off%s", o->mountpoint,
			  dead > 1 ? ", and others below it" : "");
	if (stat(o->mountpoint, &st) < 0) {
		snprintf(error->text, sizeof error->text, "%s: %s", o->mountpoint, strerror(errno));
		return -errno;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(error->text, sizeof error->text, "%s: not a directory; name one to mount on", o->mountpoint);
		return -ENOTDIR;
	}
	return 0;
}

static int set_up(struct supervisor *s, struct ipam_error *error)
{
	struct ipam_options options = worker_ipam_options(s->options);
	int rc = check_mountpoint(s->options, error);

	if (rc == 0)
		rc = beside_check(worker_database(s->options), s->options->mountpoint, error);
	if (rc < 0)
		return rc;
	s->lock = ipam_lock(worker_database(s->options), &options, error);
	if (s->lock < 0)
		return s->lock;
	if (s->options->mounter != NULL) {
		s->mounter = mounter_listen(s->options->mounter);
		if (s->mounter < 0)
			snprintf(error->text, sizeof error->text, "%s: %s", s->options->mounter, strerror(-s->mounter));
		if (s->mounter < 0)
			return s->mounter;
	}
	rc = keep_new(&s->keep);
	if (rc == 0)
		rc = workers_start(s);
	if (rc < 0)
		snprintf(error->text, sizeof error->text, "starting: %s%s", strerror(-rc),
			 rc == -EFBIG ? "; 'ulimit -f', the limit of this process, must be 'unlimited'" : "");
	return rc;
}

/* This program was executed in place of another: its worker is to be followed by one of ours. */
static int set_up_again(struct supervisor *s, struct ipam_error *error)
{
	struct handover h = { .device = &s->device, .holds = &s->holds };
	int rc = handover_receive(&h);

	if (rc <= 0)
		return rc;
	s->keep.fd = h.keep;
	s->lock = h.lock;
	s->socket = h.socket;
	s->worker = h.worker;
	rc = keep_map(&s->keep);
	if (rc < 0) {
		snprintf(error->text, sizeof error->text, "this program can't take over from the one that ran: %s", strerror(-rc));
		return rc;
	}
	s->began = s->beat_seen = now_ms();
	s->ready = true;
	/* If it has died meanwhile, that is heard of soon. */
	keep_send(s->socket, &(struct keep_message){ .word = KEEP_TRACK }, -1);
	return 1;
}

static void tear_down(struct supervisor *s)
{
	if (s->device.fd >= 0)
		device_unmount(&s->device, s->options->mountpoint);
	if (s->failed && s->worker > 0)
		kill(s->worker, SIGKILL);
	reap_for_a_moment(s);
	holds_free(&s->holds);
	keep_free(&s->keep);
	if (s->lock >= 0 && s->worker == 0 && !s->options->read_only)
		beside_tidy(worker_database(s->options), s->lock);
	if (s->lock >= 0)
		close(s->lock);
	if (s->mounter >= 0)
		close(s->mounter);
	close(s->signals);
}

int supervise(const struct options *options, char **argv, void (*started)(void *arg), void *arg)
{
	struct supervisor s = { .options = options,
				.argv = argv,
				.started = started,
				.arg = arg,
				.lock = -1,
				.mounter = -1,
				.device = { .fd = -1, .abort = -1 },
				.socket = -1,
				.ahead_socket = -1,
				.touched = -1,
				.keep = { .fd = -1, .socket = -1 } };
	struct ipam_error error = { "" };
	int rc;

	raise_limit(&s);
	sigemptyset(&s.blocked);
	sigaddset(&s.blocked, SIGTERM);
	sigaddset(&s.blocked, SIGINT);
	sigaddset(&s.blocked, SIGHUP);
	sigaddset(&s.blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s.blocked, NULL);
	s.signals = signalfd(-1, &s.blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = s.signals < 0 ? -errno : set_up_again(&s, &error);
	if (rc == 0)
		rc = set_up(&s, &error);
	if (rc < 0) {
		log_print(LOG_ERR, "%s", error.text[0] != 0 ? error.text : strerror(-rc));
		s.failed = true;
	} else {
		run(&s);
		reap(&s);
	}
	tear_down(&s);
	return s.failed;
}
