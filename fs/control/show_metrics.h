/* show_metrics — the numbers for Prometheus, in its text format (version 0.0.4): the lines of a metric stand together, under its HELP and
 * TYPE. Of clusters always; of nodes where the mount's options want them, since each node is a few series more. */
#ifndef IPAMFS_SHOW_METRICS_H
#define IPAMFS_SHOW_METRICS_H

#include "fs/fs.h"

struct buffer;

int show_metrics(struct fs *fs, enum ipam_kind kind, uint64_t id, struct buffer *out);

#endif
