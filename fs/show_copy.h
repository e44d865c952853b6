/* show_copy — every lease of a cluster or node, copied while nothing changes and read at leisure after: writing the text of
 * a million leases takes seconds, in which nobody else shall wait. */
#ifndef IPAMFS_SHOW_COPY_H
#define IPAMFS_SHOW_COPY_H

#include "fs.h"

struct lease_copy {
	struct lease_copy *next;
	struct ipam_lease_view view; /* its names are copies, its lease is NULL */
	struct ipam_attribute *attribute;
	size_t attributes;
};

struct copies {
	struct lease_copy *first, **tail;
	struct chunk *chunk;
};

/* -ENOENT, -ENOMEM. The copies are to be freed in any case. */
int copies_make(struct fs *fs, enum ipam_kind kind, uint64_t id, struct copies *out);
void copies_free(struct copies *c);
/* The attribute of that name, or NULL. */
const struct ipam_attribute *copy_attribute(const struct lease_copy *l, const char *name);

#endif
