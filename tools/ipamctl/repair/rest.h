/* rest — what belongs to clusters and nodes. */
#ifndef IPAMCTL_REPAIR_REST_H
#define IPAMCTL_REPAIR_REST_H

#include "ipamctl/repair/repair.h"

/* What belongs to clusters and nodes. Reserved ranges come after the leases: these count. */
void repair_settings(struct repair *r);
void repair_rest(struct repair *r);

#endif
