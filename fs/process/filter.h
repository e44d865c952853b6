/* filter — which system calls a worker may make (seccomp). What isn't listed fails with ENOSYS, so that a library that probes goes
 * on without it; what is refused by its arguments fails with EPERM or EACCES. Nothing takes a filter away again. */
#ifndef IPAMFS_FILTER_H
#define IPAMFS_FILTER_H

#include "fs/base/options.h"

/* From the beginning of a worker: no program is executed, no process made, none reached by a signal but this one, no namespace, mount,
 * key or module; no sockets but for the log, and for the engine where there is one. -errno. */
int filter_from_start(const struct options *options);
/* Once the database is open, for all threads: no file is opened for writing any more, and no name made, changed or removed, but for
 * files without a name. temporary: where the spool knows none, files that were not there before, too. */
int filter_when_open(bool temporary);

#endif
