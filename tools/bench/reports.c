/* What long reports do to those who allocate: latency of a create and unlink alone, while `leases` is made, while it is read
 * a byte at a time, and while events have readers that never read. */
#include "bench.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20, BYTES_AT_A_TIME = 1, EVENTS_READERS = 1000, BYTE_READERS = 4 };

struct reports {
	const char *cluster;
	char path[4096], node[4096];
	double seconds;
	long pid;
	FILE *record;
	atomic_bool stop;
	_Atomic uint64_t made, bytes;
	uint32_t *ns;
};

/* Opens it again and again. */
static void *make_reports(void *arg)
{
	struct reports *r = arg;
	char byte;

	while (!atomic_load(&r->stop)) {
		int fd = open(r->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		if (read(fd, &byte, BYTES_AT_A_TIME) == 1)
			atomic_fetch_add(&r->made, 1);
		close(fd);
	}
	return NULL;
}

/* Has it open and reads it a byte at a time. */
static void *read_bytes(void *arg)
{
	struct reports *r = arg;
	int fd = open(r->path, O_RDONLY | O_CLOEXEC);
	char byte;

	atomic_fetch_add(&r->made, fd >= 0);
	while (fd >= 0 && !atomic_load(&r->stop) && read(fd, &byte, BYTES_AT_A_TIME) == 1)
		atomic_fetch_add(&r->bytes, 1);
	if (fd >= 0)
		close(fd);
	return NULL;
}

struct latency {
	double p50, p99, most;
};

/* Create and unlink for a while. */
static int measure(struct reports *r, struct latency *out)
{
	uint64_t end = bench_now() + (uint64_t)(r->seconds * 1e9);
	size_t n = 0;
	int dir = open(r->node, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = dir < 0 ? -errno : 0;

	while (rc == 0 && bench_now() < end && n < SAMPLES) {
		uint64_t begin = bench_now();
		int fd = openat(dir, "measured", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

		if (fd < 0 || close(fd) < 0) {
			rc = -errno;
			break;
		}
		r->ns[n++] = (uint32_t)(bench_now() - begin);
		if (unlinkat(dir, "measured", 0) < 0)
			rc = -errno;
	}
	out->p50 = bench_percentile(r->ns, n, 0.5);
	out->p99 = bench_percentile(r->ns, n, 0.99);
	out->most = bench_percentile(r->ns, n, 1);
	if (dir >= 0)
		close(dir);
	return rc;
}

static double memory(long pid, const char *key)
{
	char path[64], line[256];
	double kib = 0;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/status", (int)bench_worker((pid_t)pid));
	in = fopen(path, "re");
	while (in != NULL && fgets(line, sizeof line, in) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kib = atof(line + strlen(key));
	if (in != NULL)
		fclose(in);
	return kib / 1024;
}

static void tell(struct reports *r, const char *what, const char *key, const struct latency *base, const struct latency *l)
{
	char p50[BENCH_CELL], p99[BENCH_CELL], most[BENCH_CELL];

	printf("%-38s p50 %5s us  p99 %5s us  most %5s us  x%.2f p50  x%.2f p99", what, bench_print_us(l->p50, p50),
	       bench_print_us(l->p99, p99), bench_print_us(l->most, most), l->p50 / base->p50, l->p99 / base->p99);
	if (r->pid > 0)
		printf("  daemon %.0f MiB", memory(r->pid, "VmRSS:"));
	putchar('\n');
	fflush(stdout);
	bench_record(r->record, l->p50 / base->p50, "reports.%s.p50", key);
	bench_record(r->record, l->p99 / base->p99, "reports.%s.p99", key);
}

/* Measure while so many threads do that. */
static int beside(struct reports *r, void *(*what)(void *), int n, bool opened, struct latency *out)
{
	pthread_t thread[BYTE_READERS];
	int rc, i;

	atomic_store(&r->stop, false);
	atomic_store(&r->made, 0);
	for (i = 0; i < n; i++)
		if (pthread_create(&thread[i], NULL, what, r) != 0)
			break;
	while (opened && atomic_load(&r->made) < (uint64_t)i)
		usleep(10000);
	rc = measure(r, out);
	atomic_store(&r->stop, true);
	while (i > 0)
		pthread_join(thread[--i], NULL);
	return rc;
}

static int with_events(struct reports *r, struct latency *out)
{
	struct rlimit limit = { EVENTS_READERS + 64, EVENTS_READERS + 64 };
	char path[4200];
	int *fd = calloc(EVENTS_READERS, sizeof *fd), n = 0, rc = fd == NULL ? -ENOMEM : 0;

	setrlimit(RLIMIT_NOFILE, &limit);
	snprintf(path, sizeof path, "%s/.ipam/events", r->cluster);
	while (rc == 0 && n < EVENTS_READERS) {
		fd[n] = open(path, O_RDONLY | O_CLOEXEC);
		if (fd[n] < 0)
			rc = -errno;
		else
			n++;
	}
	if (rc == 0)
		rc = measure(r, out);
	while (n > 0)
		close(fd[--n]);
	free(fd);
	return rc;
}

static int run(struct reports *r)
{
	struct latency base, making, reading, events;
	struct stat st;
	int rc;

	snprintf(r->path, sizeof r->path, "%s/.ipam/leases", r->cluster);
	snprintf(r->node, sizeof r->node, "%s/bench-reports", r->cluster);
	if (mkdir(r->node, 0755) < 0)
		return bench_fail(-errno, "%s", r->node), -errno;
	rc = measure(r, &base); /* once to warm up */
	if (rc == 0)
		rc = measure(r, &base);
	if (rc == 0)
		tell(r, "alone", "alone", &base, &base);
	if (rc == 0)
		rc = beside(r, make_reports, 1, false, &making);
	if (rc == 0)
		tell(r, "while `leases` is made", "making", &base, &making);
	if (rc == 0)
		rc = beside(r, read_bytes, BYTE_READERS, true, &reading);
	if (rc == 0)
		tell(r, "while 4 read it a byte at a time", "reading", &base, &reading);
	if (rc == 0)
		rc = with_events(r, &events);
	if (rc == 0)
		tell(r, "with 1,000 idle readers of events", "events", &base, &events);
	if (rc == 0 && r->pid > 0)
		printf("memory of the daemon at most: %.0f MiB\n", memory(r->pid, "VmHWM:"));
	if (rmdir(r->node) < 0 || stat(r->cluster, &st) < 0)
		rc = rc < 0 ? rc : -errno;
	return rc < 0 ? (bench_fail(rc, "%s", r->cluster), rc) : 0;
}

int cmd_reports(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "pid", required_argument, NULL, 'p' },
		{ "record", required_argument, NULL, 'r' },
		{ 0 },
	};
	static struct reports r = { .seconds = 5 };
	const char *path = NULL;
	double n;
	int c, rc = 0;

	while (rc == 0 && (c = getopt_long(argc, argv, "r:", options, NULL)) != -1) {
		if (c == 's')
			rc = bench_number("--seconds", optarg, 0.1, 600, &r.seconds);
		else if (c == 'p')
			rc = bench_number("--pid", optarg, 1, 4194304, &n), r.pid = (long)n;
		else if (c == 'r')
			path = optarg;
		else
			rc = -EINVAL;
	}
	if (rc < 0 || argc - optind != 1) {
		fputs("usage: ipamfs-bench reports [--seconds N] [--pid DAEMON] [-r FILE] MOUNT/CLUSTER\n", stderr);
		return 2;
	}
	if (path != NULL && (r.record = bench_record_open(path)) == NULL)
		return 1;
	r.cluster = argv[optind];
	r.ns = malloc(SAMPLES * sizeof *r.ns);
	rc = r.ns == NULL ? -ENOMEM : run(&r);
	free(r.ns);
	bench_record_close(r.record);
	return rc < 0 ? 1 : 0;
}
