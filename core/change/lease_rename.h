/* lease_rename — a lease gets another name. */
#ifndef IPAM_CHANGE_LEASE_RENAME_H
#define IPAM_CHANGE_LEASE_RENAME_H

#include "engine/change.h"

extern const struct change_type change_lease_rename;

#endif
