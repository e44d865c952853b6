/* import — nodes and leases that were made elsewhere. */
#ifndef IPAM_CHANGE_IMPORT_H
#define IPAM_CHANGE_IMPORT_H

#include "engine/change.h"

extern const struct change_type change_import;

#endif
