/* past — what the history tells. */
#ifndef IPAMCTL_REPAIR_PAST_H
#define IPAMCTL_REPAIR_PAST_H

#include "ipamctl/repair/repair.h"

/* What the history tells, in tables named h_... */
void repair_past(struct repair *r);
/* At the end: the history of the new one says what its rows say. */
void repair_close_past(struct repair *r);

#endif
