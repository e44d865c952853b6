/* lease_write — a lease gets other addresses. */
#ifndef IPAM_CHANGE_LEASE_WRITE_H
#define IPAM_CHANGE_LEASE_WRITE_H

#include "engine/change.h"

extern const struct change_type change_lease_write;

#endif
