/* delegate — several nodes with labels and blocks, as one change. */
#ifndef IPAM_CHANGE_DELEGATE_H
#define IPAM_CHANGE_DELEGATE_H

#include "engine/change.h"

extern const struct change_type change_delegate;

#endif
