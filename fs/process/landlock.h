/* landlock — where a worker may write: walls in the kernel around this process, which nothing takes down again. */
#ifndef IPAMFS_LANDLOCK_H
#define IPAMFS_LANDLOCK_H

#include "fs/base/options.h"

/* From now on this process can open for writing, make, remove and rename only what lies in the database's directory and in the spool,
 * executes nothing, and reaches no other process by a signal or an abstract socket; with an engine it connects to the engine's ports.
 * Before any other thread is made, since a thread that is there already stays outside. -ENOSYS, -EOPNOTSUPP: this kernel has no
 * Landlock; other -errno. */
int landlock_confine(const struct options *options);

#endif
