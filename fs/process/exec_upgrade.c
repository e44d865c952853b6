#include "fs/process/exec_upgrade.h"

#include "fs/base/log.h"
#include "fs/resume/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define VARIABLE "IPAMFS_HANDOVER" /* a descriptor's number */
#define PROBE "IPAMFS_PROBE"       /* say whether the options are good, and no more */

static char program[PATH_MAX];
static int directory = -1;

/* ---- files ------------------------------------------------------------------------------------------------ */

int holds_put(struct holds *h, uint32_t slot, int fd)
{
	if (slot >= KEEP_HANDLES)
		return -EINVAL;
	if (h->most != 0 && fd > h->most)
		return -EMFILE;
	if (slot >= h->n) {
		size_t n = h->n * 2 > slot + 64u ? h->n * 2 : slot + 64u;
		int *bigger = reallocarray(h->fd, n, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		for (size_t i = h->n; i < n; i++)
			bigger[i] = -1;
		h->fd = bigger;
		h->n = n;
	}
	holds_drop(h, slot);
	h->fd[slot] = fd;
	return 0;
}

void holds_drop(struct holds *h, uint32_t slot)
{
	if (slot >= h->n || h->fd[slot] < 0)
		return;
	close(h->fd[slot]);
	h->fd[slot] = -1;
}

void holds_free(struct holds *h)
{
	for (size_t i = 0; i < h->n; i++)
		holds_drop(h, (uint32_t)i);
	free(h->fd);
	*h = (struct holds){ 0 };
}

/* ---- giving ----------------------------------------------------------------------------------------------- */

void handover_begin(void)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);

	program[n > 0 ? n : 0] = 0;
	prctl(PR_SET_NAME, "ipamfs"); /* executed by a descriptor it has that one's number for a name */
	directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void handover_forget(void)
{
	if (directory >= 0)
		close(directory);
	directory = -1;
}

static void refuse(const char *why)
{
	char text[PATH_MAX + 640];

	snprintf(text, sizeof text, "%s can't take over: %s; this one goes on", program, why);
	log_write(NULL, LOG_ERR, text);
}

/* The program that lies in this one's place now, by a descriptor: what is looked at, asked and executed is one file, whatever becomes of
 * the name. None that another user could have put there or written to. -1, which is told. */
static int open_program(void)
{
	struct ipam_error error;
	struct stat st;
	int fd = open(program, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		refuse(strerror(errno));
		return -1;
	}
	if (ipam_guarded(program, &error) < 0)
		refuse(error.text);
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & S_IWOTH)
		refuse("it is no file of root's or of this user's alone");
	else
		return fd;
	close(fd);
	return -1;
}

static void execute(int fd, char *const argv[])
{
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
}

/* What the program says when it is run so; "" in the end. */
static void ask(int fd, char *const argv[], char *line, size_t room)
{
	enum { PATIENCE_MS = 5000 };
	int out[2];
	struct pollfd p = { .events = POLLIN };
	size_t have = 0;
	ssize_t n = 1;
	pid_t pid;

	line[0] = 0;
	if (pipe2(out, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		setenv(PROBE, "1", 1);
		if (directory < 0 || fchdir(directory) == 0)
			execute(fd, argv);
		_exit(127);
	}
	close(out[1]);
	p.fd = out[0];
	while (pid > 0 && n > 0 && have < room - 1 && poll(&p, 1, PATIENCE_MS) > 0)
		if ((n = read(out[0], line + have, room - 1 - have)) > 0)
			have += (size_t)n;
	line[have] = 0;
	close(out[0]);
	if (pid > 0)
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Whether the program begins where this one ends, and takes the options that this one was given. */
static bool fits(int fd, char **argv)
{
	char *version[] = { program, (char[]){ "--version" }, NULL };
	char line[256], wanted[64];

	snprintf(wanted, sizeof wanted, "handover %d\n", KEEP_VERSION);
	ask(fd, version, line, sizeof line);
	if (strstr(line, wanted) == NULL)
		return false;
	ask(fd, argv, line, sizeof line);
	return strstr(line, wanted) != NULL;
}

bool handover_is_probe(void)
{
	return getenv(PROBE) != NULL;
}

static void stay_open(int fd, bool yes)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, yes ? 0 : FD_CLOEXEC);
}

static void stay_all(const struct handover *h, int list, bool yes)
{
	stay_open(h->keep, yes);
	stay_open(h->lock, yes);
	stay_open(h->device->fd, yes);
	stay_open(h->device->abort, yes);
	stay_open(h->socket, yes);
	stay_open(list, yes);
	for (size_t i = 0; i < h->holds->n; i++)
		stay_open(h->holds->fd[i], yes);
}

static int write_list(const struct handover *h)
{
	int fd = memfd_create("handover", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (f == NULL)
		return -1;
	fprintf(f, "%d %d %d %d\n", h->keep, h->lock, h->socket, (int)h->worker);
	fprintf(f, "%d %d %u %" PRIu64 "\n", h->device->fd, h->device->abort, h->device->connection, h->device->mount);
	for (size_t i = 0; i < h->holds->n; i++)
		if (h->holds->fd[i] >= 0)
			fprintf(f, "%zu %d\n", i, h->holds->fd[i]);
	if (fclose(f) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Returns if it can't. */
static void go_on(const struct handover *h, int fd, int list, char **argv)
{
	char number[16];

	snprintf(number, sizeof number, "%d", list);
	setenv(VARIABLE, number, 1);
	stay_all(h, list, true);
	if (directory < 0 || fchdir(directory) == 0)
		execute(fd, argv);
	refuse(strerror(errno));
	(void)!chdir("/");
	stay_all(h, list, false);
	unsetenv(VARIABLE);
}

void handover_execute(const struct handover *h, char **argv)
{
	int fd = open_program(), list;

	if (fd < 0)
		return;
	if (!fits(fd, argv)) {
		refuse("it is none of this kind, or refuses this one's options");
	} else if ((list = write_list(h)) < 0) {
		refuse(strerror(errno));
	} else {
		go_on(h, fd, list, argv);
		close(list);
	}
	close(fd);
}

/* ---- taking ----------------------------------------------------------------------------------------------- */

bool handover_is_one(void)
{
	return getenv(VARIABLE) != NULL;
}

int handover_receive(struct handover *h)
{
	const char *number = getenv(VARIABLE);
	int list, worker, fd, rc = 1;
	size_t slot;
	FILE *f;

	if (number == NULL)
		return 0;
	list = atoi(number);
	unsetenv(VARIABLE);
	f = fdopen(list, "r");
	if (f == NULL)
		return -errno;
	rewind(f);
	if (fscanf(f, "%d %d %d %d", &h->keep, &h->lock, &h->socket, &worker) != 4 ||
	    fscanf(f, "%d %d %u %" SCNu64, &h->device->fd, &h->device->abort, &h->device->connection, &h->device->mount) != 4)
		rc = -EINVAL;
	while (rc == 1 && fscanf(f, "%zu %d", &slot, &fd) == 2)
		if (holds_put(h->holds, (uint32_t)slot, fd) < 0)
			rc = -ENOMEM;
	fclose(f);
	if (rc == 1) {
		h->worker = worker;
		stay_all(h, -1, false);
	}
	return rc;
}
