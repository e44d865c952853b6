/* copy — what is read of a damaged database: a copy of it, with its log, from which nothing runs that isn't ours. */
#ifndef IPAMCTL_REPAIR_COPY_H
#define IPAMCTL_REPAIR_COPY_H

#include "ipamctl/repair/repair.h"

/* Copies it to a file that is gone when r->from is closed, and opens that. A status. */
int repair_copy(struct repair *r, const char *path, const char *copy);
/* The table or index is there, as ours. */
bool repair_has(const struct repair *r, const char *object);

#define REPAIR_STEP 1000 /* instructions of SQLite's machine */

/* Reading begins: it may take as many steps as the size allows. */
void repair_steps(struct repair *r);

#endif
