/* A call to a mount whose daemon hangs can be ended by a kill alone, and what was asked for may be done all the same later,
 * when nobody knows of it. So the work is another process's: this one waits, and goes when it has waited enough; that one
 * takes back what it did if its answer finds nobody.
 *
 * Between them, over a socket: frames of a header and a text. The last one is acknowledged with a byte once it is printed.
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

static void work_for(int fd, struct cni_call *c, const struct cni_work *w)
{
	struct frame f = { 0 };
	char *text = NULL, ack;
	bool sent;

	leave();
	c->alive = tell_alive;
	c->arg = &fd;
	f.status = w->work(c, &f.error);
	if (f.status == 0 && c->out != NULL) {
		text = json_dumps(c->out, JSON_INDENT(4));
		if (text == NULL)
			f.status = cni_fail(&f.error, CNI_IO, "out of memory");
		f.size = text == NULL ? 0 : strlen(text);
	}
	sent = put_all(fd, &f, sizeof f) && (f.size == 0 || put_all(fd, text, f.size));
	/* What failed has taken back its own. */
	if (f.status == 0 && (!sent || recv(fd, &ack, 1, 0) != 1) && w->undo != NULL)
		w->undo(c);
	free(text);
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

static int wait_for(int fd, const struct cni_call *c, const struct cni_work *w, struct cni_error *e)
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
	rc = f.status;
	if (rc == 0 && f.size > 0 && (fwrite(text, f.size, 1, stdout) != 1 || putchar('\n') == EOF || fflush(stdout) != 0))
		rc = cni_fail(e, CNI_IO, "the answer can't be written");
	else if (rc < 0)
		*e = f.error;
	if (rc == 0)
		put_all(fd, "", 1);
	free(text);
	return rc;
}

int cni_guard(struct cni_call *c, const struct cni_work *w, struct cni_error *e)
{
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
	rc = wait_for(pair[0], c, w, e);
	close(pair[0]);
	return rc;
}
