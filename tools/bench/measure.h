/* measure — runs one operation on one target by a number of threads, bounded in count and in time. */
#ifndef MEASURE_H
#define MEASURE_H

#include "target.h"

#include <stddef.h>
#include <stdint.h>

/* The files of a pass: created by one run, then read and unlinked by others. */
struct pass {
	unsigned number;               /* makes its names new ones */
	unsigned made[TARGET_THREADS]; /* files that each worker's create run made */
	unsigned gone[TARGET_THREADS]; /* that its unlink run removed, from the first on */
};

/* What runs of one operation gave, added up. */
struct result {
	uint64_t wall_ns; /* from the first start to the last end, of all runs */
	size_t n, capacity;
	uint32_t *ns; /* how long each operation took */
};

struct limits {
	unsigned long count; /* operations, of all threads */
	uint64_t ns;         /* each thread stops after the operation in which this ran out */
};

/* Add a run to the result. Errors are negative errnos, told on stderr. */
int measure(struct target *t, enum op op, unsigned threads, const struct limits *limits, struct pass *pass, struct result *result);
/* Give what a create run made its text, where the target wants that. */
int measure_fill(struct target *t, const struct pass *pass);
/* Unlink what the unlink run had no time for. */
void measure_clear(struct target *t, struct pass *pass);
void result_close(struct result *r);

#endif
