/* privileges — each process gives up what it doesn't need. */
#ifndef IPAMFS_PRIVILEGES_H
#define IPAMFS_PRIVILEGES_H

#include "fs/base/options.h"

/* The one that holds the mount: it unmounts, and its workers open the database. -errno. */
int privileges_of_supervisor(void);
/* The one that serves, before it opens anything: no capability but for a database, or keys of the engine, that it can't reach
 * without; nothing by execution, walls around what it may write (process/landlock.h), the system calls that it needs (process/filter.h).
 * While it has one thread. */
int privileges_of_worker(const struct options *options);
/* Once its database is open it opens no file for writing, and changes no name. */
int privileges_when_open(const struct options *options);

#endif
