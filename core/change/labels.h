/* labels — a node's labels. */
#ifndef IPAM_CHANGE_LABELS_H
#define IPAM_CHANGE_LABELS_H

#include "engine/change.h"

extern const struct change_type change_node_labels;

#endif
