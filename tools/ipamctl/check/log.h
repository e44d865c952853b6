/* log — of a database that no daemon uses: is the log whole that was left beside it? */
#ifndef IPAMCTL_CHECK_LOG_H
#define IPAMCTL_CHECK_LOG_H

#include "ipam.h"

#include <stdbool.h>

/* A log is there, if an empty one. */
bool check_log_exists(const char *path);
/* Is the log whole that a daemon left which died? As store_verify_log; 0 also for a database in use. To be asked before SQLite opens it
 * (core/store/wal.h). */
int check_log(const char *path, struct ipam_error *error);

#endif
