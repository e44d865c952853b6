/* diff — what the new database has otherwise than the damaged one. */
#ifndef IPAMCTL_REPAIR_DIFF_H
#define IPAMCTL_REPAIR_DIFF_H

#include "ipamctl/repair/repair.h"

/* Whatever isn't as it was found, and was not told yet. */
void repair_diff(struct repair *r);

#endif
