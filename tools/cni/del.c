#include "call.h"

/* What isn't there needs no release: a DEL may come again, or for what never was. */
int cni_del(struct cni_call *c, struct cni_error *e)
{
	return c->env.nobody ? 0 : cni_nodes_each(c, cni_leases_release, e);
}
