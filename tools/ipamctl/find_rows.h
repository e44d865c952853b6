/* find_rows — in which nodes a name may be, by the database of the mount. A hint: what is there, and who may see it, the mount tells. */
#ifndef IPAMCTL_FIND_ROWS_H
#define IPAMCTL_FIND_ROWS_H

#include "names.h"

/* The nodes of a cluster (node: this one alone, or NULL) with a lease that is called so, or that has an attribute in which it stands.
 * False: it can't be said, or they are many; names_free in any case. */
bool find_rows(const char *database, const char *cluster, const char *node, const char *wanted, struct names *nodes);

#endif
