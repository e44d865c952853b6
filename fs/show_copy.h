/* show_copy — every lease of a cluster or node, copied while nothing changes and read at leisure after: writing the text of
 * a million leases takes seconds, in which nobody else shall wait. */
#ifndef IPAMFS_SHOW_COPY_H
#define IPAMFS_SHOW_COPY_H

#include "fs.h"

enum copy_attribute { COPY_CONTAINER, COPY_IFNAME, COPY_NETNS, COPY_POD, COPY_NETWORK, COPY_ATTRIBUTES };
extern const char *const copy_attribute_name[COPY_ATTRIBUTES];

struct lease_copy {
	struct lease_copy *next;
	struct ipam_lease_view view; /* its names are copies, its lease is NULL */
	struct {
		const char *value; /* NULL: none */
		size_t size;
	} attribute[COPY_ATTRIBUTES];
};

struct copies {
	struct lease_copy *first, **tail;
	struct chunk *chunk;
};

/* -ENOENT, -ENOMEM. The copies are to be freed in any case. */
int copies_make(struct fs *fs, enum ipam_kind kind, uint64_t id, struct copies *out);
void copies_free(struct copies *c);

#endif
