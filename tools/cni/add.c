#include "call.h"
#include "claim.h"
#include "result.h"

#include <stdlib.h>

static void undo(struct cni_call *c)
{
	cni_leases_undo(&c->node, &c->leases, true);
	cni_node_undo(&c->node);
}

/* Who asks takes the first address for the pod's own. */
static uint8_t first_family(const struct cni_call *c)
{
	const struct cni_lease *l = &c->leases.lease[0];
	struct cni_error ignored = { 0 };
	uint8_t family = CIDR_V4;
	struct cidr *block;
	int blocks;

	if (c->conf.sets.sets > 0 || !l->has[CIDR_V4] || !l->has[CIDR_V6])
		return family;
	blocks = cni_node_blocks(&c->node, &block, &ignored);
	if (blocks > 0)
		family = block[0].family;
	free(block);
	return family;
}

int cni_add(struct cni_call *c, struct cni_error *e)
{
	struct cni_ip ip[CNI_IPS_MAX];
	size_t n;
	int rc = cni_node_open(&c->conf, true, &c->node, e);

	if (rc == 0)
		rc = cni_leases_claim(&c->conf, &c->env, &c->node, &c->leases, e);
	if (rc < 0) {
		cni_node_undo(&c->node);
		return rc;
	}
	c->leases.first = first_family(c);
	n = cni_ips(&c->conf, &c->leases, ip);
	if (n == 0)
		cni_fail(e, CNI_LEASE_DIFFERS,
			 "container %s has a lease for %s, and no address of the configured ranges' families in "
			 "it; DEL comes first",
			 c->env.container, c->env.ifname);
	else
		c->out = cni_result(&c->conf, ip, n, e);
	if (c->out == NULL) {
		cni_leases_undo(&c->node, &c->leases, false);
		cni_node_undo(&c->node);
		return CNI_FAILED;
	}
	c->undo = undo;
	return 0;
}
