/* Changes that bring what the engine of many machines has into this one's memory and database. */
#include "change/mirrored.h"

#include "change/node_make.h"
#include "engine/engine.h"
#include "registry/registry.h"
#include "store/store_shared.h"
#include "text/text.h"

#include <errno.h>
#include <stdlib.h>

/* ---- a node with its blocks (c->parent, c->name, c->text: a block a line, c->labels), as one change ------------------------------ */

static int mirror_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct cidr *cidr = NULL;
	size_t n = 0, refused;
	int rc = ipam_check_name(IPAM_NODE, c->name);

	if (rc == 0 && c->size > 0)
		rc = text_blocks(c->text, c->size, &cidr, &n);
	if (rc < 0)
		return rc;
	if (cluster == NULL || cluster->pending)
		rc = -ENOENT;
	else if (!gate_shared(ipam, &cluster->gate))
		rc = CHANGE_DEFER;
	if (rc != 0)
		goto out;
	c->cluster = cluster;
	rc = node_begin(ipam, c, c->name, c->labels, &c->node);
	if (rc == 0) {
		rc = registry_share_node(&ipam->registry, c->node, c->shared);
		if (rc == 0)
			rc = node_take_these(ipam, c->node, cidr, n, &refused);
		if (rc < 0)
			node_unmake(ipam, c->node);
	}
	if (rc < 0)
		gate_leave_shared(&cluster->gate);
out:
	free(cidr);
	return rc;
}

static int mirror_apply(struct ipam *ipam, struct change *c)
{
	int rc = node_store(ipam, c, c->node, NULL);

	return rc < 0 ? rc : store_put_node_shared(ipam->store, c->node->id, c->shared, c->revision, c->held);
}

static void mirror_settle(struct ipam *ipam, struct change *c)
{
	struct node *n = c->node;

	gate_leave_shared(&c->cluster->gate);
	if (c->error < 0) {
		node_unmake(ipam, n);
		return;
	}
	node_finish(c, n);
	n->revision = c->revision;
	n->held = c->held;
	object_of_node(n, &c->object);
	c->object.created = c->has_object = true;
}

const struct change_type change_mirror_node = {
	.reserve = mirror_reserve, .apply = mirror_apply, .settle = mirror_settle, .several = true
};

/* ---- what the engine's side of a node or cluster (c->kind, c->id) is now --------------------------------------------------- */

static int mark_reserve(struct ipam *ipam, struct change *c)
{
	if (c->kind == IPAM_CLUSTER) {
		c->cluster = registry_cluster(&ipam->registry, c->id);
		return c->cluster == NULL ? -ENOENT : gate_shared(ipam, &c->cluster->gate) ? 0 : CHANGE_DEFER;
	}
	c->node = registry_node(&ipam->registry, c->id);
	if (c->node == NULL || c->node->pending)
		return -ENOENT;
	/* Alone: no lease is in flight when a doubt begins. */
	return enter_node_exclusive(ipam, c, c->node);
}

static int mark_apply(struct ipam *ipam, struct change *c)
{
	if (c->kind == IPAM_CLUSTER)
		return store_put_cluster_shared(ipam->store, c->id, c->shared, c->revision);
	return store_put_node_shared(ipam->store, c->id, c->shared, c->revision, c->held);
}

static void mark_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	if (c->kind == IPAM_CLUSTER) {
		gate_leave_shared(&c->cluster->gate);
		if (c->error == 0) {
			c->cluster->shared = c->shared;
			c->cluster->revision = c->revision;
		}
		return;
	}
	leave_node_exclusive(c);
	if (c->error == 0) {
		c->node->revision = c->revision;
		c->node->held = c->held;
	}
}

/* Always durable: an allocation may rest on it. */
const struct change_type change_mark = { .reserve = mark_reserve, .apply = mark_apply, .settle = mark_settle, .delegation = true };

/* ---- whether addresses of a node may be given --------------------------------------------------------------------------- */

static int doubt_reserve(struct ipam *ipam, struct change *c)
{
	int rc = mark_reserve(ipam, c);
	const struct node *n = c->node;

	if (rc != 0)
		return rc;
	if (n->doubt == NODE_ORPHANED && c->doubt != NODE_ORPHANED)
		rc = -EROFS;
	else if (c->doubt == NODE_SURE && (n->doubt != NODE_UNSETTLED || n->doubts != (uint32_t)c->revision))
		rc = -EAGAIN;
	if (rc < 0)
		leave_node_exclusive(c);
	return rc;
}

static int doubt_apply(struct ipam *ipam, struct change *c)
{
	return store_put_node_doubt(ipam->store, c->id, c->doubt);
}

static void doubt_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	leave_node_exclusive(c);
	if (c->error < 0)
		return;
	c->node->doubt = c->doubt;
	if (c->doubt == NODE_SURE)
		c->node->unknown = false;
}

const struct change_type change_doubt = { .reserve = doubt_reserve, .apply = doubt_apply, .settle = doubt_settle, .delegation = true };

/* ---- nothing: so that what is deferred is tried again ------------------------------------------------------------------------ */

static int wake_reserve(struct ipam *ipam, struct change *c)
{
	(void)ipam, (void)c;
	return 0;
}

static void wake_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam, (void)c;
}

const struct change_type change_wake = { .reserve = wake_reserve, .settle = wake_settle };
