/* How many leases a second are made and released, each thread in a directory of its own: one number, so that a script can
 * change what lies beneath between two of them. */
#include "bench.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MOST = 64 };

struct allocator {
	pthread_t thread;
	const char *dir;
	uint64_t until;
	unsigned number, done;
	int rc;
};

static void *allocate(void *arg)
{
	struct allocator *a = arg;
	int dir = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[32];

	if (dir < 0)
		a->rc = -errno;
	while (a->rc == 0 && bench_now() < a->until) {
		int fd;

		snprintf(name, sizeof name, "alloc-%u-%u", a->number, a->done);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || close(fd) < 0 || unlinkat(dir, name, 0) < 0)
			a->rc = -errno;
		else
			a->done++;
	}
	if (dir >= 0)
		close(dir);
	return NULL;
}

int cmd_alloc(int argc, char **argv)
{
	static const struct option options[] = { { "seconds", required_argument, NULL, 's' }, { 0 } };
	struct allocator a[MOST] = { 0 };
	double seconds = 1, made = 0;
	unsigned n = 0, count;
	uint64_t begin;
	int c, rc = 0;

	while (rc == 0 && (c = getopt_long(argc, argv, "s:", options, NULL)) != -1)
		rc = c == 's' ? bench_number("--seconds", optarg, 0.01, 600, &seconds) : -EINVAL;
	count = (unsigned)(argc - optind);
	if (rc < 0 || count < 1 || count > MOST) {
		fputs("usage: ipamfs-bench alloc [-s SECONDS] DIRECTORY...\n", stderr);
		return 2;
	}
	begin = bench_now();
	for (; rc == 0 && n < count; n += rc == 0) {
		a[n] = (struct allocator){ .dir = argv[optind + (int)n], .number = n, .until = begin + (uint64_t)(seconds * 1e9) };
		rc = -pthread_create(&a[n].thread, NULL, allocate, &a[n]);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(a[i].thread, NULL);
		if (a[i].rc < 0)
			rc = (bench_fail(a[i].rc, "%s", a[i].dir), a[i].rc);
		made += a[i].done;
	}
	if (rc < 0)
		return 1;
	printf("%.1f\n", made / ((double)(bench_now() - begin) / 1e9));
	return 0;
}
