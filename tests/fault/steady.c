/* steady CLUSTER-DIR THREADS STOP-FILE: threads that do all that can be done with leases and nodes, each on names of its own, and know
 * what each call must answer. They go on until STOP-FILE is there. Nothing may fail that should succeed, or the reverse: whoever
 * replaces the daemon meanwhile must not be noticed. Prints what was wrong, and "ops N slowest MS". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const char *directory, *stop_file;
static atomic_ulong ops, slowest_us, wrongs;

struct worker {
	pthread_t thread;
	int number;
	unsigned seed;
	char node[256], name[600], other[600];
};

static void wrong(const struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(const struct worker *w, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (atomic_fetch_add(&wrongs, 1) < 20)
		printf("wrong: thread %d: %s\n", w->number, text);
}

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* wanted: 0 success, or an errno. */
static int expect(const struct worker *w, const char *what, const char *name, int wanted, int rc, long long begun)
{
	int error = rc < 0 ? errno : 0;
	unsigned long took = (unsigned long)(now_us() - begun), most = atomic_load(&slowest_us);

	while (took > most && !atomic_compare_exchange_weak(&slowest_us, &most, took))
		;
	atomic_fetch_add(&ops, 1);
	if (error != wanted)
		wrong(w, "%s %s: %s", what, strrchr(name, '/') + 1, strerror(error));
	return error == wanted ? 0 : -1;
}
#define EXPECT(wanted, what, name, call) expect(w, what, name, wanted, (call), now_us())

static int create(const char *name, int flags)
{
	int fd = open(name, O_CREAT | flags, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int read_all(const char *name, char *out, size_t room)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, room - 1);

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = 0;
	return n < 0 ? -1 : 0;
}

static int write_all(const char *name, const char *text, int flags)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC | flags, 0644);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

/* ---- a lease's life ------------------------------------------------------------------------------------------ */

static void lease_life(struct worker *w)
{
	char before[256], after[256];
	struct stat st, st2;

	if (EXPECT(0, "create", w->name, create(w->name, O_EXCL | O_WRONLY)) < 0)
		return;
	EXPECT(EEXIST, "create again", w->name, create(w->name, O_EXCL | O_WRONLY));
	EXPECT(0, "stat", w->name, stat(w->name, &st));
	EXPECT(0, "read", w->name, read_all(w->name, before, sizeof before));
	EXPECT(0, "rename", w->name, rename(w->name, w->other));
	EXPECT(ENOENT, "the old name", w->name, stat(w->name, &st2));
	EXPECT(0, "the new name", w->other, stat(w->other, &st2));
	EXPECT(0, "read it", w->other, read_all(w->other, after, sizeof after));
	if (st.st_ino != st2.st_ino || strcmp(before, after) != 0)
		wrong(w, "a rename changed what it is: %s / %s", before, after);
	EXPECT(0, "attribute", w->other, setxattr(w->other, "user.pod", "x", 1, 0));
	EXPECT(0, "unlink", w->other, unlink(w->other));
	EXPECT(ENOENT, "unlink again", w->other, unlink(w->other));
}

/* An address by a write, and one that is refused and leaves nothing. */
static void written_life(struct worker *w)
{
	char address[64], text[256];

	snprintf(address, sizeof address, "10.%d.%d.%d\n", 100 + w->number, rand_r(&w->seed) % 250 + 1, rand_r(&w->seed) % 250 + 1);
	if (EXPECT(0, "write an address", w->name, write_all(w->name, address, O_CREAT | O_EXCL)) < 0)
		return;
	EXPECT(0, "read it", w->name, read_all(w->name, text, sizeof text));
	if (strncmp(text, address, strlen(address) - 1) != 0)
		wrong(w, "wrote %s, reads %s", address, text);
	EXPECT(EADDRINUSE, "the same for another", w->other, write_all(w->other, address, O_CREAT | O_EXCL));
	EXPECT(ENOENT, "which leaves nothing", w->other, unlink(w->other));
	EXPECT(0, "unlink", w->name, unlink(w->name));
}

static void node_life(struct worker *w)
{
	char node[700], lease[800];

	snprintf(node, sizeof node, "%s/extra-%d", directory, w->number);
	snprintf(lease, sizeof lease, "%s/x", node);
	if (EXPECT(0, "mkdir", node, mkdir(node, 0755)) < 0)
		return;
	EXPECT(EEXIST, "mkdir again", node, mkdir(node, 0755));
	EXPECT(0, "a lease in it", lease, create(lease, O_EXCL | O_WRONLY));
	EXPECT(ENOTEMPTY, "rmdir", node, rmdir(node));
	EXPECT(0, "unlink", lease, unlink(lease));
	EXPECT(0, "rmdir", node, rmdir(node));
	EXPECT(ENOENT, "rmdir again", node, rmdir(node));
}

/* ---- what is open -------------------------------------------------------------------------------------------- */

/* A directory is read while others come and go: those that stay are seen, each once. */
static void listing(struct worker *w)
{
	enum { STAY = 300 };
	char name[700], seen[STAY] = { 0 };
	struct dirent *e;
	DIR *d;

	snprintf(name, sizeof name, "%s/stay", directory);
	d = opendir(name);
	if (EXPECT(0, "opendir", name, d == NULL ? -1 : 0) < 0)
		return;
	while ((errno = 0, e = readdir(d)) != NULL) {
		int n = -1;

		if (sscanf(e->d_name, "s%d", &n) == 1 && n >= 0 && n < STAY && seen[n]++)
			wrong(w, "%s is listed twice", e->d_name);
		if (rand_r(&w->seed) % 50 == 0)
			usleep(1000);
	}
	if (errno != 0)
		wrong(w, "readdir: %s", strerror(errno));
	for (int i = 0; i < STAY; i++)
		if (!seen[i])
			wrong(w, "s%d isn't listed", i);
	closedir(d);
	atomic_fetch_add(&ops, 1);
}

/* An ephemeral lease is there as long as it is open, and no longer. */
static void ephemeral(struct worker *w)
{
	char name[700], shown[700];
	struct stat st;
	int fd;

	snprintf(name, sizeof name, "%s/.ipam/ephemeral/e%d", w->node, w->number);
	snprintf(shown, sizeof shown, "%s/e%d", w->node, w->number);
	fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (EXPECT(0, "ephemeral", name, fd) < 0)
		return;
	for (int i = 0; i < 5; i++) {
		EXPECT(0, "ephemeral, while it is open", shown, stat(shown, &st));
		usleep((useconds_t)(rand_r(&w->seed) % 20000));
	}
	close(fd);
	for (int i = 0; i < 3000 && stat(shown, &st) == 0; i++)
		usleep(10000);
	if (stat(shown, &st) == 0) {
		DIR *d = opendir(w->node);
		struct dirent *e;
		bool listed = false;

		while (d != NULL && (e = readdir(d)) != NULL)
			listed |= strcmp(e->d_name, strrchr(shown, '/') + 1) == 0;
		if (d != NULL)
			closedir(d);
		wrong(w, "%s is there after it was closed: inode %llx, %s by its directory", shown, (unsigned long long)st.st_ino,
		      listed ? "listed" : "not listed");
	}
	atomic_fetch_add(&ops, 1);
}

/* A snapshot stays what it was at open, however long it takes to read it. */
static void snapshot(struct worker *w)
{
	static const char *const files[] = { ".ipam/stats", "prod/.ipam/leases", "prod/.ipam/blocks", "prod/.ipam/leases.json" };
	char name[700];
	int fd;

	snprintf(name, sizeof name, "%s/../%s", directory, files[rand_r(&w->seed) % 4]);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (EXPECT(0, "open", name, fd) < 0)
		return;
	for (;;) {
		char part[4096], again[4096];
		off_t at = lseek(fd, 0, SEEK_CUR);
		ssize_t n = read(fd, part, sizeof part), m = pread(fd, again, sizeof again, at);

		if (n < 0 || n != m || memcmp(part, again, (size_t)n) != 0)
			wrong(w, "%s at %lld reads otherwise the second time: %zd, %zd", name, (long long)at, n, m);
		if (n <= 0)
			break;
		if (rand_r(&w->seed) % 8 == 0)
			usleep(5000);
	}
	close(fd);
	atomic_fetch_add(&ops, 1);
}

/* ---- ------------------------------------------------------------------------------------------------------------ */

static void *run(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; access(stop_file, F_OK) < 0; i++) {
		snprintf(w->name, sizeof w->name, "%s/t%d-%u", w->node, w->number, i);
		snprintf(w->other, sizeof w->other, "%s/o%d-%u", w->node, w->number, i);
		switch (rand_r(&w->seed) % 12) {
		case 0:
			node_life(w);
			break;
		case 1:
			listing(w);
			break;
		case 2:
			ephemeral(w);
			break;
		case 3:
			snapshot(w);
			break;
		case 4:
		case 5:
		case 6:
			written_life(w);
			break;
		default:
			lease_life(w);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc == 4 ? atoi(argv[2]) : 0;
	struct worker *w = calloc((size_t)(n > 0 ? n : 1), sizeof *w);

	if (n < 1 || n > 64 || w == NULL) {
		fprintf(stderr, "usage: steady CLUSTER-DIR THREADS STOP-FILE\n");
		return 2;
	}
	directory = argv[1];
	stop_file = argv[3];
	for (int i = 0; i < n; i++) {
		w[i].number = i;
		w[i].seed = (unsigned)(i + 1) * 7919u + (unsigned)getpid();
		snprintf(w[i].node, sizeof w[i].node, "%s/n%d", directory, i);
		pthread_create(&w[i].thread, NULL, run, &w[i]);
	}
	for (int i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
	printf("ops %lu slowest %lu\n", atomic_load(&ops), atomic_load(&slowest_us) / 1000);
	free(w);
	return atomic_load(&wrongs) > 0;
}
