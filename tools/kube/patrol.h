/* patrol — the mount belongs to others too: what somebody else makes or removes in the cluster's directory is noticed now and then. */
#ifndef IPAMKUBE_PATROL_H
#define IPAMKUBE_PATROL_H

#include "halt.h"
#include "site.h"
#include "table.h"

struct patrol;

/* Tells the table of all nodes that the mount has. -errno, logged. */
int patrol_mount(struct table *t, const struct site *s);
/* Does so every few seconds, on a thread of its own, until halted, and lets Nodes without a block be looked at when the cluster's CIDRs
 * have changed. Not `whole`: the cluster isn't ours, only the Nodes that are known are looked at. NULL: no thread to be had. */
struct patrol *patrol_begin(struct table *t, const struct site *s, bool whole, const struct halt *halt);
/* After the halt. */
void patrol_end(struct patrol *p);

#endif
