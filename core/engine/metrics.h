/* metrics — the engine counts and times what it does. Anyone may count, at any time: all is atomic. */
#ifndef IPAM_ENGINE_METRICS_H
#define IPAM_ENGINE_METRICS_H

#include "ipam.h"

#include <stdatomic.h>

struct meter_histogram {
	_Atomic uint64_t count[IPAM_BUCKETS + 1], sum;
};

struct meters {
	_Atomic uint64_t allocations, releases[IPAM_RELEASES], failures[IPAM_FAILURES], commit_failures;
	struct meter_histogram allocation, commit, batch;
};

struct ipam;
struct change;

int64_t meter_now(void); /* monotonic, nanoseconds */
/* A change is answered. */
void meter_change(struct ipam *ipam, const struct change *c, int error);
/* A transaction of so many changes has ended. */
void meter_commit(struct ipam *ipam, size_t changes, int64_t begun, int error);

#endif
