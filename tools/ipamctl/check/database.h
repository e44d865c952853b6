/* database — the check of the rows by themselves. */
#ifndef IPAMCTL_CHECK_DATABASE_H
#define IPAMCTL_CHECK_DATABASE_H

#include "ipamctl/check/findings.h"

/* The rows by themselves: no overlap, everything in its place. */
void check_database(struct check *c);

#endif
