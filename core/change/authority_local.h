/* authority_local — the side of authority.h that claims blocks from the cluster's pools in memory. */
#ifndef IPAM_CHANGE_AUTHORITY_LOCAL_H
#define IPAM_CHANGE_AUTHORITY_LOCAL_H

#include "engine/authority.h"

struct block;
struct cidr;
struct ipam;
struct node;

extern const struct delegate delegate_local;

/* Memory's part, which both sides share. Claim a block that is delegated elsewhere already: what is reserved doesn't count. */
int delegate_restore_this(struct ipam *ipam, struct node *n, const struct cidr *cidr, struct block **out);
void delegate_local_back(struct ipam *ipam, struct block *b);

#endif
