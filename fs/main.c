#include "fs.h"
#include "log.h"
#include "notify.h"
#include "report.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

static int make_session(struct fs *fs, struct ipam_error *error)
{
	const struct options *o = &fs->options;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *list = NULL;
	int rc = 0;

	/* fsname goes in an argument of its own, with its commas and backslashes escaped as libfuse wants it. */
	if (asprintf(&list, "default_permissions,subtype=ipamfs%s%s%s%s", o->allow_other ? ",allow_other" : "",
		     o->read_only ? ",ro" : "", o->flags != NULL ? "," : "", o->flags != NULL ? o->flags : "") < 0)
		return refuse(error, -ENOMEM, "options");
	if (fuse_opt_add_arg(&args, "ipamfs") < 0 || fuse_opt_add_arg(&args, "-o") < 0 || fuse_opt_add_arg(&args, list) < 0)
		rc = -ENOMEM;
	free(list);
	list = strdup("fsname=");
	if (rc == 0 && list != NULL) {
		char *name = NULL;

		if (asprintf(&name, "fsname=%s", o->fsname != NULL ? o->fsname : o->source) < 0)
			name = NULL;
		free(list);
		list = NULL;
		if (name == NULL || fuse_opt_add_opt_escaped(&list, name) < 0 || fuse_opt_add_arg(&args, "-o") < 0 ||
		    fuse_opt_add_arg(&args, list) < 0)
			rc = -ENOMEM;
		free(name);
	}
	if (rc == 0 && o->debug)
		rc = fuse_opt_add_arg(&args, "-d");
	free(list);
	fs->session = rc < 0 ? NULL : fuse_session_new(&args, &fs_operations, sizeof fs_operations, fs);
	fuse_opt_free_args(&args);
	if (fs->session == NULL)
		return refuse(error, rc < 0 ? rc : -EINVAL, "the mount options are refused");
	if (fuse_set_signal_handlers(fs->session) < 0)
		return refuse(error, -EINVAL, "signal handlers");
	return 0;
}

static int mount_session(struct fs *fs, struct ipam_error *error)
{
	const struct options *o = &fs->options;

	if (fuse_session_mount(fs->session, o->mountpoint) < 0) {
		snprintf(error->text, sizeof error->text, "%s: can't be mounted%s", o->mountpoint,
			 access("/dev/fuse", R_OK | W_OK) == 0 ? "" : "; /dev/fuse is missing or closed to you ('modprobe fuse')");
		return -EIO;
	}
	return 0;
}

static void released(void *arg, uint64_t node, uint64_t lease, const char *name)
{
	fs_forget_lease(arg, node, lease, name);
}

static void changed(void *arg, enum ipam_kind kind, uint64_t parent, uint64_t id, const char *name)
{
	fs_forget(arg, kind, parent, id, name);
}

static void happened(void *arg, const struct ipam_event *event)
{
	struct fs *fs = arg;

	stream_event(fs->stream, event);
}

static int check_mountpoint(const struct options *o, struct ipam_error *error)
{
	struct stat st;

	if (stat(o->mountpoint, &st) < 0)
		return refuse(error, -errno, o->mountpoint);
	if (!S_ISDIR(st.st_mode)) {
		snprintf(error->text, sizeof error->text, "%s: not a directory; name one to mount on", o->mountpoint);
		return -ENOTDIR;
	}
	return 0;
}

/* The log of the library goes straight on; what it releases by itself comes to us. */
static int start(struct fs *fs, struct ipam_error *error)
{
	struct ipam_options options = {
		.sync = fs->options.sync,
		.read_only = fs->options.read_only,
		.create = !fs->options.read_only,
		.keep_after_boot = fs->options.keep_after_boot,
		.log = log_write,
		.released = released,
		.event = happened,
		.changed = changed,
		.remote = fs->options.remote.endpoints != NULL ? &fs->options.remote : NULL,
		.history_days = fs->options.history_days,
		.arg = fs,
	};
	int rc = check_mountpoint(&fs->options, error);

	if (rc == 0)
		rc = make_session(fs, error);
	/* What expires as soon as the database is open finds the notifier there. */
	if (rc == 0 && (rc = notify_start(fs->session, &fs->notify)) < 0)
		refuse(error, rc, "starting a thread");
	if (rc == 0 && (rc = holders_new(&fs->holders)) < 0)
		refuse(error, rc, "starting");
	if (rc == 0 && (rc = past_new(&fs->past)) < 0)
		refuse(error, rc, "starting");
	if (rc == 0 && (rc = stream_start(&fs->stream)) < 0)
		refuse(error, rc, "starting a thread");
	if (rc == 0 && (rc = reports_start(fs, &fs->reports)) < 0)
		refuse(error, rc, "starting a thread");
	if (rc == 0)
		rc = ipam_open(fs->options.state != NULL ? fs->options.state : fs->options.source, &options, &fs->ipam, error);
	fs->mounted = (int64_t)time(NULL) * 1000000000;
	if (rc == 0)
		rc = mount_session(fs, error);
	return rc;
}

static int loop(struct fs *fs)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	if (config == NULL)
		return -ENOMEM;
	/* Handlers never wait for the disk, so a few threads serve any number of clients; they are kept, since making one
	 * costs more than a request. Not clone_fd: a descriptor of its own for each thread helps many processors alone. */
	fuse_loop_cfg_set_max_threads(config, THREADS);
	fuse_loop_cfg_set_idle_threads(config, THREADS);
	fuse_loop_cfg_set_clone_fd(config, 0);
	rc = fuse_session_loop_mt(fs->session, config);
	fuse_loop_cfg_destroy(config);
	return rc < 0 ? rc : 0; /* a signal is a clean end */
}

/* The loop has ended, so nobody reads requests any more. A notifier's thread that waits in the kernel for what one of
 * them holds would wait for ever: refuse them until it is done. */
static void refuse_requests(struct fs *fs)
{
	enum { ROOM = 2 << 20 }; /* more than the longest request; the kernel insists on room for that */
	struct pollfd p = { .fd = fuse_session_fd(fs->session), .events = POLLIN };
	void *request = NULL;

	while (!notify_idle(fs->notify)) {
		struct fuse_in_header *in;
		struct fuse_out_header out = { .len = sizeof out, .error = -ESHUTDOWN };

		if (request == NULL && (request = malloc(ROOM)) == NULL)
			return;
		fcntl(p.fd, F_SETFL, fcntl(p.fd, F_GETFL) | O_NONBLOCK);
		poll(&p, 1, 10);
		in = request;
		if (read(p.fd, request, ROOM) < (ssize_t)sizeof *in || in->opcode == FUSE_FORGET ||
		    in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT)
			continue;
		out.unique = in->unique;
		(void)!write(p.fd, &out, sizeof out);
	}
	free(request);
}

/* What is queued is committed and answered; only then the session goes, since its descriptor's number may be given
 * to another file at once. */
static void stop(struct fs *fs)
{
	stream_stop(fs->stream);
	reports_stop(fs->reports);
	ipam_close(fs->ipam);
	if (fs->notify != NULL)
		refuse_requests(fs);
	notify_stop(fs->notify);
	if (fs->session != NULL) {
		fuse_session_unmount(fs->session);
		fuse_remove_signal_handlers(fs->session);
		fuse_session_destroy(fs->session);
	}
	holders_free(fs->holders);
	stream_free(fs->stream);
	past_free(fs->past);
	reports_free(fs->reports);
}

/* ---- the process ------------------------------------------------------------------------------------------ */

/* Tell the service manager, if one waits: sd_notify(3)'s protocol is one datagram. */
static void tell_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = path == NULL ? 0 : strlen(path);
	int fd;

	if (n == 0 || n >= sizeof addr.sun_path)
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

/* In the background a parent waits to hear how the start went, so that errors reach the terminal.
 * Returns in the child with the descriptor to tell it by; the parent ends here. */
static int go_background(void)
{
	char verdict = 1;
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		close(pipes[0]);
		close(pipes[1]);
		return -1;
	}
	if (pid > 0) {
		close(pipes[1]);
		while (read(pipes[0], &verdict, 1) < 0 && errno == EINTR)
			;
		_exit(verdict);
	}
	close(pipes[0]);
	setsid();
	(void)!chdir("/");
	return pipes[1];
}

static void leave_terminal(int parent)
{
	char good = 0;
	int null = open("/dev/null", O_RDWR);

	(void)!write(parent, &good, 1);
	close(parent);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

static int serve(struct fs *fs)
{
	struct ipam_error error = { "" };
	int parent = -1;
	int rc;

	if (!fs->options.foreground && (parent = go_background()) < 0) {
		fprintf(stderr, "ipamfs: can't start a process: %s\n", strerror(errno));
		return 1;
	}
	rc = start(fs, &error);
	if (rc < 0)
		fprintf(stderr, "ipamfs: %s\n", error.text);
	if (rc == 0) {
		log_open("ipamfs", fs->options.foreground);
		if (parent >= 0)
			leave_terminal(parent);
		tell_ready();
		log_write(NULL, LOG_INFO, "mounted");
		rc = loop(fs);
		log_write(NULL, LOG_INFO, "unmounted");
	}
	stop(fs);
	return rc < 0;
}

int main(int argc, char **argv)
{
	struct ipam_error error;
	struct fs fs = { 0 };
	int rc = options_parse(&fs.options, argc, argv, &error);

	if (rc < 0) {
		fprintf(stderr, "ipamfs: %s\n", rc == -ENOMEM ? "out of memory" : error.text);
		rc = 2;
	} else if (fs.options.help) {
		fputs(options_usage, stdout);
	} else if (fs.options.version) {
		printf("ipamfs %s, libfuse %s\n", IPAM_VERSION, fuse_pkgversion());
	} else {
		rc = serve(&fs);
	}
	options_free(&fs.options);
	return rc;
}
