/* Changes of the networks that host-local's layout keeps with a node. */
#include "change/network.h"

#include "engine/engine.h"
#include "engine/history.h"
#include "registry/network.h"
#include "registry/registry.h"
#include "registry/xattr.h"

#include <errno.h>
#include <string.h>

static int record(struct ipam *ipam, struct change *c, const char *event)
{
	return history_add(ipam, c, &(struct history_event){ .event = event, .cluster = c->cluster, .node = c->node, .name = c->name });
}

/* ---- make ------------------------------------------------------------------------------------------------- */

static int make_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->parent);
	struct network *held;
	int rc = ipam_check_name(IPAM_LEASE, c->name);

	if (rc < 0)
		return rc;
	rc = may_change(c, n);
	if (rc < 0)
		return rc;
	held = registry_network_named(&ipam->registry, n, c->name);
	if (held != NULL)
		return held->pending || held->busy ? CHANGE_DEFER : -EEXIST;
	if (!enter_node(ipam, c, n))
		return CHANGE_DEFER;
	c->id = engine_id(ipam);
	rc = registry_add_network(&ipam->registry, n, c->id, c->name, &c->network);
	if (rc < 0)
		leave_node(c);
	else
		c->network->pending = true;
	return rc;
}

static int make_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_add_network(ipam->store, c->id, c->node->id, c->name);

	return rc < 0 ? rc : record(ipam, c, "network-add");
}

static void make_settle(struct ipam *ipam, struct change *c)
{
	leave_node(c);
	c->network->pending = false;
	if (c->error < 0)
		registry_remove_network(&ipam->registry, c->network);
}

const struct change_type change_network_make = { .reserve = make_reserve, .apply = make_apply, .settle = make_settle, .several = true };

/* ---- remove ----------------------------------------------------------------------------------------------- */

static bool in_use(const struct ipam *ipam, const struct network *w)
{
	for (uint32_t h = w->node->first; h != 0; h = registry_lease(&ipam->registry, h)->next) {
		const struct xattr *x = lease_xattr(registry_lease(&ipam->registry, h), "network");

		if (x != NULL && x->value_size == strlen(w->name) && memcmp(xattr_value(x), w->name, x->value_size) == 0)
			return true;
	}
	return false;
}

static int remove_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->parent);
	struct network *w = n == NULL ? NULL : registry_network_named(&ipam->registry, n, c->name);

	int rc;

	if (w == NULL || w->pending)
		return -ENOENT;
	rc = may_change(c, n);
	if (rc < 0)
		return rc;
	if (w->busy || !enter_node(ipam, c, n))
		return CHANGE_DEFER;
	if (in_use(ipam, w)) {
		leave_node(c);
		return -ENOTEMPTY;
	}
	w->busy = true;
	c->network = w;
	c->id = w->id;
	return 0;
}

static int remove_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_delete_network(ipam->store, c->id);

	return rc < 0 ? rc : record(ipam, c, "network-remove");
}

static void remove_settle(struct ipam *ipam, struct change *c)
{
	leave_node(c);
	c->network->busy = false;
	if (c->error == 0)
		registry_remove_network(&ipam->registry, c->network);
}

const struct change_type change_network_remove = {
	.reserve = remove_reserve, .apply = remove_apply, .settle = remove_settle, .several = true
};

/* ---- the address given last: in memory at once, stored when there is time -------------------------------------- */

static int last_reserve(struct ipam *ipam, struct change *c)
{
	struct network *w = registry_network(&ipam->registry, c->id);
	int rc;

	if (w == NULL || w->pending)
		return -ENOENT;
	rc = may_change(c, w->node);
	if (rc == 0)
		rc = network_room(w);
	if (rc < 0)
		return rc;
	if (c->exclusive)
		network_forget_last(w, c->which);
	else
		network_set_last(w, c->which, c->rest.family, c->rest.addr);
	return 0;
}

static int last_apply(struct ipam *ipam, struct change *c)
{
	if (c->exclusive)
		return store_delete_last(ipam->store, c->id, c->which);
	return store_put_last(ipam->store, c->id, c->which, c->rest.family, c->rest.addr);
}

static void last_settle(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	(void)c;
}

const struct change_type change_network_last = { .reserve = last_reserve, .apply = last_apply, .settle = last_settle, .lazy = true };
