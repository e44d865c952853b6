/* privileges — each process gives up what it doesn't need. */
#ifndef IPAMFS_PRIVILEGES_H
#define IPAMFS_PRIVILEGES_H

#include "options.h"

/* The one that holds the mount: it unmounts, and its workers open the database. -errno. */
int privileges_of_supervisor(void);
/* The one that serves, once its database is open: no capabilities (but to reach a database that is another user's), nothing by
 * execution, no system call for changing the machine, and no network where there is no engine to reach. lock: the database. */
int privileges_of_worker(const struct options *options, int lock);

#endif
