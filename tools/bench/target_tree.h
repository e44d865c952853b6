/* target_tree — a target that is a directory. */
#ifndef BENCH_TARGET_TREE_H
#define BENCH_TARGET_TREE_H

#include "target.h"

int tree_open(struct target *t);
int tree_renew(struct target *t);
void tree_target_close(struct target *t);
int tree_create(struct worker *w, const char *name);
int tree_stat(struct worker *w, const char *name);
int tree_cat(struct worker *w, const char *name);
int tree_readdir(struct worker *w, const char *name);
int tree_unlink(struct worker *w, const char *name);
int tree_mkdir(struct worker *w, const char *name);
/* Give an empty file a lease's text. */
int tree_fill(struct worker *w, const char *name);

#endif
