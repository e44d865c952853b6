/* cover — that the local cluster has CIDRs in which a Node's podCIDRs are blocks. */
#ifndef IPAMKUBE_COVER_H
#define IPAMKUBE_COVER_H

#include "site.h"

enum { COVER_CIDRS = 32 };

/* One of a cluster's CIDRs. */
struct cover {
	struct cidr cidr;
	unsigned mask; /* of its blocks; 0: the podCIDR's */
};

struct covers {
	struct cover cover[COVER_CIDRS];
	unsigned n;
};

/* --cluster-cidr's value, "CIDR[/MASK],...": -EINVAL. */
int covers_parse(const char *s, struct covers *out);

/* Is this a block of a cluster whose control file `cidrs` reads so? */
bool cover_has(const char *cidrs, const struct cidr *c);
/* Makes the cluster, and gives it what it lacks: of `said`, or, where nothing was said, the podCIDRs themselves, if all of its CIDRs
 * are single blocks too (so made like this before). -EADDRNOTAVAIL: the cluster has other CIDRs, or `said` doesn't hold them. */
int cover(const struct site *s, const struct covers *said, const struct pod_cidrs *cidrs);
/* Takes those single ones away that were this node's blocks and are not any more. */
void cover_trim(const struct site *s, const struct blocks *were, const struct pod_cidrs *cidrs);

#endif
