/* nodes — what an administrator does on one machine, without pause, against a model: nodes are made, labelled, given modes and settings,
 * renamed, removed, behind a network that loses, delays and doubles what the machine asks.
 *
 *   nodes CLUSTER-DIR WHO SEED STOP-FILE
 *
 * What succeeded is so from then on. What failed with EHOSTUNREACH may be so or not, now or later: its name isn't used again. What
 * failed with any other errno isn't so. No call takes longer than is stated. At the end it prints "nodes N unknown N refused N
 * repeated N back N slowest N wrong N", and a line for everything that was wrong; repeated: removals that were told for the second
 * time; back: what was removed, and made anew by a copy of the request that had made it, which came later. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8, NAMES = 1 << 20, DOUBTS = 16 };

struct slot {
	unsigned name; /* 0: none is there */
	unsigned label, before;
	bool either; /* the label is the one or the other */
};

static const char *dir, *who;
static struct slot slots[SLOTS];
static enum { NOTHING, GONE, REFUSED } isnt[NAMES]; /* what isn't there, and why: removed or renamed, or never made */
static unsigned names, doubt[DOUBTS];               /* names that may be there, the last of them */
static unsigned long count, unknown, refused, repeated, back, wrongs;
static long slowest;
static long limit_ms = 30000; /* LIMIT_MS: five seconds on a machine with nothing else to do */

static void wrong(unsigned name, const char *what, int error)
{
	wrongs++;
	printf("%s/%s-%u: %s (%s)\n", dir, who, name, what, strerror(error));
}

static void path_of(unsigned name, const char *file, char path[400])
{
	snprintf(path, 400, "%s/%s-%u%s", dir, who, name, file);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* After each call: 0, or the errno that it failed with. */
static int timed(unsigned name, int error, long begun)
{
	long took = now_ms() - begun;

	count++;
	if (error == EHOSTUNREACH)
		doubt[unknown++ % DOUBTS] = name;
	refused += error != 0 && error != EHOSTUNREACH;
	if (took > slowest)
		slowest = took;
	if (took > limit_ms) {
		char text[64];

		snprintf(text, sizeof text, "took %ld ms", took);
		wrong(name, text, error);
	}
	return error;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	if (close(fd) < 0 && error == 0)
		error = errno;
	return error;
}

/* Nobody else knows the name: that it is there, or isn't, can't be. */
static bool is_lie(int error)
{
	return error == EEXIST || error == ENOENT || error == EIO || error == EPROTO;
}

static void make(struct slot *s)
{
	unsigned name = ++names;
	char path[400];
	long begun = now_ms();
	int error;

	path_of(name, "", path);
	error = timed(name, mkdir(path, 0755) < 0 ? errno : 0, begun);
	if (error == 0)
		*s = (struct slot){ .name = name };
	else if (is_lie(error))
		wrong(name, "mkdir of a new name", error);
	isnt[name] = error != 0 && error != EHOSTUNREACH ? REFUSED : 0;
}

static void rename_it(struct slot *s)
{
	unsigned name = ++names;
	char from[400], to[400];
	long begun = now_ms();
	int error;

	path_of(s->name, "", from);
	path_of(name, "", to);
	error = timed(s->name, rename(from, to) < 0 ? errno : 0, begun);
	if (is_lie(error))
		wrong(s->name, "rename of what is there", error);
	isnt[s->name] = error == 0 ? GONE : 0;
	isnt[name] = error != 0 && error != EHOSTUNREACH ? REFUSED : 0;
	if (error == 0)
		s->name = name;
	else if (error == EHOSTUNREACH || error == ENOENT)
		*s = (struct slot){ 0 };
	if (error == EHOSTUNREACH)
		doubt[(unknown + DOUBTS / 2) % DOUBTS] = name;
}

static void drop(struct slot *s)
{
	char path[400];
	long begun = now_ms();
	int error;

	path_of(s->name, "", path);
	error = timed(s->name, rmdir(path) < 0 ? errno : 0, begun);
	repeated += error == ENOENT;
	if (is_lie(error) && error != ENOENT)
		wrong(s->name, "rmdir of what is there", error);
	isnt[s->name] = error == 0 || error == ENOENT ? GONE : 0;
	if (error == 0 || error == EHOSTUNREACH || error == ENOENT)
		*s = (struct slot){ 0 };
}

/* One that may be there, so that it doesn't keep its blocks for ever. */
static void sweep(void)
{
	unsigned name = doubt[random() % DOUBTS];
	char path[400];
	long begun = now_ms();

	for (int i = 0; i < SLOTS; i++)
		if (name == 0 || slots[i].name == name)
			return; /* of a change that it survived */
	path_of(name, "", path);
	timed(name, rmdir(path) < 0 && errno != ENOENT ? errno : 0, begun);
}

static void label(struct slot *s)
{
	char path[400], text[32];
	long begun = now_ms();
	int error;

	path_of(s->name, "/.ipam/labels", path);
	snprintf(text, sizeof text, "v=%u\n", ++s->before);
	error = timed(s->name, put(path, text), begun);
	if (is_lie(error))
		wrong(s->name, "labels of what is there", error);
	if (error == 0) {
		s->label = s->before;
		s->either = false;
	} else if (error == EHOSTUNREACH) {
		s->either = true; /* the new one, or any that was tried before */
	}
}

static void attribute(struct slot *s)
{
	char path[400];
	long begun = now_ms();
	int error;

	path_of(s->name, "", path);
	error = timed(s->name, chmod(path, random() % 2 ? 0755 : 0700) < 0 ? errno : 0, begun);
	if (is_lie(error))
		wrong(s->name, "chmod of what is there", error);
}

/* When all is at peace. */
static void look(const struct slot *s)
{
	char path[400], text[64] = "", want[32];
	ssize_t n;
	int fd;

	path_of(s->name, "/.ipam/labels", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		wrong(s->name, "was made, and is gone", errno);
		return;
	}
	n = read(fd, text, sizeof text - 1);
	close(fd);
	snprintf(want, sizeof want, "v=%u\n", s->label);
	if (!s->either && (n < 0 || (s->label > 0 && strcmp(text, want) != 0)))
		wrong(s->name, "has other labels", errno);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	dir = argv[1];
	who = argv[2];
	srandom((unsigned)atoi(argv[3]));
	if (getenv("LIMIT_MS") != NULL)
		limit_ms = atol(getenv("LIMIT_MS"));
	while (access(argv[4], F_OK) < 0 && names + 2 < NAMES) {
		struct slot *s = &slots[random() % SLOTS];

		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		if (random() % 16 == 0)
			sweep();
		if (s->name == 0) {
			make(s);
			continue;
		}
		switch (random() % 6) {
		case 0:
			drop(s);
			break;
		case 1:
			rename_it(s);
			break;
		case 2:
			attribute(s);
			break;
		default:
			label(s);
		}
	}
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].name != 0)
			look(&slots[i]);
	for (unsigned i = 1; i <= names; i++) {
		char path[400];

		path_of(i, "", path);
		if (isnt[i] == 0 || access(path, F_OK) < 0)
			continue;
		if (isnt[i] == REFUSED)
			wrong(i, "was refused, and is there", 0);
		else
			back++;
	}
	printf("nodes %lu unknown %lu refused %lu repeated %lu back %lu slowest %ld wrong %lu\n", count, unknown, refused, repeated, back,
	       slowest, wrongs);
	return wrongs > 0;
}
