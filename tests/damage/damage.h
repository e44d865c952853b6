/* damage — what the parts of the damage test share: databases with a past, what is wrong with a copy of one, and what must be true of it
 * after `ipamctl check --repair`.
 *
 * The judge knows from the undamaged database what was held and by whom, and from the pages that were damaged which copies of that are
 * whole still. It knows nothing of how a repair goes about it.
 */
#ifndef TESTS_DAMAGE_H
#define TESTS_DAMAGE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bytes {
	unsigned char *data;
	size_t size;
};
struct bytes bytes_read(const char *path); /* of none: size 0 */
void bytes_write(const char *path, const struct bytes *b);
struct bytes bytes_copy(const struct bytes *b);

uint64_t random_next(uint64_t *state);
unsigned random_below(uint64_t *state, unsigned n);

/* ---- a life (life.c) */

enum { MOMENTS = 4 };

struct life {
	struct bytes moment[MOMENTS]; /* the database, closed, at some moments; the last is the end */
	struct bytes db, log;         /* the end, as a crash leaves it */
	unsigned page;
};
void life_make(struct life *l, const char *dir, uint64_t seed);
void life_free(struct life *l);

/* ---- the truth (truth.c) */

/* What a database consists of: a bit each. */
enum tree {
	T_SCHEMA,
	T_CLUSTER,
	T_NODE,
	T_BLOCK,
	T_LEASE,
	T_LEASE_NAME,
	T_LEASE_IP4,
	T_LEASE_IP6,
	T_HISTORY,
	T_OTHER, /* indexes of clusters, nodes and blocks, and what has one copy */
	T_LABEL,
	T_SETTING,
	T_RESERVED,
	T_CIDR,
	T_FREE, /* nothing's */
	TREES,
};
#define BIT(tree) (1u << (tree))

struct held {
	int64_t cluster, id;
	char cluster_name[64], node[64], name[64], ip[2][64]; /* "": none */
	bool past[2];                                         /* the history tells of it */
};

struct truth {
	struct held *held;
	size_t n;
	unsigned char *tree; /* of each page, from 1 */
	size_t pages;
	char **line; /* rows of all tables, sorted */
	size_t lines;
	char **list; /* what else must be there, or be told: a text of it */
	size_t lists;
	bool trimmed; /* the history doesn't go back to the beginning */
};
void truth_take(struct truth *t, const char *path);
void truth_free(struct truth *t);
/* All rows, as text. */
char **dump(sqlite3 *db, size_t *n);
void dump_free(char **line, size_t n);

/* ---- damages (spoil.c) */

struct damage {
	char what[200], kind[40];
	unsigned harmed; /* trees that aren't whole any more */
	bool may_refuse; /* nothing can be told without what it hit */
	bool cut;        /* of the log: what it had is gone without a trace */
	bool broken_log; /* it doesn't end where it should */
};
/* Makes path (and its log) a damaged copy of the life. */
void damage_make(struct damage *d, const struct life *l, const struct truth *t, const char *path, uint64_t seed);
/* The same one after the other, without chance: each page in each way; each statement; the log cut and flipped at every 512 bytes. False:
 * no such case any more. */
enum sweep { SWEEP_NONE, SWEEP_PAGES, SWEEP_ROWS, SWEEP_LOG };
bool damage_next(struct damage *d, const struct life *l, const struct truth *t, const char *path, enum sweep sweep, unsigned number);

/* ---- the judge (judge.c) */

/* How many wrongs it found; each is printed. */
unsigned judge(const struct damage *d, const struct truth *t, const char *path, const char *ipamctl, uint64_t seed, double *seconds);

#endif
