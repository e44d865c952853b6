/* uncertain — addresses of which nobody can tell whether they are held. */
#ifndef IPAMCTL_REPAIR_UNCERTAIN_H
#define IPAMCTL_REPAIR_UNCERTAIN_H

#include "ipamctl/repair/repair.h"

/* Addresses that somebody may hold, though no lease is known: reserved. */
void repair_doubt(struct repair *r);

#endif
