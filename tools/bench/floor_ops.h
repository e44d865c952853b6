/* floor_ops — the requests that the smallest filesystem answers. */
#ifndef BENCH_FLOOR_OPS_H
#define BENCH_FLOOR_OPS_H

#include <fuse_lowlevel.h>

/* The operations; their user data is a struct floor. */
extern const struct fuse_lowlevel_ops floor_ops;

#endif
