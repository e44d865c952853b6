/* beside — the files that lie beside a database, its log and the log's index: what is done with their names. A worker can't do it, and
 * the supervisor doesn't look into them. */
#ifndef IPAMFS_BESIDE_H
#define IPAMFS_BESIDE_H

#include "ipam.h"

/* Whether what is mounted there would lie over them: the worker would ask itself, and wait for ever. Told by the directories above the
 * database, by whatever name it was given. -EINVAL with a message. */
int beside_check(const char *database, const char *mountpoint, struct ipam_error *error);
/* A log that isn't the database's own gets another name, ".foreign". -errno. */
int beside_put_aside(const char *database);
/* No worker is left: a log that is empty, and its index, go. lock: the database. */
void beside_tidy(const char *database, int lock);

#endif
