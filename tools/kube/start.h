/* start — what both commands do first and last. */
#ifndef IPAMKUBE_START_H
#define IPAMKUBE_START_H

#include "client.h"
#include "options.h"
#include "site.h"

/* Finds mount, cluster (which `make` lets be missing) and API server; signals, curl and metrics are set up. A status; start_down in
 * any case. stop is set by a signal. */
int start_up(const struct options *o, bool make, struct halt *stop, struct site *site, struct client **client);
void start_down(struct halt *stop, struct site *site, struct client **client);

#endif
