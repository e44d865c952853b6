/* kube — an import from Kubernetes: the dump, the mount, the plan. */
#ifndef IPAMCTL_KUBE_KUBE_H
#define IPAMCTL_KUBE_KUBE_H

#include "base/cidr.h"
#include "ipam.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what is kept */

enum kube_state {
	KUBE_NEW,     /* to be made */
	KUBE_PRESENT, /* there already, just so */
	KUBE_OUT,     /* left out, for a conflict that is listed */
	KUBE_NONE,    /* nothing to be made of it */
};

enum kube_skip { SKIP_HOST_NETWORK, SKIP_TERMINATED, SKIP_NO_NODE, SKIP_NO_ADDRESS, SKIP_NO_CIDR, SKIP_REPEATED, SKIP_KIND, SKIPS };

struct kube_node {
	const char *name, *created; /* created: as the API server writes it, so that order of text is order of time */
	struct cidr cidr[CIDR_FAMILIES];
	uint8_t cidrs, state;
	bool dumped, mounted;
	const char *flaw; /* of its podCIDRs, or NULL */
};

struct kube_pod {
	const char *node, *lease, *pod, *uid, *created; /* pod: NAMESPACE/NAME */
	u128 addr[CIDR_FAMILIES];
	bool has[CIDR_FAMILIES], running;
	uint8_t state;
	const char *flaw; /* of its addresses, or its lease's; or NULL */
};

struct kube_block {
	struct cidr cidr;
	const char *node;
};

struct kube_pool {
	struct cidr cidr;
	uint8_t mask;
};

struct kube_conflict {
	const char *who, *address, *why; /* who: NODE or NODE/LEASE */
	const char *pod;                 /* or NULL */
};

/* An address or block that somebody wants. */
struct kube_claim {
	struct cidr key;
	const char *there; /* who holds it in the mount, or NULL */
	const char *taker; /* who of the dump gets it, or NULL */
};

#define KUBE_LIST(type)                                                                                                                    \
	struct {                                                                                                                           \
		type *list;                                                                                                                \
		size_t n;                                                                                                                  \
	}

struct kube {
	/* what was asked for */
	const char *from, *mount, *cluster, *path; /* path: the cluster's directory */
	char cluster_name[256];
	bool dry_run, strict, create, json, quiet, verbose;
	/* the dump */
	KUBE_LIST(struct kube_node) nodes; /* by name, once they are sorted; those of the mount too */
	KUBE_LIST(struct kube_pod) pods;
	size_t skipped[SKIPS];
	/* the mount */
	bool has_cluster, gateway_none;
	char *cidrs_text; /* the file's, to be put back */
	KUBE_LIST(struct kube_pool) pools;
	size_t own_pools; /* the first so many are in the file */
	KUBE_LIST(struct ipam_reserved) reserved;
	KUBE_LIST(struct kube_block) blocks; /* those of the mount, then those that will be; sorted */
	KUBE_LIST(struct kube_claim) addresses;
	/* the outcome */
	KUBE_LIST(struct kube_conflict) conflicts;
	KUBE_LIST(struct kube_pool) hint; /* CIDRs that would hold what the cluster's don't */
	double seconds;
	bool stored;
	struct kube_chunk *strings;
	size_t string_room;
};

#endif
