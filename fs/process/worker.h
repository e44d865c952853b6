/* worker — the process that does the work: the database, the requests. It may die at any moment; its supervisor then starts another,
 * which goes on where it ended. */
#ifndef IPAMFS_WORKER_H
#define IPAMFS_WORKER_H

#include "fs/base/options.h"
#include "fs/resume/state.h"

/* Runs until the mount ends, or another is to take over: the process's exit status. lock: as ipam_lock gave it.
 * ahead: another worker serves still; read what there is, and wait for its end. */
int worker_run(const struct options *options, struct keep *keep, int lock, bool ahead);
/* The database that a mount with these options has. */
const char *worker_database(const struct options *options);
/* What the library is to be told of them. */
struct ipam_options worker_ipam_options(const struct options *options);

/* For fuse_session_new, and the kernel's part of the mount. NULL with a message. */
struct fuse_session *worker_session(const struct options *options, void *userdata, struct ipam_error *error);

#endif
