/* network — the networks that host-local's layout keeps with a node. */
#ifndef IPAM_CHANGE_NETWORK_H
#define IPAM_CHANGE_NETWORK_H

#include "engine/change.h"

extern const struct change_type change_network_make, change_network_remove, change_network_last;

#endif
