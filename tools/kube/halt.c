#include "halt.h"

#include "cli/say.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { HALTS = 4 }; /* that hang on each other */

int halt_init(struct halt *h, const struct halt *also)
{
	h->also = also;
	atomic_init(&h->set, false);
	h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return h->fd < 0 ? -errno : 0;
}

void halt_close(struct halt *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

void halt_set(struct halt *h)
{
	uint64_t one = 1;

	atomic_store(&h->set, true);
	if (write(h->fd, &one, sizeof one) < 0)
		return; /* it is readable already */
}

void halt_clear(struct halt *h)
{
	uint64_t n;

	atomic_store(&h->set, false);
	if (read(h->fd, &n, sizeof n) < 0)
		return; /* nothing was there */
}

bool halt_is(const struct halt *h)
{
	for (; h != NULL; h = h->also)
		if (atomic_load(&h->set))
			return true;
	return false;
}

bool halt_sleep(const struct halt *h, int64_t ms)
{
	struct pollfd fd[HALTS];
	int64_t until = now_ms() + ms;
	nfds_t n = 0;

	for (const struct halt *it = h; it != NULL && n < HALTS; it = it->also)
		fd[n++] = (struct pollfd){ .fd = it->fd, .events = POLLIN };
	while (!halt_is(h)) {
		int64_t left = ms < 0 ? -1 : until - now_ms();

		if (ms >= 0 && left <= 0)
			return false;
		poll(fd, n, left > 3600000 ? 3600000 : (int)left);
	}
	return true;
}

/* ---- signals --------------------------------------------------------------------------------------------------------- */

static void *wait_for_signal(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &sig);
	halt_set(arg);
	sigwait(&set, &sig);
	_exit(CLI_REFUSED); /* who asks again doesn't want to wait for what hangs */
}

int halt_on_signals(struct halt *h)
{
	pthread_t thread;
	sigset_t set;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	rc = pthread_create(&thread, NULL, wait_for_signal, h);
	if (rc == 0)
		pthread_detach(thread);
	return -rc;
}
