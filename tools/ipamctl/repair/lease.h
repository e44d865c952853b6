/* lease — the leases of the new database. */
#ifndef IPAMCTL_REPAIR_LEASE_H
#define IPAMCTL_REPAIR_LEASE_H

#include "ipamctl/repair/repair.h"

/* Leases, and what is theirs. */
void repair_leases(struct repair *r);

#endif
