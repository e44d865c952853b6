#include "cni.h"

/* What isn't there needs no release: a DEL may come again, or for what never was. */
int cni_del(struct cni_call *c, struct cni_error *e)
{
	int rc = cni_node_open(&c->conf, false, &c->node, e);

	if (rc == 0 && c->node.dir >= 0)
		rc = cni_leases_release(c, e);
	return rc;
}
