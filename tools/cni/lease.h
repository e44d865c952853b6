/* lease — an attachment's leases, by their files. */
#ifndef IPAMFS_CNI_LEASE_H
#define IPAMFS_CNI_LEASE_H

#include "base/cidr.h"
#include "mount.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct cni_call;

struct cni_lease {
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	uint8_t len[CIDR_FAMILIES];
	bool has_gateway[CIDR_FAMILIES];
	u128 gateway[CIDR_FAMILIES];
};
enum { CNI_LEASES_MAX = 16 }; /* of one attachment */
struct cni_leases {
	struct cni_lease lease[CNI_LEASES_MAX];
	bool made[CNI_LEASES_MAX];           /* by this call */
	unsigned generation[CNI_LEASES_MAX]; /* of those: what it is if nobody else has touched it */
	uint64_t inode[CNI_LEASES_MAX];
	unsigned n;
	uint8_t first; /* the family of the node's oldest block: it comes first in a result that no ranges order */
};
/* "CONTAINER.IFNAME", for further ones "+1"...; error 4 if that is too long. */
int cni_lease_name(const struct cni_env *env, unsigned i, char out[NAME_MAX + 1], struct cni_error *e);
/* The addresses and gateways of an open lease. */
int cni_lease_read(int fd, struct cni_lease *l, struct cni_error *e);
/* Does the open lease say nothing of another owner? */
bool cni_lease_is_ours(int fd, const struct cni_env *env);
/* Read those that there are. */
int cni_leases_read(const struct cni_conf *c, const struct cni_env *env, const struct cni_node *n, struct cni_leases *l,
		    struct cni_error *e);
/* Release what this call made (once) and nobody has touched since. told: the runtime may have read the answer, so the addresses rest. */
void cni_leases_undo(const struct cni_node *n, struct cni_leases *l, bool told);
/* Release the i-th, likewise. */
void cni_lease_undo(const struct cni_node *n, struct cni_leases *l, unsigned i, bool told);
/* Release all leases of the attachment. */
int cni_leases_release(struct cni_call *c, struct cni_error *e);

#endif
