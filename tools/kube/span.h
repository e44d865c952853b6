/* span — the podCIDRs of all Nodes, by address. */
#ifndef IPAMKUBE_SPAN_H
#define IPAMKUBE_SPAN_H

#include "base/cidr.h"
#include "table_own.h"

#include <stdbool.h>

void table_set_cidrs(struct table *t, struct known *e, const struct pod_cidrs *cidrs);
/* Somebody else's podCIDRs that overlap these, or NULL. */
struct known *span_find(struct table *t, const char *name, const struct pod_cidrs *cidrs);
/* Does somebody else have just this one? */
bool span_is_anothers(struct table *t, const char *name, const struct cidr *cidr);

#endif
