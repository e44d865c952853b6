/* power — what the parts of the power-cut test share: a record of all that a disk was asked, disks as they may be found
 * after a cut, and moments of what the library shows.
 */
#ifndef TESTS_POWER_H
#define TESTS_POWER_H

#include "ipam.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};
uint64_t random_next(struct random *r);
unsigned random_below(struct random *r, unsigned n);

/* ---- the record (record.c): an SQLite VFS, around the system's, that notes writes, syncs and answers in their order */

enum power_file { POWER_DB, POWER_WAL, POWER_JOURNAL, POWER_FILES };

enum record_kind {
	RECORD_CREATE,
	RECORD_WRITE,
	RECORD_TRUNCATE,
	RECORD_SYNC,
	RECORD_DELETE,
	RECORD_SYNC_DIR,
	RECORD_FAILED_SYNC, /* the caller was told: what it was to sync may be on disk or not, and no later sync changes that */
	RECORD_STEP,        /* a step of the work begins: number */
	RECORD_ACK,         /* the change of the current step that concerns data (a key) was answered with success */
	RECORD_END,         /* the step is over, and its moment known */
};

struct record {
	enum record_kind kind;
	enum power_file file;
	size_t at, size; /* WRITE: where; TRUNCATE: size */
	void *data;
	unsigned number; /* FAILED_SYNC: decides what of it is on disk */
};

/* Record what happens in this directory from now on; NULL: nothing. */
void record_directory(const char *dir);
void record_mark(enum record_kind kind, unsigned number, const char *key);
/* The n-th sync from now on fails with EIO; 0: none. */
void record_fail_sync(unsigned n);
bool record_failed(void); /* and did */
const struct record *record_list(size_t *n);
void record_clear(void);
void record_register(void);

/* ---- disks (disk.c) */

enum lie { LIE_NONE, LIE_ALL, LIE_DB, LIE_WAL }; /* whose syncs do nothing */

struct disk;
struct disk *disk_new(uint64_t seed, enum lie lie);
void disk_free(struct disk *d);
void disk_apply(struct disk *d, const struct record *r);

/* What of a file is surely on disk. */
void disk_bytes(const struct disk *d, enum power_file file, const unsigned char **data, size_t *size);

enum cut {
	CUT_NOTHING, /* of what was not synced is on disk */
	CUT_ALL,
	CUT_TORN,    /* all but the end of the last write */
	CUT_WRITES,  /* some of the writes, in any order */
	CUT_SECTORS, /* some of their sectors; what never came reads as zeros or as what was there before */
	CUT_FILE,    /* one file's, and nothing of the others' */
	CUTS
};
/* Writes the files into dir, where there are none, as they may be after a cut now. `next` (or NULL) is what the power
 * was cut in. */
void disk_build(struct disk *d, enum cut cut, const struct record *next, const char *dir);

/* ---- moments (moment.c): sorted lines, one an object: "KEY\tTEXT" */

struct moment {
	char **line;
	size_t n, room;
	bool delegation; /* it came about by a change that is always synced */
	bool several;    /* by several changes at once */
	bool refused;    /* a change of it was refused by the disk: it may be there all the same, until the database is opened anew */
};
/* What the library shows, but for what need not survive: ephemeral leases, times of directories. */
void moment_take(struct ipam *ipam, struct moment *out);
void moment_copy(struct moment *to, const struct moment *from);
void moment_free(struct moment *m);
bool moment_same(const struct moment *a, const struct moment *b);
/* It lies between two neighbours: what both have it has, and nothing that neither has. */
bool moment_between(const struct moment *m, const struct moment *a, const struct moment *b);
/* What one of them has and the other hasn't, counted. */
size_t moment_distance(const struct moment *a, const struct moment *b);
/* The line of a key, or NULL. */
const char *moment_line(const struct moment *m, const char *key);
/* What one has and the other hasn't, on stdout. */
void moment_tell(const struct moment *wanted, const struct moment *got);

/* ---- the work (work.c) */

/* Makes a random life of a database in dir, all of it recorded; moment i is how it was after step i. */
struct work {
	struct moment *moment;
	size_t moments;
	unsigned failures; /* changes that were refused by the failing disk */
};
void work_run(struct work *w, const char *dir, uint64_t seed, enum ipam_sync sync, unsigned steps, bool failing);
void work_free(struct work *w);

extern const struct ipam_owner owner;

#endif
