/* attr — attributes of clusters, nodes and leases. */
#ifndef IPAM_CHANGE_ATTR_H
#define IPAM_CHANGE_ATTR_H

#include "engine/change.h"

extern const struct change_type change_attr, change_sync, change_rest_end;

#endif
