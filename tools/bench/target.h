/* target — something that operations are timed on: a directory tree, or a database that takes rows for files.
 *
 * A tree holds a cluster directory, in it a directory a worker (or one shared by all) for files, and one of a fixed
 * size to be listed: ipamfs's own shape, made on every other target alike.
 */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include "db.h"

#include <stdbool.h>

enum op { OP_CREATE, OP_STAT, OP_CAT, OP_READDIR, OP_UNLINK, OP_MKDIR, OPS };
extern const char *const op_name[OPS]; /* for people */
extern const char *const op_key[OPS];  /* for options and records */

enum {
	TARGET_THREADS = 128, /* at most; ipamfs has 256 blocks for node directories here */
	TARGET_LISTED = 100,  /* entries of the directory that is listed */
};

struct target;

/* One thread's place on a target. */
struct worker {
	struct target *target;
	int files; /* descriptor of the directory for its files; -1 none */
};

struct target_kind {
	const char *name;
	unsigned max_threads;
	bool is_ipamfs;
	bool fills;         /* a created file is empty, and is given a lease's text before it is read */
	bool fsyncs;        /* durable only by fsync of file and directory */
	const char *counts; /* file of request counts, below the root; NULL none */
	int (*open)(struct target *t);
	int (*renew)(struct target *t); /* NULL: nothing to do */
	void (*close)(struct target *t);
	int (*op[OPS])(struct worker *w, const char *name); /* NULL: has no such thing */
};

struct target_options {
	unsigned threads; /* workers to make room for */
	bool per_node;    /* a directory a worker, not one for all */
	bool durable;     /* every change survives loss of power before it returns */
};

struct target {
	const struct target_kind *kind;
	const char *path;
	struct target_options options;
	int top;             /* tree: descriptor of the cluster directory */
	struct bench_db *db; /* database */
	unsigned age;        /* how often the workers' directories were made anew */
	unsigned workers;    /* that are open */
	struct worker worker[TARGET_THREADS];
};

/* argument is KIND=PATH. Errors are told on stderr. */
int target_open(struct target *t, const char *argument, const struct target_options *options);
/* Give the workers new directories, in places that aren't marked by what went on in the old ones (see `spread`). */
int target_renew(struct target *t);
/* Remove everything made. */
void target_close(struct target *t);

#endif
