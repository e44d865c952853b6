/* crowd NODE CLIENTS SECONDS: processes make, remove and release leases in one node as fast as they can, each in ways of its own, until
 * the mount is gone. A line on stdin says that it is ending now; so many seconds later at most each of them must have had its answer.
 * The last line is "ended N, stuck N, slowest N ms, N calls": the slowest from that line on. A client that is stuck can't be killed,
 * and is left behind.
 *
 * On stdout, "busy" once all of them have done something.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

struct client {
	_Atomic uint64_t calls;
	_Atomic int64_t ended; /* when: milliseconds */
};

static const char *node;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The daemon is gone, or the mount, so that what lay beneath it is found; anything else that is refused, such as a name that another
 * client has taken away, is an answer. */
static bool is_end(int rc)
{
	struct stat st;

	if (rc < 0 && errno == ENOENT && stat(node, &st) == 0)
		return false;
	return rc < 0 && (errno == ENOENT || errno == ENOTCONN || errno == ECONNABORTED || errno == ENODEV || errno == ESHUTDOWN);
}

static int make(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int look(const char *path)
{
	char text[256];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* As a container's runtime would, who has only kept what the lease was. */
static int release(const char *path)
{
	char file[512], generation[24], line[64];
	struct stat st;
	ssize_t n = stat(path, &st) < 0 ? -1 : getxattr(path, "user.ipam.generation", generation, sizeof generation - 1);
	int fd, size;

	if (n < 0)
		return -1;
	generation[n] = 0;
	size = snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)st.st_ino, generation);
	snprintf(file, sizeof file, "%s/.ipam/release", node);
	fd = open(file, O_WRONLY);
	if (fd < 0)
		return -1;
	n = write(fd, line, (size_t)size);
	close(fd);
	return n < 0 ? -1 : 0;
}

static int hold(int number)
{
	char path[512];

	snprintf(path, sizeof path, "%s/.ipam/ephemeral/e%d", node, number);
	return make(path);
}

/* Names are few, so that clients meet at them. */
static void run(int number, struct client *c)
{
	unsigned seed = (unsigned)number + 1;
	struct stat st;
	char path[512];
	int rc;

	do {
		int what = rand_r(&seed) % 16;

		snprintf(path, sizeof path, "%s/t%d-%d", node, what < 12 ? number : rand_r(&seed) % 8, rand_r(&seed) % 16);
		if (what < 6)
			rc = make(path);
		else if (what < 9)
			rc = unlink(path);
		else if (what < 12)
			rc = release(path);
		else if (what == 12)
			rc = hold(number);
		else if (what == 13)
			rc = look(path);
		else
			rc = stat(path, &st);
		atomic_fetch_add(&c->calls, 1);
	} while (!is_end(rc));
	atomic_store(&c->ended, now_ms());
}

static uint64_t calls_of(struct client *c, int n)
{
	uint64_t all = 0;

	for (int i = 0; i < n; i++)
		all += atomic_load(&c[i].calls);
	return all;
}

static bool all_busy(struct client *c, int n)
{
	for (int i = 0; i < n; i++)
		if (atomic_load(&c[i].calls) < 20)
			return false;
	return true;
}

static int count_ended(struct client *c, int n)
{
	int ended = 0;

	for (int i = 0; i < n; i++)
		ended += atomic_load(&c[i].ended) != 0;
	return ended;
}

int main(int argc, char **argv)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	int n = argc > 3 ? atoi(argv[2]) : 0, ended;
	int64_t from, until, slowest = 0;
	struct client *c;
	char line[16];

	if (n < 1 || n > 1024)
		return 2;
	node = argv[1];
	c = mmap(NULL, (size_t)n * sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return 2;
	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			run(i, &c[i]);
			_exit(0);
		}
	while (!all_busy(c, n) && count_ended(c, n) == 0)
		nanosleep(&moment, NULL);
	puts("busy");
	fflush(stdout);
	(void)!read(STDIN_FILENO, line, sizeof line);
	from = now_ms();
	until = from + 1000 * atoi(argv[3]);
	while ((ended = count_ended(c, n)) < n && now_ms() < until)
		nanosleep(&moment, NULL);
	for (int i = 0; i < n; i++)
		if (atomic_load(&c[i].ended) - from > slowest)
			slowest = atomic_load(&c[i].ended) - from;
	printf("ended %d, stuck %d, slowest %lld ms, %llu calls\n", ended, n - ended, (long long)slowest,
	       (unsigned long long)calls_of(c, n));
	return ended < n;
}
