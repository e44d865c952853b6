/* lease_remove — a lease is released. */
#ifndef IPAM_CHANGE_LEASE_REMOVE_H
#define IPAM_CHANGE_LEASE_REMOVE_H

#include "engine/change.h"

extern const struct change_type change_lease_remove;

#endif
