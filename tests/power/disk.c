#include "power.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512, FILES_MAX = 4096 };

uint64_t random_next(struct random *r)
{
	/* splitmix64, public domain by its author (S. Vigna) */
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned random_below(struct random *r, unsigned n)
{
	return (unsigned)(random_next(r) % n);
}

struct bytes {
	unsigned char *data;
	size_t size, room;
};

/* A file, whatever it is called: what is surely on disk, and what was written since. */
struct inode {
	enum power_file name;
	struct bytes durable;
	struct record *pending; /* WRITE and TRUNCATE */
	size_t n, room;
};

struct disk {
	struct random random;
	enum lie lie;
	struct inode *inode[FILES_MAX];
	int inodes;
	int now[POWER_FILES], durable[POWER_FILES]; /* the directory: which inode has the name, -1 none */
};

struct disk *disk_new(uint64_t seed, enum lie lie)
{
	struct disk *d = calloc(1, sizeof *d);

	d->random.state = seed;
	d->lie = lie;
	for (int i = 0; i < POWER_FILES; i++)
		d->now[i] = d->durable[i] = -1;
	return d;
}

void disk_free(struct disk *d)
{
	for (int i = 0; i < d->inodes; i++) {
		free(d->inode[i]->durable.data);
		free(d->inode[i]->pending);
		free(d->inode[i]);
	}
	free(d);
}

static void resize(struct bytes *b, size_t size)
{
	if (size > b->room) {
		b->room = size + (size >> 1);
		b->data = realloc(b->data, b->room);
		if (b->data == NULL)
			abort();
	}
	if (size > b->size)
		memset(b->data + b->size, 0, size - b->size);
	b->size = size;
}

static void put(struct bytes *b, size_t at, const unsigned char *data, size_t size)
{
	if (size == 0)
		return;
	if (at + size > b->size)
		resize(b, at + size);
	memcpy(b->data + at, data, size);
}

/* Sectors as the disk has them, not as the write begins. */
static void put_sectors(struct bytes *b, const struct record *r, struct random *random, bool junk)
{
	for (size_t at = r->at; at < r->at + r->size;) {
		size_t end = (at / SECTOR + 1) * SECTOR;

		if (end > r->at + r->size)
			end = r->at + r->size;
		if (random_below(random, 2) == 0) {
			put(b, at, (const unsigned char *)r->data + (at - r->at), end - at);
		} else if (junk && end > b->size) {
			size_t from = b->size > at ? b->size : at;

			resize(b, end);
			memset(b->data + from, 0x5a, end - from);
		}
		at = end;
	}
}

static void put_record(struct bytes *b, const struct record *r)
{
	if (r->kind == RECORD_TRUNCATE)
		resize(b, r->size);
	else
		put(b, r->at, r->data, r->size);
}

/* What a failed one leaves is the record's to decide, so that each who looks at it sees the same. */
static void sync_inode(struct inode *n, const struct record *failed)
{
	struct random random = { failed != NULL ? failed->number : 0 };

	for (size_t i = 0; i < n->n; i++)
		if (failed == NULL)
			put_record(&n->durable, &n->pending[i]);
		else if (n->pending[i].kind == RECORD_WRITE)
			put_sectors(&n->durable, &n->pending[i], &random, false);
	n->n = 0;
}

void disk_bytes(const struct disk *d, enum power_file file, const unsigned char **data, size_t *size)
{
	const struct inode *n = d->inode[d->now[file]];

	*data = n->durable.data;
	*size = n->durable.size;
}

void disk_apply(struct disk *d, const struct record *r)
{
	struct inode *n = d->now[r->file] < 0 ? NULL : d->inode[d->now[r->file]];
	bool lies = d->lie == LIE_ALL || (d->lie == LIE_DB && r->file == POWER_DB) || (d->lie == LIE_WAL && r->file == POWER_WAL);

	switch (r->kind) {
	case RECORD_CREATE:
		if (d->inodes == FILES_MAX)
			abort();
		d->inode[d->inodes] = calloc(1, sizeof *n);
		d->now[r->file] = d->inodes++;
		break;
	case RECORD_DELETE:
		d->now[r->file] = -1;
		break;
	case RECORD_WRITE:
	case RECORD_TRUNCATE:
		if (n->n == n->room) {
			n->room = n->room == 0 ? 64 : n->room * 2;
			n->pending = reallocarray(n->pending, n->room, sizeof *n->pending);
			if (n->pending == NULL)
				abort();
		}
		n->pending[n->n++] = *r;
		break;
	case RECORD_SYNC:
		if (!lies)
			sync_inode(n, NULL);
		break;
	case RECORD_FAILED_SYNC:
		sync_inode(n, r);
		break;
	case RECORD_SYNC_DIR:
		if (d->lie != LIE_ALL)
			memcpy(d->durable, d->now, sizeof d->durable);
		break;
	default:
		break;
	}
}

/* ---- after a cut ---------------------------------------------------------------------------------------------- */

static void keep_pending(struct disk *d, const struct inode *n, enum cut cut, bool chosen, struct bytes *out)
{
	bool junk = random_below(&d->random, 2) == 0;

	for (size_t i = 0; i < n->n; i++) {
		const struct record *r = &n->pending[i];
		bool coin = random_below(&d->random, 2) == 0;

		if (cut == CUT_ALL || cut == CUT_TORN || (cut == CUT_FILE && chosen) ||
		    (coin && (cut == CUT_WRITES || (cut == CUT_SECTORS && r->kind == RECORD_TRUNCATE))))
			put_record(out, r);
		else if (cut == CUT_SECTORS && r->kind == RECORD_WRITE)
			put_sectors(out, r, &d->random, junk);
	}
}

static void write_file(const char *dir, enum power_file name, const struct bytes *b)
{
	static const char *const suffix[] = { [POWER_DB] = "", [POWER_WAL] = "-wal", [POWER_JOURNAL] = "-journal" };
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/db%s", dir, suffix[name]);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || (b->size > 0 && write(fd, b->data, b->size) != (ssize_t)b->size)) {
		perror(path);
		exit(2);
	}
	close(fd);
}

void disk_build(struct disk *d, enum cut cut, const struct record *next, const char *dir)
{
	unsigned chosen = random_below(&d->random, POWER_FILES);

	for (int name = 0; name < POWER_FILES; name++) {
		bool newest = cut == CUT_ALL || cut == CUT_TORN || (cut == CUT_FILE && name == (int)chosen) ||
			      ((cut == CUT_WRITES || cut == CUT_SECTORS) && random_below(&d->random, 2) == 0);
		int which = newest ? d->now[name] : d->durable[name];
		struct bytes b = { 0 };

		if (which < 0)
			continue;
		put(&b, 0, d->inode[which]->durable.data, d->inode[which]->durable.size);
		keep_pending(d, d->inode[which], cut, name == (int)chosen, &b);
		/* The write that was under way: its beginning, to a sector of the disk. */
		if (cut == CUT_TORN && next != NULL && next->kind == RECORD_WRITE && (int)next->file == name && which == d->now[name]) {
			size_t size = random_below(&d->random, (unsigned)(next->size / SECTOR) + 1) * SECTOR;

			size = size < next->at % SECTOR ? 0 : size - next->at % SECTOR;
			put(&b, next->at, next->data, size);
		}
		write_file(dir, name, &b);
		free(b.data);
	}
}
