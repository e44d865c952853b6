#include "fs/process/workers.h"

#include "fs/base/log.h"
#include "fs/process/mounter.h"
#include "fs/process/privileges.h"
#include "fs/process/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

/* In the child: nothing stays open that is the supervisor's alone. */
static void be_worker(struct supervisor *s, int socket, bool ahead)
{
	for (size_t i = 0; i < s->holds.n; i++)
		if (s->holds.fd[i] >= 0)
			close(s->holds.fd[i]);
	close(s->signals);
	if (s->mounter >= 0)
		close(s->mounter);
	if (s->device.fd >= 0)
		close(s->device.fd);
	if (s->device.abort >= 0)
		close(s->device.abort);
	if (s->socket >= 0)
		close(s->socket);
	if (s->touched >= 0)
		close(s->touched);
	close(s->keep.fd); /* it is mapped */
	s->keep.fd = -1;
	handover_forget();
	sigprocmask(SIG_UNBLOCK, &s->blocked, NULL);
	s->keep.socket = socket;
	exit(worker_run(s->options, &s->keep, s->lock, ahead));
}

static int fork_worker(struct supervisor *s, bool ahead, pid_t *worker, int *socket)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int rc = -errno;

		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (pid == 0) {
		close(pair[0]);
		be_worker(s, pair[1], ahead);
	}
	close(pair[1]);
	*worker = pid;
	*socket = pair[0];
	return 0;
}

int workers_start(struct supervisor *s)
{
	int rc = fork_worker(s, false, &s->worker, &s->socket);

	if (rc < 0)
		return rc;
	s->began = now_ms();
	s->ready = s->handing = s->fell = s->quit = s->waits = false;
	s->killed = 0;
	s->next = 0;
	return 0;
}

/* Whoever started it needn't wait any longer. */
static void tell_started(struct supervisor *s)
{
	if (s->started == NULL)
		return;
	if (privileges_of_supervisor() < 0)
		log_print(LOG_WARNING, "privileges that aren't needed can't be given up");
	s->started(s->arg);
	s->started = NULL;
}

int workers_hand_over(struct supervisor *s)
{
	int rc = 0;

	if (s->device.fd < 0 && s->mounter >= 0) {
		s->waits = true;
		tell_started(s);
		return 0;
	}
	if (s->device.fd < 0) {
		struct ipam_error error;

		device_clear(s->options->mountpoint); /* whose lock this has is gone by now, if it wasn't before */
		rc = device_mount(s->options, &s->device, &error);
		if (rc < 0) {
			log_print(LOG_ERR, "%s", error.text);
			return rc;
		}
	}
	rc = keep_send(s->socket, &(struct keep_message){ .word = KEEP_DEVICE }, s->device.fd);
	for (uint32_t i = 0; rc == 0 && i < s->holds.n; i++)
		if (s->holds.fd[i] >= 0)
			rc = keep_send(s->socket, &(struct keep_message){ .word = KEEP_HELD, .slot = i }, s->holds.fd[i]);
	if (rc == 0)
		rc = keep_send(s->socket, &(struct keep_message){ .word = KEEP_GO }, -1);
	if (rc < 0)
		return 0; /* it died meanwhile, and is missed soon */
	s->ready = true;
	s->began = s->beat_seen = now_ms();
	tell_started(s);
	return 0;
}

void workers_hear_mounter(struct supervisor *s)
{
	int peer, rc = mounter_accept(s->mounter, s->options->mountpoint, &s->device, &peer);

	if (rc < 0) {
		log_print(LOG_WARNING, "who came to hand over the mount didn't: %s", strerror(-rc));
		return;
	}
	close(s->mounter);
	s->mounter = -1;
	log_print(LOG_INFO, "mounted by another process");
	if (s->waits)
		workers_hand_over(s);
	s->waits = false;
	mounter_answer(peer);
	close(peer);
}

/* ---- one that follows another while that serves ------------------------------------------------------------ */

static void end_old(struct supervisor *s)
{
	s->handing = true;
	if (s->worker > 0)
		kill(s->worker, SIGTERM);
}

void workers_forget_ahead(struct supervisor *s)
{
	if (s->ahead_socket >= 0)
		close(s->ahead_socket);
	if (s->ahead > 0)
		kill(s->ahead, SIGKILL);
	s->ahead_socket = -1;
	s->ahead = 0;
}

void workers_begin_ahead(struct supervisor *s)
{
	if (s->ahead_socket < 0 && !s->handing && fork_worker(s, true, &s->ahead, &s->ahead_socket) < 0)
		end_old(s);
}

void workers_hear_ahead(struct supervisor *s)
{
	struct keep_message m;
	int fd, rc = keep_receive(s->ahead_socket, &m, &fd);

	if (rc > 0 && fd >= 0)
		close(fd);
	if (rc <= 0)
		workers_forget_ahead(s);
	if (!s->handing && s->worker > 0)
		end_old(s);
}

void workers_follow(struct supervisor *s)
{
	s->worker = s->ahead;
	s->socket = s->ahead_socket;
	s->ahead = 0;
	s->ahead_socket = -1;
	s->ready = s->handing = s->fell = s->quit = false;
	s->killed = 0;
	s->began = now_ms();
	keep_send(s->socket, &(struct keep_message){ .word = KEEP_TOUCHED }, s->touched);
	if (s->touched >= 0)
		close(s->touched);
	s->touched = -1;
}
