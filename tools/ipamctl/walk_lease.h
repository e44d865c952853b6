/* walk_lease — filling in a walk_lease. Functions return 0 or -errno. */
#ifndef IPAMCTL_WALK_LEASE_H
#define IPAMCTL_WALK_LEASE_H

#include "walk.h"

/* All but its name. */
int walk_lease_read(const char *path, struct walk_lease *l);
int walk_lease_add(struct walk_lease *l, const char *name, const void *value, size_t size);
/* The attributes, by their names. */
void walk_lease_sort(struct walk_lease *l);
void walk_lease_free(struct walk_lease *l);

#endif
