/* guard — whose hands a file is in: what root does by a name must not be another user's to choose. */
#ifndef IPAM_STORE_GUARD_H
#define IPAM_STORE_GUARD_H

#include <stdbool.h>

struct ipam_error;

/* A database that is about to be opened, or made: others can neither write to it nor put a log beside it that would be replayed into it.
 * insecure: its directory may be others', but a log has the database's owner all the same. Nor does it lie on FUSE, where another path
 * to it (bindfs) has locks of its own. -EPERM with a message; 0 also where there
 * is nothing yet. */
int guard_database(const char *path, bool insecure, struct ipam_error *error);

#endif
