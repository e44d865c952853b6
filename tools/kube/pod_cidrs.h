/* pod_cidrs — the podCIDRs of a Node. ipamctl reads them by this, too. Pure. */
#ifndef IPAMKUBE_POD_CIDRS_H
#define IPAMKUBE_POD_CIDRS_H

#include "base/cidr.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { NODE_CIDRS = 2 /* the API allows one of each family */, NODE_CIDRS_TEXT = NODE_CIDRS * CIDR_TEXT };

/* podCIDRs, as the API has them. */
struct pod_cidrs {
	struct cidr cidr[NODE_CIDRS];
	unsigned n;
	bool odd;       /* there are others, or some that are no CIDRs: never to be adopted */
	bool host_bits; /* some have bits set behind their length */
};

/* A mount's blocks of a node, oldest first. */
struct blocks {
	struct cidr *cidr;
	size_t n;
};

void pod_cidrs_read(const json_t *spec, struct pod_cidrs *out);
bool pod_cidrs_same(const struct pod_cidrs *a, const struct pod_cidrs *b);
/* "10.244.3.0/24 fd00:10:244:3::/64", or "none". */
const char *pod_cidrs_text(const struct pod_cidrs *c, char out[NODE_CIDRS_TEXT]);
/* Does the one share an address with the other? */
bool pod_cidrs_overlap(const struct pod_cidrs *a, const struct pod_cidrs *b);
/* The oldest block of each family, in the mount's order: what a Node without podCIDRs is given. */
void pod_cidrs_of_blocks(const struct blocks *b, struct pod_cidrs *out);

#endif
