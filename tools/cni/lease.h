/* lease — what the files about leases share: a lease's file (lease.c), the wanted addresses (want.c), the claim (claim.c). */
#ifndef IPAMFS_CNI_LEASE_H
#define IPAMFS_CNI_LEASE_H

#include "cni.h"

/* How many goes in all it is worth to claim a lease, where it failed for what was going on just then. */
enum { CNI_GOES = 12, CNI_GOES_BLIND = 2 };

/* What the configuration wants of one lease, in one family. */
struct cni_want {
	const struct cni_set *set;         /* NULL: any address */
	const struct cni_address *request; /* NULL: any of the set */
};

/* The addresses and gateways of an open lease. */
int cni_lease_read(int fd, struct cni_lease *l, struct cni_error *e);
/* Release the i-th, as cni_leases_undo does. */
void cni_lease_undo(const struct cni_node *n, struct cni_leases *l, unsigned i, bool told);
/* Does the open lease say nothing of another owner? */
bool cni_lease_is_ours(int fd, const struct cni_env *env);

void cni_wants_find(const struct cni_conf *c, unsigned lease, struct cni_want out[CIDR_FAMILIES]);
/* Let the open lease, the last one of all, have them; goes: see above, 0 where it is worth no other. */
int cni_wants_set(const struct cni_node *n, int fd, const struct cni_want want[CIDR_FAMILIES], struct cni_leases *all, int *goes,
		  struct cni_error *e);
/* Each requested address must have a place. */
int cni_requests_check(const struct cni_conf *c, struct cni_error *e);

#endif
