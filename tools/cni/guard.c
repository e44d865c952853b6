/* A call to a mount whose daemon hangs can be ended by a kill alone, and not even by that once the daemon has read the
 * request; and what was asked for may be done all the same later, when nobody knows of it. So the work is another
 * process's: this one waits, and goes when it has waited enough; that one takes back what it did if its answer finds nobody.
 *
 * The two part at the very beginning, so that they share few pages which both would copy. Between them is a socket: frames
 * of a header and a text, the last one acknowledged with a byte once it is printed, where there is something to take
 * back. What the waiting one needs to say if nothing comes is in a page that both see.
 */
#include "guard.h"

#include "result.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct frame {
	bool alive; /* nothing but a sign of life */
	bool ack;   /* there is something to take back */
	int status;
	size_t size; /* of the text that follows */
};

/* ---- the one that works -------------------------------------------------------------------------------------------------- */

static void tell_alive(void *arg)
{
	struct frame f = { .alive = true };

	(void)!send(*(int *)arg, &f, sizeof f, MSG_NOSIGNAL);
}

/* Nothing comes from there until we have answered, but its end. */
static bool is_wanted(void *arg)
{
	char byte;
	ssize_t n = recv(*(int *)arg, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

void cni_guard_leave(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* An answer is far smaller than a socket's buffer: it goes whole. */
static bool send_answer(int fd, const struct cni_call *c)
{
	char *text = c->out == NULL ? NULL : json_dumps(c->out, JSON_INDENT(4) | JSON_ENSURE_ASCII);
	struct frame f = { .ack = c->undo != NULL, .status = c->status, .size = text == NULL ? 0 : strlen(text) + 1 };
	struct iovec part[2] = { { &f, sizeof f }, { text, f.size } };
	struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
	bool sent;

	if (text != NULL)
		text[f.size - 1] = '\n'; /* in place of its NUL */
	sent = sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof f + f.size);
	free(text);
	return sent;
}

static void work_for(int fd, void (*work)(struct cni_call *c), struct cni_shared *shared)
{
	struct cni_call c = { .node = { .dir = -1, .mount = -1 }, .shared = shared, .alive = tell_alive, .wanted = is_wanted, .arg = &fd };
	char ack;

	work(&c);
	if ((!send_answer(fd, &c) || (c.undo != NULL && recv(fd, &ack, 1, 0) != 1)) && c.undo != NULL)
		c.undo(&c);
	cni_node_close(&c.node);
	cni_conf_free(&c.conf);
	json_decref(c.out);
	free(c.input);
}

/* ---- the one that waits -------------------------------------------------------------------------------------------------- */

/* false: the time is over, or the other one is gone. */
static bool get_all(int fd, void *data, size_t size, int seconds)
{
	char *p = data;

	while (size > 0) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int ready = poll(&poll_fd, 1, seconds * 1000);
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		n = recv(fd, p, size, 0);
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool print(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

/* Nothing came: say so. */
static int give_up(const struct cni_shared *shared)
{
	struct cni_error e = { 0 };
	json_t *o;

	cni_fail(&e, shared->status ? CNI_NOT_AVAILABLE : CNI_TRY_AGAIN, "%s", shared->waits);
	o = cni_error_object(shared->version, &e);
	json_dumpf(o, stdout, JSON_INDENT(4) | JSON_ENSURE_ASCII);
	putchar('\n');
	fflush(stdout);
	json_decref(o);
	return 1;
}

static int wait_for(int fd, pid_t pid, const struct cni_shared *shared, int seconds)
{
	char *text = NULL;
	struct frame f;
	bool printed;

	do
		if (!get_all(fd, &f, sizeof f, seconds))
			return give_up(shared);
	while (f.alive);
	text = malloc(f.size + 1);
	printed = text != NULL && get_all(fd, text, f.size, seconds) && print(text, f.size);
	if (printed && f.ack)
		(void)!send(fd, "", 1, MSG_NOSIGNAL);
	else if (!printed)
		shutdown(fd, SHUT_RDWR); /* what was done is taken back */
	free(text);
	waitpid(pid, NULL, 0); /* it has little more to do than to end */
	return f.status != 0 || !printed;
}

int cni_guard(void (*work)(struct cni_call *c), int seconds)
{
	struct cni_shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pair[2] = { -1, -1 }, status;
	pid_t pid = -1;

	if (shared == MAP_FAILED)
		return 1;
	shared->version = CNI_VERSIONS - 1;
	strcpy(shared->waits, "no configuration came on standard input");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0)
		pid = fork();
	if (pid < 0) {
		strcpy(shared->waits, "no process can be made");
		return give_up(shared);
	}
	if (pid == 0) {
		close(pair[0]);
		work_for(pair[1], work, shared);
		close(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	status = wait_for(pair[0], pid, shared, seconds);
	close(pair[0]);
	return status;
}
