/* A lease gets another name. */
#include "change/lease_rename.h"

#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "shared/publish.h"
#include "view/snapshot.h"

#include <errno.h>

static int rename_reserve(struct ipam *ipam, struct change *c)
{
	struct registry *r = &ipam->registry;
	struct node *n = registry_node(r, c->parent);
	uint32_t h, target;
	int rc = ipam_check_name(IPAM_LEASE, c->new_name);

	if (n == NULL || n->pending)
		return -ENOENT;
	if (c->new_parent != c->parent)
		return -EXDEV;
	if (rc == 0)
		rc = may_change(c, n);
	if (rc < 0)
		return rc;
	/* No lease of the node comes or goes meanwhile, so the new name stays free. */
	rc = enter_node_exclusive(ipam, c, n);
	if (rc != 0)
		return rc;
	h = registry_lease_named(r, n, c->name);
	target = registry_lease_named(r, n, c->new_name);
	if (h == 0)
		rc = -ENOENT;
	else if (h == target)
		rc = CHANGE_DONE;
	else if (target != 0)
		rc = -EEXIST;
	if (rc != 0) {
		leave_node_exclusive(c);
		return rc;
	}
	c->lease = h;
	c->id = registry_lease(r, h)->id;
	registry_lease(r, h)->busy = true;
	return 0;
}

static int rename_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_rename_lease(ipam->store, c->id, c->new_name, c->now);

	return rc < 0 ? rc : history_add_lease(ipam, c, &(struct history_event){ .event = "rename", .name = c->new_name, .from = c->name });
}

static void rename_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node_exclusive(c);
	l->busy = false;
	if (c->error < 0)
		return;
	snapshot_keep(ipam, c->lease);
	engine_must(ipam, registry_rename_lease(&ipam->registry, c->lease, c->new_name), "rename");
	l->ctime = c->now;
	l->generation++;
	publish_lease(ipam, c->node, l->id);
	touch_attr(&c->node->attr, c->now);
	object_of_lease(&ipam->registry, l, &c->object);
	c->has_object = true;
}

const struct change_type change_lease_rename = {
	.reserve = rename_reserve, .apply = rename_apply, .settle = rename_settle, .several = true
};
