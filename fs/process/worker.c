#include "fs/process/worker.h"

#include "fs/base/log.h"
#include "fs/control/generated.h"
#include "fs/control/history.h"
#include "fs/control/report.h"
#include "fs/control/stream.h"
#include "fs/hostlocal/host_local.h"
#include "fs/process/ops.h"
#include "fs/process/privileges.h"
#include "fs/process/routes.h"
#include "fs/process/watchdog.h"
#include "fs/resume/handle.h"
#include "fs/resume/invalidate.h"
#include "fs/tree/forget.h"
#include "fs/tree/holders.h"
#include "fs/tree/inode.h"
#include "fs/tree/removed.h"
#include "fs/tree/rendition.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8 };

static int refuse(struct ipam_error *error, int rc, const char *what)
{
	snprintf(error->text, sizeof error->text, "%s: %s", what, strerror(-rc));
	return rc;
}

/* ---- the session ------------------------------------------------------------------------------------------ */

/* fsname goes in an argument of its own, with its commas and backslashes escaped as libfuse wants it. */
static int add_fsname(struct fuse_args *args, const struct options *o)
{
	char *list = NULL, *name = NULL;
	int rc = 0;

	if (asprintf(&name, "fsname=%s", o->fsname != NULL ? o->fsname : o->source) < 0)
		name = NULL;
	if (name == NULL || fuse_opt_add_opt_escaped(&list, name) < 0 || fuse_opt_add_arg(args, "-o") < 0 ||
	    fuse_opt_add_arg(args, list) < 0)
		rc = -ENOMEM;
	free(name);
	free(list);
	return rc;
}

struct fuse_session *worker_session(const struct options *o, void *userdata, struct ipam_error *error)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	char *list = NULL;
	int rc = 0;

	/* Whatever mount(8) passes: nothing in it is a program or a device, and who takes over a worker can't say that something is. */
	if (asprintf(&list, "default_permissions,nosuid,nodev,noexec,subtype=ipamfs%s%s%s%s", o->allow_other ? ",allow_other" : "",
		     o->read_only ? ",ro" : "", o->flags != NULL ? "," : "", o->flags != NULL ? o->flags : "") < 0)
		list = NULL;
	if (list == NULL || fuse_opt_add_arg(&args, "ipamfs") < 0 || fuse_opt_add_arg(&args, "-o") < 0 || fuse_opt_add_arg(&args, list) < 0)
		rc = -ENOMEM;
	free(list);
	if (rc == 0)
		rc = add_fsname(&args, o);
	if (rc == 0 && o->debug)
		rc = fuse_opt_add_arg(&args, "-d");
	if (rc == 0)
		session = fuse_session_new(&args, &fs_operations, sizeof fs_operations, userdata);
	fuse_opt_free_args(&args);
	if (session == NULL)
		refuse(error, rc < 0 ? rc : -EINVAL, "the mount options are refused");
	return session;
}

/* ---- what the library tells ------------------------------------------------------------------------------- */

static void released(void *arg, uint64_t node, uint64_t lease, const char *name)
{
	(void)name;
	fs_forget_lease(arg, node, lease);
}

static void changed(void *arg, enum ipam_kind kind, uint64_t parent, uint64_t id, const char *name)
{
	(void)name;
	fs_forget(arg, kind, parent, id);
}

static void happened(void *arg, const struct ipam_event *event)
{
	struct fs *fs = arg;

	stream_event(fs->stream, event);
}

static void opened(void *arg, uint64_t event)
{
	struct fs *fs = arg;

	fs->opened = event;
	if (keep_answers_load(fs->keep, event, &fs->answers) < 0)
		log_write(NULL, LOG_ERR, "no memory to know what a worker before had stored");
}

static void storing(void *arg, uint64_t request, uint64_t event)
{
	struct fs *fs = arg;

	keep_storing(fs->keep, request, event);
}

static void unstored(void *arg, uint64_t request)
{
	struct fs *fs = arg;

	keep_unstored(fs->keep, request);
}

static void marked(void *arg, uint64_t lease)
{
	struct fs *fs = arg;

	keep_marked(fs->keep, lease);
}

static void stored(void *arg, uint64_t marks)
{
	struct fs *fs = arg;

	keep_stored(fs->keep, marks);
}

static void drop(void *arg, uint64_t lease)
{
	struct fs *fs = arg;

	ipam_drop(fs->ipam, lease);
}

/* For the worker that comes after: two bytes, whether there is more than leases and whether the database is sound; then their ids. */
static void touched(void *arg, const struct ipam_touched *t)
{
	struct fs *fs = arg;
	int fd = memfd_create("touched", MFD_CLOEXEC);
	char how[2] = { t->more, t->sound };
	size_t size = t->leases * sizeof *t->lease;

	if (fd >= 0 && write(fd, how, sizeof how) == sizeof how && (size == 0 || write(fd, t->lease, size) == (ssize_t)size))
		keep_send(fs->keep->socket, &(struct keep_message){ .word = KEEP_TOUCHED }, fd);
	if (fd >= 0)
		close(fd);
}

/* The supervisor can rename, a worker can't. */
static int put_aside(void *arg, const char *path, const char *name)
{
	enum { TRIES = 1000 };
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct fs *fs = arg;
	struct stat before, now;
	int rc = stat(path, &before) < 0 ? -errno : keep_send(fs->keep->socket, &(struct keep_message){ .word = KEEP_ASIDE }, -1);

	for (int i = 0; rc == 0 && i < TRIES; i++) {
		if (stat(name, &now) == 0 && now.st_dev == before.st_dev && now.st_ino == before.st_ino)
			return 0;
		nanosleep(&moment, NULL);
	}
	return rc < 0 ? rc : -ETIMEDOUT;
}

static void told(void *arg, uint64_t event)
{
	struct fs *fs = arg;

	atomic_store(&fs->keep->memory->told, event);
	if (notify_started(fs->notify))
		keep_changes_told(fs->keep);
}

static void changing(void *arg, enum ipam_kind kind, uint64_t id)
{
	struct fs *fs = arg;

	keep_changing(fs->keep, node_of_object(kind, id));
}

const char *worker_database(const struct options *o)
{
	return o->state != NULL ? o->state : o->source;
}

struct ipam_options worker_ipam_options(const struct options *o)
{
	return (struct ipam_options){
		.size = sizeof(struct ipam_options),
		.sync = o->sync,
		.read_only = o->read_only,
		.create = !o->read_only,
		.keep_after_boot = o->keep_after_boot,
		.insecure_dir = o->insecure_dir,
		.remote = o->remote.endpoints != NULL ? &o->remote : NULL,
		.history_days = o->history_days,
	};
}

/* What the worker before has changed since it was read: NULL, anything. The memory is the caller's to free. */
static void read_touched(int fd, struct ipam_touched *t, uint64_t **memory)
{
	struct stat st;
	char how[2];
	size_t size;

	*memory = NULL;
	*t = (struct ipam_touched){ .more = true };
	if (fd < 0 || fstat(fd, &st) < 0 || pread(fd, how, sizeof how, 0) != sizeof how)
		return;
	t->sound = how[1];
	size = (size_t)st.st_size - sizeof how;
	*memory = malloc(size + 1);
	if (how[0] || *memory == NULL || pread(fd, *memory, size, sizeof how) != (ssize_t)size)
		return;
	*t = (struct ipam_touched){ .sound = how[1], .lease = *memory, .leases = size / sizeof **memory };
}

/* Another worker serves meanwhile. */
static int read_ahead(struct fs *fs)
{
	struct ipam_error error;
	struct keep_message m;
	int fd = -1, rc;

	if (ipam_read_ahead(worker_database(&fs->options), &fs->ahead, &error) < 0)
		fs->ahead = NULL; /* then all is read when it has ended */
	rc = keep_send(fs->keep->socket, &(struct keep_message){ .word = KEEP_AHEAD }, -1);
	if (rc == 0)
		rc = keep_receive(fs->keep->socket, &m, &fd);
	if (rc > 0 && m.word == KEEP_TOUCHED)
		read_touched(fd, &fs->since, &fs->since_memory);
	if (fd >= 0)
		close(fd);
	return rc > 0 ? 0 : -EPIPE;
}

static int open_database(struct fs *fs, int lock, bool resumes, struct ipam_error *error)
{
	struct ipam_options options = worker_ipam_options(&fs->options);
	uint64_t *lost = NULL;
	int rc;

	options.lock = lock;
	options.keep_ephemeral = resumes;
	options.log = log_write;
	options.released = released;
	options.event = happened;
	options.changed = changed;
	options.opened = opened;
	options.storing = storing;
	options.unstored = unstored;
	options.told = told;
	options.keep_names = true;
	options.put_aside = put_aside;
	options.changing = changing;
	options.touched = touched;
	options.marked = marked;
	options.stored = stored;
	if (keep_lost(fs->keep, &lost, &options.losts) < 0)
		log_write(NULL, LOG_ERR, "no memory to know what a worker before had not stored");
	options.lost = lost;
	options.ahead = fs->ahead;
	options.since = fs->ahead != NULL ? &fs->since : NULL;
	options.arg = fs;
	memcpy(options.requests, fs->keep->memory->requests, sizeof options.requests);
	fs->ahead = NULL;
	rc = ipam_open(worker_database(&fs->options), &options, &fs->ipam, error);
	free(lost);
	if (rc == 0)
		fs->first_id = ipam_next_id(fs->ipam);
	free(fs->since_memory);
	fs->since_memory = NULL;
	return rc;
}

/* ---- starting --------------------------------------------------------------------------------------------- */

/* Found out before there is a mount that nobody could serve, and on which clients would wait for ever. */
static int try_library(struct fs *fs, struct ipam_error *error)
{
	struct fuse_session *session = worker_session(&fs->options, NULL, error);
	int rc = session == NULL ? -EINVAL : wire_possible(session, fs->keep->socket);

	if (session != NULL)
		fuse_session_destroy(session);
	return rc < 0 && session != NULL ?
		       refuse(error, rc, "libfuse has no custom io, which it is to be built with (-Denable-custom-io=true)") :
		       rc;
}

static int start(struct fs *fs, int lock, bool resumes, struct ipam_error *error)
{
	int rc = resumes ? 0 : try_library(fs, error);

	if (rc < 0)
		return rc;
	fs->session = worker_session(&fs->options, fs, error);
	if (fs->session == NULL)
		return -EINVAL;
	/* What expires as soon as the database is open finds the notifier there. */
	if ((rc = notify_new(&fs->notify)) < 0 || (rc = holders_new(&fs->holders)) < 0 || (rc = handles_new(fs->keep, &fs->handles)) < 0 ||
	    (rc = removals_new(&fs->removals)) < 0 || (rc = past_new(&fs->past)) < 0 || (rc = stream_start(fs, &fs->stream)) < 0 ||
	    (rc = reports_start(fs, &fs->reports)) < 0 || (rc = renditions_new(&fs->renditions)) < 0)
		return refuse(error, rc, "starting");
	rc = open_database(fs, lock, resumes, error);
	fs->mounted = (int64_t)time(NULL) * 1000000000;
	return rc;
}

/* The mount's descriptor, and the files of what is open. */
static int receive_device(struct fs *fs, int *device, struct handle_file **files, size_t *n)
{
	size_t room = 0;

	*device = -1;
	for (;;) {
		struct keep_message m;
		int fd, rc = keep_receive(fs->keep->socket, &m, &fd);

		if (rc <= 0)
			return rc < 0 ? rc : -EPIPE;
		if (m.word == KEEP_GO)
			return *device < 0 ? -EPROTO : 0;
		if (m.word == KEEP_DEVICE) {
			*device = fd;
		} else if (m.word == KEEP_HELD && fd >= 0) {
			if (*n == room) {
				struct handle_file *bigger;

				room = room == 0 ? 64 : room * 2;
				bigger = reallocarray(*files, room, sizeof *bigger);
				if (bigger == NULL) {
					close(fd);
					return -ENOMEM;
				}
				*files = bigger;
			}
			(*files)[(*n)++] = (struct handle_file){ m.slot, fd };
		}
	}
}

/* The supervisor has left its terminal, if it does. */
static void leave_terminal(const struct options *o)
{
	int null = o->foreground ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);

	log_open("ipamfs", o->foreground);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* Where it can't (no seccomp, a sandbox around it that refuses one of its own) it serves all the same, and says so. */
static void note_privileges(int rc)
{
	char text[128];

	snprintf(text, sizeof text, "a worker can't give up all privileges that it doesn't need: %s", strerror(-rc));
	if (rc < 0)
		log_write(NULL, LOG_WARNING, text);
}

/* What a worker before was to tell the kernel, and may not have. */
static void tell_again(void *arg, uint64_t ino)
{
	struct fs *fs = arg;

	notify_inode(fs->notify, ino);
}

static int take_over(struct fs *fs)
{
	struct keep_memory *m = fs->keep->memory;
	struct handle_file *files = NULL;
	size_t n = 0;
	int device = -1, rc;

	rc = keep_send(fs->keep->socket, &(struct keep_message){ .word = KEEP_READY }, -1);
	if (rc == 0)
		rc = receive_device(fs, &device, &files, &n);
	leave_terminal(&fs->options);
	if (rc == 0)
		note_privileges(privileges_when_open(&fs->options));
	if (rc == 0)
		rc = wire_start(fs->session, fs->keep, device, !fs->options.no_resend, &fs->wire);
	if (rc == 0) {
		notify_start(fs->notify, device);
		handles_reopen(fs, routes_reopen, files, n);
		stream_resume(fs->stream);
		keep_each_change(fs->keep, tell_again, fs);
		if (atomic_load(&m->told) < fs->opened)
			atomic_store(&m->told, fs->opened);
		/* Before any request, but not before the streams, which are to hear of it. */
		keep_each_dropped(fs->keep, drop, fs);
	}
	free(files);
	return rc;
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static struct fuse_session *running; /* for the signal's handler */

static void end_session(int sig)
{
	(void)sig;
	fuse_session_exit(running);
}

static int loop(struct fs *fs)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct sigaction action = { .sa_handler = end_session };
	int rc;

	if (config == NULL)
		return -ENOMEM;
	running = fs->session;
	sigaction(SIGTERM, &action, NULL);
	/* Handlers never wait for the disk, so a few threads serve any number of clients; they are kept, since making one
	 * costs more than a request. Not clone_fd: a descriptor of its own for each thread helps many processors alone, and what it
	 * had read could not be asked for again. */
	fuse_loop_cfg_set_max_threads(config, THREADS);
	fuse_loop_cfg_set_idle_threads(config, THREADS);
	fuse_loop_cfg_set_clone_fd(config, 0);
	rc = fuse_session_loop_mt(fs->session, config);
	fuse_loop_cfg_destroy(config);
	return rc < 0 ? rc : 0; /* a signal is a clean end */
}

/* What is queued is committed and answered; only then the session goes, since its descriptor's number may be given
 * to another file at once. */
static void stop(struct fs *fs, int rc)
{
	bool mounted = fs->wire != NULL;
	bool ends = !mounted || atomic_load(&fs->keep->memory->ending) || wire_unmounted(fs->wire);

	pulse_stop(fs->pulse);
	stream_stop(fs->stream, ends && mounted);
	reports_stop(fs->reports, ends);
	/* Another worker takes over, and what waits for an answer waits for that. */
	if (!ends) {
		ipam_leave(fs->ipam);
		atomic_store(&fs->keep->memory->left, true);
		_exit(rc < 0);
	}
	past_free(fs->past); /* before the database: who closes it last folds its log back, and this one only reads */
	ipam_close(fs->ipam);
	notify_free(fs->notify);
	if (fs->session != NULL)
		fuse_session_destroy(fs->session);
	wire_free(fs->wire);
	keep_answers_free(fs->answers);
	holders_free(fs->holders);
	handles_free(fs->handles);
	removals_free(fs->removals);
	stream_free(fs->stream);
	reports_free(fs->reports);
	renditions_free(fs->renditions);
}

/* Another worker can't either, most likely: the supervisor knows it by the status, and people by this. */
static void note_failure(int rc)
{
	char text[128];

	snprintf(text, sizeof text, "a worker can't serve the mount: %s", strerror(-rc));
	log_write(NULL, LOG_ERR, text);
}

static void set_up_process(void)
{
	static const int ignored[] = { SIGINT, SIGHUP }; /* besides those that the supervisor ignores */
	const struct sigaction ignore = { .sa_handler = SIG_IGN }, usual = { .sa_handler = SIG_DFL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "ipamfs-worker");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which look at their own threads */
	/* A core would wait for all threads, also for one that waits in the kernel for the worker after this one. */
	prctl(PR_SET_DUMPABLE, 0);
#endif
	/* A terminal's signals are for the supervisor. */
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		sigaction(ignored[i], &ignore, NULL);
	sigaction(SIGTERM, &usual, NULL);
}

int worker_run(const struct options *options, struct keep *keep, int lock, bool ahead)
{
	struct fs fs = { .options = *options,
			 .keep = keep,
			 .control = routes_control,
			 .controls = routes_control_rows,
			 .generated = &generated_ops,
			 .host_local = &host_local_ops };
	struct keep_memory *m = keep->memory;
	bool resumes = atomic_load(&m->init_size) != 0; /* the mount has been used by another worker */
	struct ipam_error error = { "" };
	int rc;

	set_up_process();
	note_privileges(privileges_of_worker(options));
	if (ahead && read_ahead(&fs) < 0)
		return 1;
	rc = start(&fs, lock, resumes, &error);
	if (rc < 0) {
		struct keep_message failed = { .word = KEEP_FAILED };

		snprintf(failed.text, sizeof failed.text, "%s", error.text);
		keep_send(keep->socket, &failed, -1);
	} else {
		atomic_fetch_add(&m->workers, 1);
		rc = take_over(&fs);
		if (rc == 0)
			rc = pulse_start(&fs, &fs.pulse);
		if (rc == 0)
			rc = loop(&fs);
		if (rc == 0 && wire_unmounted(fs.wire))
			atomic_store(&m->unmounted, true);
		if (rc < 0)
			note_failure(rc);
	}
	stop(&fs, rc);
	return rc < 0;
}
