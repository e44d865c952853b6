/* show_copy — every lease of a cluster or node as at one moment, a few at a time copied under the lock and looked at without
 * it: writing the text of a million leases takes seconds, in which nobody else shall wait.
 */
#ifndef IPAMFS_SHOW_COPY_H
#define IPAMFS_SHOW_COPY_H

#include "fs/tree/access.h"

struct lease_copy {
	struct lease_copy *next;
	struct ipam_lease_view view; /* its names are copies, its lease is NULL */
	struct ipam_attribute *attribute;
	size_t attributes;
};

/* Of the nodes that the viewer sees, until fn returns other than 0, which is returned; *stop set by another thread ends it,
 * too: -EINTR. -ENOENT, -ENOMEM, -EAGAIN: too much has changed meanwhile. */
int copies_each(struct fs *fs, enum ipam_kind kind, uint64_t id, const struct viewer *viewer, atomic_bool *stop,
		int (*fn)(void *arg, const struct lease_copy *l), void *arg);
/* The attribute of that name, or NULL. */
const struct ipam_attribute *copy_attribute(const struct lease_copy *l, const char *name);

#endif
