/* A TCP proxy that holds back what passes, in both directions: a slow network that needs no rights. SIGUSR1 makes it slow,
 * SIGUSR2 quick; also connections that are there. */
#include "bench.h"
#include "commands.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in there;
static double delay_ms;
static _Atomic bool slow;

struct pipe_of {
	int from, to;
	_Atomic int *users; /* of the two sockets: 2 directions */
};

static void switch_speed(int number)
{
	atomic_store(&slow, number == SIGUSR1);
}

static bool write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t wrote = send(fd, data, n, MSG_NOSIGNAL);

		if (wrote < 0 && errno != EINTR)
			return false;
		data += wrote > 0 ? wrote : 0;
		n -= wrote > 0 ? (size_t)wrote : 0;
	}
	return true;
}

static void *pass_on(void *arg)
{
	struct pipe_of *p = arg;
	char data[65536];
	ssize_t n;

	while ((n = recv(p->from, data, sizeof data, 0)) > 0 || (n < 0 && errno == EINTR)) {
		struct timespec t = { (time_t)(delay_ms / 1000), (long)(delay_ms * 1e6) % 1000000000 };

		if (n < 0)
			continue;
		if (atomic_load(&slow))
			nanosleep(&t, NULL);
		if (!write_all(p->to, data, (size_t)n))
			break;
	}
	shutdown(p->from, SHUT_RDWR);
	shutdown(p->to, SHUT_RDWR);
	if (atomic_fetch_sub(p->users, 1) == 1) {
		close(p->from);
		close(p->to);
		free(p->users);
	}
	free(p);
	return NULL;
}

static int begin_direction(int from, int to, _Atomic int *users)
{
	struct pipe_of *p = malloc(sizeof *p);
	pthread_t thread;

	if (p == NULL)
		return -ENOMEM;
	*p = (struct pipe_of){ .from = from, .to = to, .users = users };
	if (pthread_create(&thread, NULL, pass_on, p) != 0) {
		free(p);
		return -EAGAIN;
	}
	pthread_detach(thread);
	return 0;
}

static void serve(int client)
{
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	_Atomic int *users = malloc(sizeof *users);

	if (users == NULL || server < 0 || connect(server, (struct sockaddr *)&there, sizeof there) < 0)
		goto fail;
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	atomic_init(users, 2);
	if (begin_direction(client, server, users) < 0)
		goto fail;
	if (begin_direction(server, client, users) < 0) {
		/* The one that runs is told to end, and is the last. */
		atomic_fetch_sub(users, 1);
		shutdown(client, SHUT_RDWR);
	}
	return;
fail:
	free(users);
	close(client);
	if (server >= 0)
		close(server);
}

int cmd_delay(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sigaction quick = { .sa_handler = switch_speed, .sa_flags = SA_RESTART };
	double from, to;
	int listener, one = 1;

	if (argc != 4 || bench_number("PORT", argv[1], 1, 65535, &from) < 0 || bench_number("PORT", argv[2], 1, 65535, &to) < 0 ||
	    bench_number("MILLISECONDS", argv[3], 0, 10000, &delay_ms) < 0) {
		fputs("usage: ipamfs-bench delay PORT TO-PORT MILLISECONDS\n", stderr);
		return 2;
	}
	there = here;
	here.sin_port = htons((uint16_t)from);
	there.sin_port = htons((uint16_t)to);
	sigaction(SIGUSR1, &quick, NULL);
	sigaction(SIGUSR2, &quick, NULL);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 128) < 0)
		return bench_fail(-errno, "port %s", argv[1]);
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client >= 0)
			serve(client);
		else if (errno != EINTR && errno != ECONNABORTED)
			return bench_fail(-errno, "port %s", argv[1]);
	}
}
