/* want — the addresses that a configuration wants, and a lease that is to have them. */
#ifndef IPAMFS_CNI_WANT_H
#define IPAMFS_CNI_WANT_H

#include "base/cidr.h"
#include "lease.h"

/* How many goes in all it is worth to claim a lease, where it failed for what was going on just then. */
enum { CNI_GOES = 12, CNI_GOES_BLIND = 2 };

/* What the configuration wants of one lease, in one family. */
struct cni_want {
	const struct cni_set *set;         /* NULL: any address */
	const struct cni_address *request; /* NULL: any of the set */
};

void cni_wants_find(const struct cni_conf *c, unsigned lease, struct cni_want out[CIDR_FAMILIES]);
/* Let the open lease, the last one of all, have them; goes: see above, 0 where it is worth no other. */
int cni_wants_set(const struct cni_node *n, int fd, const struct cni_want want[CIDR_FAMILIES], struct cni_leases *all, int *goes,
		  struct cni_error *e);
/* Each requested address must have a place. */
int cni_requests_check(const struct cni_conf *c, struct cni_error *e);

#endif
