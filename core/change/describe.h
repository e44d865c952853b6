/* describe — a lease gets attributes in one durable step. */
#ifndef IPAM_CHANGE_DESCRIBE_H
#define IPAM_CHANGE_DESCRIBE_H

#include "engine/change.h"

extern const struct change_type change_lease_describe;

#endif
