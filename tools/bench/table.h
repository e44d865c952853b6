/* table — the results of `ops` as a table an operation: a line a target, a group of columns a number of threads. */
#ifndef TABLE_H
#define TABLE_H

#include "measure.h"

#include <stdio.h>

enum { TABLE_TARGETS = 6, TABLE_COLUMNS = 4 };

struct table {
	unsigned targets, columns;
	const char *target[TABLE_TARGETS]; /* names; the first is the one that is compared with the others */
	unsigned threads[TABLE_COLUMNS];
	struct result result[OPS][TABLE_TARGETS][TABLE_COLUMNS];
};

void table_print(struct table *t);
/* Lines LABEL.OP.THREADS.TARGET.rate, .p50 and .p99; microseconds. */
void table_record(struct table *t, FILE *record, const char *label);
void table_close(struct table *t);

#endif
