/* Nodes with labels and blocks by one line each, as one change: all of them or none. */
#include "change/delegate.h"

#include "change/node_make.h"
#include "engine/engine.h"
#include "registry/registry.h"
#include "shared/request_make.h"
#include "text/text_node.h"

#include <errno.h>
#include <stdlib.h>

/* One that is in flight decides when it is done. */
static int check_names(struct ipam *ipam, const struct cluster *cluster, const struct text_node *list, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		const struct node *held = registry_node_named(&ipam->registry, cluster, list[i].name);

		if (held != NULL && !held->pending && !held->gate.exclusive)
			return -EEXIST;
		if (held != NULL)
			rc = CHANGE_DEFER;
	}
	return rc;
}

static void unmake(struct ipam *ipam, struct change *c)
{
	while (c->made_nodes > 0)
		node_unmake(ipam, c->made_node[--c->made_nodes]);
	free(c->made_node);
	c->made_node = NULL;
}

static int make_nodes(struct ipam *ipam, struct change *c, const struct text_node *list, size_t n)
{
	size_t refused;
	int rc = 0;

	c->made_node = calloc(n, sizeof(struct node *));
	if (c->made_node == NULL)
		return -ENOMEM;
	while (rc == 0 && c->made_nodes < n) {
		rc = node_begin(ipam, c, list[c->made_nodes].name, list[c->made_nodes].labels, &c->made_node[c->made_nodes]);
		c->made_nodes += rc == 0;
	}
	/* Blocks that are named first, so that none of them is chosen for another node. */
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = node_take_these(ipam, c->made_node[i], list[i].cidr, list[i].cidrs, &refused);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (list[i].cidrs == 0)
			rc = node_take_free(ipam, c->made_node[i]);
	if (rc < 0)
		unmake(ipam, c);
	return rc;
}

static int delegate_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->id);
	struct text_node *list = NULL;
	size_t n = 0;
	int rc = text_nodes(c->text, c->size, &list, &n);

	if (rc < 0)
		return rc;
	if (cluster == NULL || cluster->pending)
		rc = -ENOENT;
	if (rc == 0)
		rc = check_names(ipam, cluster, list, n);
	if (rc == 0 && !gate_shared(ipam, &cluster->gate))
		rc = CHANGE_DEFER;
	if (rc == 0) {
		c->cluster = cluster;
		rc = make_nodes(ipam, c, list, n);
		if (rc < 0)
			gate_leave_shared(&cluster->gate);
	}
	text_nodes_free(list, n);
	return rc;
}

static int delegate_apply(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->made_nodes; i++)
		rc = node_store(ipam, c, c->made_node[i], NULL);
	return rc;
}

static void delegate_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_shared(&c->cluster->gate);
	if (c->error < 0) {
		unmake(ipam, c);
		return;
	}
	for (size_t i = 0; i < c->made_nodes; i++)
		node_finish(c, c->made_node[i]);
	object_of_node(c->made_node[0], &c->object);
	c->object.created = c->has_object = true;
}

const struct change_type change_delegate = { .share = share_delegate,
					     .reserve = delegate_reserve,
					     .apply = delegate_apply,
					     .settle = delegate_settle,
					     .several = true,
					     .delegation = true };
