/* A lease gets attributes in one durable step, which may also make it last where it was ephemeral. */
#include "change/describe.h"

#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "shared/publish.h"
#include "view/snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes that the lease would carry. */
static size_t bytes_after(const struct lease *l, const struct xattr *list)
{
	size_t bytes = lease_xattr_bytes(l);

	for (const struct xattr *x = list; x != NULL; x = x->next) {
		const struct xattr *old = lease_xattr(l, x->data);

		bytes += (size_t)x->name_size + x->value_size;
		if (old != NULL)
			bytes -= (size_t)old->name_size + old->value_size;
	}
	return bytes;
}

static int describe_reserve(struct ipam *ipam, struct change *c)
{
	uint32_t h = registry_find_lease(&ipam->registry, c->id);
	struct lease *l = h == 0 ? NULL : registry_lease(&ipam->registry, h);

	int rc;

	if (l == NULL || l->pending)
		return -ENOENT;
	rc = may_change(c, lease_node(&ipam->registry, l));
	if (rc < 0)
		return rc;
	if (l->busy || !enter_node(ipam, c, lease_node(&ipam->registry, l)))
		return CHANGE_DEFER;
	if (bytes_after(l, c->xattr) > IPAM_XATTR_BUDGET) {
		leave_node(c);
		return -ENOSPC;
	}
	l->busy = true;
	c->lease = h;
	c->row.generation = l->generation + 1;
	c->soft = l->ephemeral && !c->keep; /* it goes with the next mount anyway */
	return 0;
}

static int describe_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_describe_lease(ipam->store, c->id, c->keep, c->now, c->row.generation);

	for (const struct xattr *x = c->xattr; rc == 0 && x != NULL; x = x->next)
		rc = store_put_xattr(ipam->store, c->id, x->data, xattr_value(x), x->value_size);
	if (rc == 0)
		rc = history_add_lease(ipam, c, &(struct history_event){ .event = "attributes", .more = c->xattr });
	return rc;
}

static void describe_settle(struct ipam *ipam, struct change *c)
{
	struct lease *l = registry_lease(&ipam->registry, c->lease);

	leave_node(c);
	l->busy = false;
	if (c->error < 0)
		return;
	snapshot_keep(ipam, c->lease);
	while (c->xattr != NULL) {
		struct xattr *x = c->xattr;

		c->xattr = x->next;
		lease_xattr_link(l, x);
	}
	if (c->keep)
		l->ephemeral = l->dropped = false;
	l->ctime = c->now;
	l->generation++; /* attributes may have been set meanwhile: not what was stored, but what comes after it */
	publish_lease(ipam, c->node, l->id);
	object_of_lease(&ipam->registry, l, &c->object);
	c->has_object = true;
}

const struct change_type change_lease_describe = {
	.reserve = describe_reserve, .apply = describe_apply, .settle = describe_settle, .several = true
};
