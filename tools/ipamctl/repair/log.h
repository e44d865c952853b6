/* log — the log (WAL) that lies beside a damaged database, frame by frame.
 *
 * SQLite reads a log up to the first frame whose checksum is wrong, and takes what lies behind it for nothing. Each frame can be
 * proven by itself, though: its checksum goes on from the one that the frame before it carries. */
#ifndef IPAMCTL_REPAIR_LOG_H
#define IPAMCTL_REPAIR_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct repair_log {
	bool there, sound; /* sound: its header can be proven */
	uint64_t frames;   /* of the log's own generation, up to the last that ends a transaction */
	uint64_t whole;    /* of them: up to the first that can't be proven */
	uint64_t unsound;  /* of them: which can't be proven */
	uint64_t behind;   /* transactions that end behind the first that can't be proven */
};

/* Put the pages of the log into the copy of the database, also those behind a break. Negative errno. */
int repair_log_apply(int copy, const char *log, struct repair_log *out);
/* Something lies behind a break: not all that SQLite would read is all that was stored. */
static inline bool repair_log_broken(const struct repair_log *l)
{
	return l->there && (!l->sound || l->whole < l->frames);
}

#endif
