#include "base/printable.h"
#include "fs/base/log.h"
#include "fs/base/options.h"
#include "fs/process/exec_upgrade.h"
#include "fs/process/mount.h"
#include "fs/process/mounter.h"
#include "fs/process/supervisor.h"
#include "fs/resume/state.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

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

struct start {
	const struct options *options;
	int parent; /* to tell how it went, -1 nobody */
	bool mounted;
};

static void started(void *arg)
{
	struct start *s = arg;

	log_open("ipamfs", s->options->foreground);
	if (s->parent >= 0)
		leave_terminal(s->parent);
	tell_ready();
	s->mounted = true;
	log_write(NULL, LOG_INFO, s->options->mounter != NULL ? "the database is open; waits for the mount" : "mounted");
}

static int serve(const struct options *options, char **argv)
{
	bool again = handover_is_one();
	struct start s = { options, -1, again };
	int status;

	if (again)
		log_open("ipamfs", options->foreground);
	else if (!options->foreground && (s.parent = go_background()) < 0) {
		fprintf(stderr, "ipamfs: can't start a process: %s\n", strerror(errno));
		return 1;
	}
	status = supervise(options, argv, again ? NULL : started, &s);
	if (s.mounted)
		log_write(NULL, LOG_INFO, "unmounted");
	return status;
}

/* What the starter had open isn't the daemon's to keep: a lock of its own, the other end of a pipe. And it opens nothing in the place of
 * stdin, stdout and stderr. */
static void close_others(void)
{
	int null = open("/dev/null", O_RDWR);

	while (null >= 0 && null < 3)
		null = dup(null);
	if (!handover_is_one() && !handover_is_probe())
		close_range(3, ~0U, 0);
	else if (null >= 0)
		close(null);
}

/* That a file can't grow any more (ulimit -f) or that nobody reads the log is an error of the write. Nor does a stray signal end the mount,
 * or a terminal stop it, for which all clients would wait. */
static void set_signals(void)
{
	static const int ignored[] = { SIGXFSZ, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
				       SIGPROF, SIGIO,   SIGPWR,  SIGTSTP, SIGTTIN, SIGTTOU };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* Whoever starts it may ignore what the supervisor listens to. */
	static const int heard[] = { SIGTERM, SIGHUP, SIGCHLD };
	const struct sigaction usual = { .sa_handler = SIG_DFL };

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		sigaction(ignored[i], &ignore, NULL);
	for (size_t i = 0; i < sizeof heard / sizeof *heard; i++)
		sigaction(heard[i], &usual, NULL);
}

/* What was asked for is the output: a status. */
static int said(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "ipamfs: the output can't be written: %s\n", strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct ipam_error error;
	struct options options;
	int rc;

	close_others();
	set_signals();
	handover_begin();
	rc = options_parse(&options, argc, argv, &error);
	if (rc < 0) {
		if (rc == -ENOMEM)
			snprintf(error.text, sizeof error.text, "out of memory");
		printable(error.text, error.text, strlen(error.text));
		fprintf(stderr, "ipamfs: %s\n", error.text);
		rc = 2;
	} else if (options.help) {
		fputs(options_usage, stdout);
		rc = said();
	} else if (options.version || handover_is_probe()) {
		printf("ipamfs %s, libfuse %s, handover %d\n", IPAM_VERSION, fuse_pkgversion(), KEEP_VERSION);
		rc = said();
	} else if (options.clear) {
		device_clear(options.mountpoint);
		rc = 0;
	} else if (options.mount_for != NULL) {
		rc = mounter_run(&options, &error) < 0;
		if (rc != 0)
			fprintf(stderr, "ipamfs: %s\n", error.text);
	} else {
		rc = serve(&options, argv);
	}
	options_free(&options);
	return rc;
}
