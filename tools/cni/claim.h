/* claim — the leases that a configuration asks for. */
#ifndef IPAMFS_CNI_CLAIM_H
#define IPAMFS_CNI_CLAIM_H

#include "lease.h"

/* Claim what the configuration asks for; on failure nothing is left of it. */
int cni_leases_claim(const struct cni_conf *c, const struct cni_env *env, struct cni_node *n, struct cni_leases *l, struct cni_error *e);

#endif
