/* drive — what a machine's pods do, without pause, against a model: leases come and go, now and then the machine leaves its
 * cluster and joins again, while its daemon and the engine are killed under it.
 *
 *   drive CLUSTER-DIR NODE SEED STOP-FILE
 *
 * What was acknowledged must be so from then on; what was under way when the daemon died may be either way. At the end it
 * prints "ops N joins N leaves N wrong N", and a line for everything that was wrong. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAMES = 60, TEXT = 128, STAY = 1500 };

enum state { ABSENT, PRESENT, UNKNOWN };

struct drive {
	char dir[256]; /* the node's */
	const char *stop;
	struct {
		enum state state;
		char text[TEXT];
	} lease[NAMES];
	bool joined; /* the directory is there, as far as we were told */
	bool left;   /* it was told to go, and nobody answered */
	unsigned long ops, joins, leaves, wrong;
};

static void rest(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void wrong(struct drive *d, int name, const char *what)
{
	d->wrong++;
	printf("%s/p%d: %s (%s)\n", d->dir, name, what, strerror(errno));
}

static void path_of(const struct drive *d, int name, char path[300])
{
	snprintf(path, 300, "%s/p%d", d->dir, name);
}

/* The daemon is away, or was while this was asked. */
static bool away(void)
{
	return errno == ENOTCONN || errno == ECONNABORTED || errno == EIO || errno == ENODEV || errno == ESHUTDOWN || errno == EINTR;
}

/* Until the daemon is there, and with it the node. */
static void wait_up(const struct drive *d)
{
	struct stat st;

	while (access(d->stop, F_OK) < 0 && stat(d->dir, &st) < 0)
		rest(20);
}

static bool read_text(const char *path, char text[TEXT])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0)
		text[n] = 0;
	return n > 0;
}

static void make(struct drive *d, int name)
{
	bool unknown = d->lease[name].state == UNKNOWN;
	char path[300], text[TEXT];
	int fd;

	path_of(d, name, path);
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST && unknown) {
		if (read_text(path, text)) {
			d->lease[name].state = PRESENT;
			strcpy(d->lease[name].text, text);
		}
		return;
	}
	if (fd < 0 && errno == EEXIST) {
		wrong(d, name, "was released, and is there");
	} else if (fd < 0 && away()) {
		d->lease[name].state = UNKNOWN;
		wait_up(d);
	} else if (fd < 0 && errno == ENOENT && d->left && access(d->dir, F_OK) < 0) {
		d->joined = d->left = false;
	} else if (fd < 0) {
		rest(5); /* full, or in doubt: nothing has happened */
	} else {
		d->left = false;
		close(fd);
		d->lease[name].state = PRESENT;
		d->lease[name].text[0] = 0;
		if (read_text(path, text))
			strcpy(d->lease[name].text, text);
		d->ops++;
	}
}

static void look(struct drive *d, int name)
{
	char path[300], text[TEXT];

	path_of(d, name, path);
	if (read_text(path, text)) {
		if (d->lease[name].text[0] == 0)
			strcpy(d->lease[name].text, text);
		else if (strcmp(d->lease[name].text, text) != 0)
			wrong(d, name, "has other addresses");
		d->ops++;
	} else if (errno == ENOENT && access(d->dir, F_OK) == 0) {
		wrong(d, name, "was leased, and is gone");
		d->lease[name].state = ABSENT;
	} else {
		wait_up(d);
	}
}

static void drop(struct drive *d, int name)
{
	bool unknown = d->lease[name].state == UNKNOWN;
	char path[300];

	path_of(d, name, path);
	if (unlink(path) == 0 || (errno == ENOENT && unknown && access(d->dir, F_OK) == 0)) {
		d->lease[name].state = ABSENT;
		d->ops++;
	} else if (errno == ENOENT && access(d->dir, F_OK) == 0) {
		wrong(d, name, "was leased, and is gone");
		d->lease[name].state = ABSENT;
	} else if (away() || errno == ENOENT) {
		if (errno != ENOENT)
			d->lease[name].state = UNKNOWN;
		wait_up(d);
	} else {
		rest(5);
	}
}

static bool empty(const struct drive *d)
{
	for (int i = 0; i < NAMES; i++)
		if (d->lease[i].state != ABSENT)
			return false;
	return true;
}

static void leave(struct drive *d)
{
	while (!empty(d) && access(d->stop, F_OK) < 0)
		for (int i = 0; i < NAMES; i++)
			if (d->lease[i].state != ABSENT)
				drop(d, i);
	if (!empty(d))
		return;
	if (rmdir(d->dir) == 0) {
		d->joined = false;
		d->leaves++;
		d->ops++;
	} else {
		d->left = errno == EHOSTUNREACH;
	}
}

static void join(struct drive *d)
{
	if (mkdir(d->dir, 0755) == 0 || errno == EEXIST) {
		d->joined = true;
		d->joins++;
		d->ops++;
	} else {
		rest(50);
	}
}

int main(int argc, char **argv)
{
	struct drive d = { 0 };
	unsigned long next = STAY;

	if (argc != 5)
		return 2;
	snprintf(d.dir, sizeof d.dir, "%s/%s", argv[1], argv[2]);
	srandom((unsigned)atoi(argv[3]));
	d.stop = argv[4];
	while (access(d.stop, F_OK) < 0) {
		int name = (int)(random() % NAMES);

		rest(8); /* twenty of these share a processor with all that is tried */
		if (!d.joined)
			join(&d);
		else if (d.ops > next) {
			next = d.ops + STAY + (unsigned long)(random() % STAY);
			leave(&d);
		} else if (d.lease[name].state == PRESENT && random() % 4 == 0)
			look(&d, name);
		else if (d.lease[name].state == PRESENT || (d.lease[name].state == UNKNOWN && random() % 2))
			drop(&d, name);
		else
			make(&d, name);
	}
	/* At peace: everything is as it was promised. */
	for (int i = 0; d.joined && i < NAMES; i++) {
		char path[300];

		path_of(&d, i, path);
		if (d.lease[i].state == PRESENT)
			look(&d, i);
		else if (d.lease[i].state == ABSENT && access(path, F_OK) == 0)
			wrong(&d, i, "was released, and is there");
	}
	printf("ops %lu joins %lu leaves %lu wrong %lu\n", d.ops, d.joins, d.leaves, d.wrong);
	return d.wrong > 0;
}
