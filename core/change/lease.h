/* lease — what the changes of leases share: how one comes by its addresses, and lets them go. Under the lock, for changing. */
#ifndef IPAM_CHANGE_LEASE_H
#define IPAM_CHANGE_LEASE_H

#include "engine/change.h"

extern const struct change_type change_lease_make;

/* A lease made by this change, without addresses, not visible yet; c->node and c->owner are set. -ENOMEM. */
int lease_begin(struct ipam *ipam, struct change *c, const char *name, uint32_t *out);
/* Take one that is not visible yet away again, with its addresses. */
void lease_unbegin(struct ipam *ipam, uint32_t handle);

#endif
