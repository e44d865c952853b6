/* metrics — what is counted, and written as Prometheus text for node_exporter's textfile collector. Thread-safe. */
#ifndef IPAMKUBE_METRICS_H
#define IPAMKUBE_METRICS_H

#include "halt.h"

#include <stdint.h>

enum metric {
	/* counters */
	METRIC_DELEGATED,
	METRIC_ADOPTED,
	METRIC_EXCHANGED,
	METRIC_REMOVED,
	METRIC_PATCHED,
	METRIC_PATCH_ERRORS,
	METRIC_REQUESTS,
	METRIC_REQUEST_ERRORS,
	METRIC_LISTS,
	METRIC_WATCHES,
	METRIC_WATCH_EVENTS,
	METRIC_EVENTS_POSTED,
	METRIC_MOUNT_ERRORS,
	METRIC_RETRIES,
	METRIC_TAKEOVERS,
	/* gauges */
	METRIC_NODES,
	METRIC_NODES_WITHOUT,
	METRIC_REFUSED_NO_BLOCK,
	METRIC_REFUSED_FOREIGN,
	METRIC_REFUSED_OVERLAP,
	METRIC_REFUSED_PATCH,
	METRIC_REFUSED_LEASES,
	METRIC_REFUSED_MANY,
	METRIC_QUEUE,
	METRIC_LEADER,
	METRIC_SYNCED,
	METRIC_LAST_SYNC, /* seconds since the epoch */
	METRICS,
};

void metrics_add(enum metric m, int64_t n);
void metrics_set(enum metric m, int64_t value);

/* Writes them into the file from now on, until stop; NULL: nowhere. A status. */
int metrics_begin(const char *file, const struct halt *stop);
/* Writes them a last time, as they are now: what follows is the taking down. Only after metrics_begin, and when stop is set. */
void metrics_end(void);

#endif
