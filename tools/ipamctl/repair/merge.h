/* merge — of what tables, indexes and history tell of one thing, what most of them do. */
#ifndef IPAMCTL_REPAIR_MERGE_H
#define IPAMCTL_REPAIR_MERGE_H

#include "ipamctl/repair/repair.h"

/* Which ids were given: r->to's sequence goes on behind them. Clusters, nodes, CIDRs, blocks. */
void repair_merge(struct repair *r);
void repair_used_id(struct repair *r);

#endif
