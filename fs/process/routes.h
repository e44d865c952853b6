/* routes — what lies below is told here what lies above it: tables that a worker hands down when it starts. */
#ifndef IPAMFS_ROUTES_H
#define IPAMFS_ROUTES_H

#include "fs/resume/handle.h"
#include "fs/tree/control.h"

/* The files in the .ipam directories. */
extern const struct control routes_control[];
extern const unsigned routes_control_rows;

/* What makes an open file of a kind again. */
extern handle_reopen *const routes_reopen[KEEP_KINDS];

#endif
