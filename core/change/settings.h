/* settings — settings of clusters and nodes. */
#ifndef IPAM_CHANGE_SETTINGS_H
#define IPAM_CHANGE_SETTINGS_H

#include "engine/change.h"

extern const struct change_type change_cluster_settings, change_node_settings;

#endif
