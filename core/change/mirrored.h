/* mirrored — changes that bring what the engine of many machines has into this one's memory and database. */
#ifndef IPAM_CHANGE_MIRRORED_H
#define IPAM_CHANGE_MIRRORED_H

#include "engine/change.h"

extern const struct change_type change_mirror_node, change_mark, change_doubt, change_wake;

#endif
