#include "call.h"
#include "room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool may_hold_more(const struct cni_node *n, const char *stats)
{
	char settings[4096], most[64], have[64];

	if (cni_read_at(n->dir, ".ipam/settings", settings, sizeof settings) < 0 || !cni_value(settings, "max-leases", most, sizeof most) ||
	    !cni_value(stats, "leases", have, sizeof have))
		return true;
	return strtoull(most, NULL, 10) == 0 || strtoull(have, NULL, 10) < strtoull(most, NULL, 10);
}

static int check_node(struct cni_call *c, struct cni_error *e)
{
	char stats[8192], free[64];

	if (cni_read_at(c->node.dir, ".ipam/stats", stats, sizeof stats) < 0)
		return cni_fail(e, CNI_NOT_AVAILABLE, "node '%s' can't be read", c->node.name);
	if (cni_value(stats, "leases_free", free, sizeof free) && strcmp(free, "0") == 0 && !cni_node_may_grow(&c->node))
		return cni_fail(e, CNI_NOT_AVAILABLE, "no address is left in the blocks of node '%s'", c->node.name);
	if (!may_hold_more(&c->node, stats))
		return cni_fail(e, CNI_NOT_AVAILABLE, "node '%s' holds as many leases as its max-leases allows", c->node.name);
	return cni_ranges_have_room(&c->conf, &c->node, e);
}

static int check_cluster(struct cni_call *c, struct cni_error *e)
{
	char stats[8192], path[NAME_MAX + 32];

	if (c->node.cluster[0] == 0)
		return cni_fail(e, CNI_NOT_AVAILABLE, "%s has no cluster yet", c->conf.mount);
	if (!c->conf.create_node)
		return cni_fail(e, CNI_NOT_AVAILABLE, "cluster '%s' has no node '%s', and createNode is false", c->node.cluster,
				c->node.name);
	snprintf(path, sizeof path, "%s/.ipam/stats", c->node.cluster);
	if (cni_read_at(c->node.mount, path, stats, sizeof stats) < 0)
		return cni_fail(e, CNI_NOT_AVAILABLE, "there is no cluster '%s'", c->node.cluster);
	if (cni_cluster_has_block(&c->node))
		return 0;
	snprintf(path, sizeof path, "%s/.ipam/cidrs", c->node.cluster);
	return cni_fail(e, CNI_NOT_AVAILABLE, "cluster '%s' %s for node '%s'", c->node.cluster, cni_why_no_block(c->node.mount, path),
			c->node.name);
}

int cni_status(struct cni_call *c, struct cni_error *e)
{
	if (cni_node_open(&c->conf, false, &c->node, e) < 0)
		return CNI_FAILED;
	return c->node.dir >= 0 ? check_node(c, e) : check_cluster(c, e);
}
