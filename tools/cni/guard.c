/* A call to a mount whose daemon hangs can be ended by a kill alone, and what was asked for may be done all the same later,
 * when nobody knows of it. So the work is another process's: this one waits, and goes when it has waited enough; that one
 * takes back what it did if its answer finds nobody.
 *
 * Between them, over a socket: frames of a header and a text. The last one is acknowledged with a byte once it is printed, where there is
 * something to take back.
 */
#include "cni.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct frame {
	bool alive;              /* nothing but a sign of life */
	int status;
	struct cni_error error;
	size_t size;             /* of the text that follows */
};

static bool put_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

/* ---- the one that works -------------------------------------------------------------------------------------------------- */

static void tell_alive(void *arg)
{
	struct frame f = { .alive = true };

	put_all(*(int *)arg, &f, sizeof f);
}

/* The runtime reads our output to its end, and kills by groups. */
static void leave(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

static bool send_answer(int fd, struct frame *f, const json_t *out)
{
	char *text = f->status == 0 && out != NULL ? json_dumps(out, JSON_INDENT(4)) : NULL;
	struct iovec part[2] = { { f, sizeof *f }, { text, 0 } };
	struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
	bool sent;

	if (f->status == 0 && out != NULL && text == NULL)
		f->status = cni_fail(&f->error, CNI_IO, "out of memory");
	f->size = part[1].iov_len = text == NULL ? 0 : strlen(text);
	/* An answer is far smaller than a socket's buffer: it goes whole. */
	sent = sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof *f + f->size);
	free(text);
	return sent;
}

static void work_for(int fd, struct cni_call *c, const struct cni_work *w)
{
	struct frame f = { 0 };
	char ack;
	bool sent;

	leave();
	c->alive = tell_alive;
	c->arg = &fd;
	f.status = w->work(c, &f.error);
	sent = send_answer(fd, &f, c->out);
	/* What failed has taken back its own. */
	if (f.status == 0 && w->undo != NULL && (!sent || recv(fd, &ack, 1, 0) != 1))
		w->undo(c);
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

static int wait_for(int fd, const struct cni_call *c, const struct cni_work *w, struct cni_error *e, bool *answered)
{
	struct frame f;
	char *text;
	int rc;

	do
		if (!get_all(fd, &f, sizeof f, w->seconds))
			return cni_fail(e, CNI_TRY_AGAIN, "ipamfs on %s doesn't answer; is the daemon at work?", c->conf.mount);
	while (f.alive);
	text = malloc(f.size + 1);
	if (text == NULL || !get_all(fd, text, f.size, w->seconds)) {
		free(text);
		return cni_fail(e, CNI_IO, "the answer was lost");
	}
	*answered = true;
	rc = f.status;
	if (rc == 0 && f.size > 0 && (fwrite(text, f.size, 1, stdout) != 1 || putchar('\n') == EOF || fflush(stdout) != 0))
		rc = cni_fail(e, CNI_IO, "the answer can't be written");
	else if (rc < 0)
		*e = f.error;
	if (rc == 0 && w->undo != NULL)
		put_all(fd, "", 1);
	free(text);
	return rc;
}

int cni_guard(struct cni_call *c, const struct cni_work *w, struct cni_error *e)
{
	bool answered = false;
	int pair[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return cni_fail_errno(e, CNI_IO, errno, "no socket");
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return cni_fail_errno(e, CNI_TRY_AGAIN, errno, "no process");
	}
	if (pid == 0) {
		close(pair[0]);
		work_for(pair[1], c, w);
		cni_node_close(&c->node);
		close(pair[1]);
		json_decref(c->out);
		cni_conf_free(&c->conf);
		_exit(0);
	}
	close(pair[1]);
	rc = wait_for(pair[0], c, w, e, &answered);
	close(pair[0]);
	if (answered)
		waitpid(pid, NULL, 0); /* it has nothing more to do than to end */
	return rc;
}
