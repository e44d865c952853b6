/* supervisor — the process that stays: it holds the mount, the lock of the database and what outlives a worker, and starts a worker
 * whenever there is none. It reads no request and knows nothing of addresses, so that there is little in it that could fail.
 *
 * SIGTERM and SIGINT end the mount. SIGHUP puts the program that is installed now in place of this one, and a new worker in place
 * of the old; clients wait meanwhile.
 */
#ifndef IPAMFS_SUPERVISOR_H
#define IPAMFS_SUPERVISOR_H

#include "fs/base/options.h"

/* Mounts, and returns when the mount has ended: the process's exit status. started: called once it is up; NULL is fine. argv: to
 * be executed again. */
int supervise(const struct options *options, char **argv, void (*started)(void *arg), void *arg);

#endif
