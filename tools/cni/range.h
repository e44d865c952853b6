/* range — sets of ranges, as host-local writes them. */
#ifndef IPAMFS_CNI_RANGE_H
#define IPAMFS_CNI_RANGE_H

#include "base/cidr.h"
#include "version.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cni_range {
	struct cidr subnet;
	u128 first, last; /* within the subnet, without network and broadcast address */
	u128 gateway;
};
struct cni_set {
	struct cni_range *range; /* alternatives, in order */
	size_t ranges;
	uint8_t family;
	unsigned lease; /* which of the attachment's leases: the nth set of a family is in the nth */
};
struct cni_sets {
	struct cni_set *set;
	size_t sets;
};
/* One set from a JSON array of range objects, or one from an object with subnet, rangeStart, rangeEnd, gateway. */
int cni_sets_add(struct cni_sets *s, const json_t *json, struct cni_error *e);
/* No two may overlap, and before 0.3.0 no two may be of a family; gives each its lease. */
int cni_sets_finish(struct cni_sets *s, enum cni_version version, struct cni_error *e);
void cni_sets_free(struct cni_sets *s);
bool cni_set_has(const struct cni_set *s, uint8_t family, u128 addr); /* an address that it may give */

#endif
