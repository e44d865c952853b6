/* target_sqlite — a target that is a bare database. */
#ifndef BENCH_TARGET_SQLITE_H
#define BENCH_TARGET_SQLITE_H

#include "target.h"

int sqlite_open(struct target *t);
void sqlite_target_close(struct target *t);
int sqlite_insert(struct worker *w, const char *name);
int sqlite_delete(struct worker *w, const char *name);

#endif
