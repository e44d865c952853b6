/* Importing: nodes and leases that were made elsewhere become ours with the blocks and addresses they have, all or none. */
#include "change/import.h"

#include "change/cluster.h"
#include "change/lease.h"
#include "change/lease_addr.h"
#include "change/node.h"
#include "change/node_make.h"
#include "engine/alarm.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "registry/xattr.h"
#include "shared/publish.h"
#include "text/text_node.h"
#include "view/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int claim(struct ipam *ipam, struct change *c, struct ipam_import *in, uint32_t handle)
{
	int rc = 0;

	for (unsigned f = 0; rc == 0 && f < CIDR_FAMILIES; f++) {
		struct block *b;
		u128 slot;

		if (!in->has[f])
			continue;
		in->family = (uint8_t)f;
		b = node_block_of(c->node, f, in->addr[f]);
		if (b == NULL)
			return -EADDRNOTAVAIL;
		slot = in->addr[f] - b->pool.prefix.base;
		rc = pool_claim(&b->pool, slot);
		if (rc == 0) {
			rc = registry_set_addr(&ipam->registry, handle, f, in->addr[f]);
			if (rc < 0)
				pool_release(&b->pool, slot);
			else
				lease_gave(ipam, c, b, registry_lease(&ipam->registry, handle), slot);
		}
	}
	return rc;
}

static int set_attributes(struct lease *l, const struct ipam_import *in)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < in->attributes; i++) {
		const struct ipam_attribute *a = &in->attribute[i];

		rc = a->name[0] == 0 || strlen(a->name) > IPAM_NAME_MAX ? -EINVAL :
		     a->size > IPAM_XATTR_BUDGET                        ? -ENOSPC :
									  lease_xattr_put(l, a->name, a->value, a->size);
	}
	return rc == 0 && lease_xattr_bytes(l) > IPAM_XATTR_BUDGET ? -ENOSPC : rc;
}

/* One lease; nothing of it is left where it is refused. */
static int make_lease(struct ipam *ipam, struct change *c, struct ipam_import *in, uint32_t *out)
{
	uint64_t max_leases;
	int rc = ipam_check_name(IPAM_LEASE, in->name);

	if (rc < 0)
		return rc;
	c->node = registry_node_named(&ipam->registry, c->cluster, in->node);
	if (c->node == NULL)
		return -ENOENT;
	rc = node_leasable(c->node);
	if (rc < 0)
		return rc;
	if (!in->has[CIDR_V4] && !in->has[CIDR_V6])
		return -EINVAL;
	max_leases = node_setting(c->node, IPAM_MAX_LEASES);
	if (max_leases > 0 && c->node->leases >= max_leases)
		return -EDQUOT;
	rc = lease_begin(ipam, c, in->name, out);
	if (rc < 0)
		return rc;
	rc = claim(ipam, c, in, *out);
	if (rc == 0)
		rc = set_attributes(registry_lease(&ipam->registry, *out), in);
	if (rc < 0)
		lease_unbegin(ipam, *out);
	return rc;
}

static bool has_exactly(const struct node *n, const struct ipam_import *in, const char *labels)
{
	for (size_t i = 0; i < in->cidrs; i++)
		if (node_block(n, &in->cidr[i]) == NULL)
			return false;
	return n->blocks == in->cidrs && (labels == NULL || strcmp(labels, n->labels == NULL ? "" : n->labels) == 0);
}

static int begin_node(struct ipam *ipam, struct change *c, struct ipam_import *in, const char *labels, struct node **out)
{
	struct node *n;
	int rc = ipam->remote != NULL ? -EOPNOTSUPP : 0; /* nodes go through the engine, one by one */

	if (rc == 0)
		rc = node_begin(ipam, c, in->node, labels, &n);
	if (rc < 0)
		return rc;
	n->attr.mode = 0755;
	rc = node_take_these(ipam, n, in->cidr, in->cidrs, &in->refused);
	if (rc < 0)
		node_unmake(ipam, n);
	else
		*out = n;
	return rc;
}

/* One node; the same. *out stays NULL where it is there as it should be. */
static int make_node(struct ipam *ipam, struct change *c, struct ipam_import *in, struct node **out)
{
	struct node *n = registry_node_named(&ipam->registry, c->cluster, in->node);
	int rc = ipam_check_name(IPAM_NODE, in->node);
	char *labels = NULL;

	if (rc == 0 && in->cidrs == 0)
		rc = -EINVAL;
	if (rc == 0 && in->labels != NULL)
		rc = text_labels(in->labels, strlen(in->labels), NULL, &labels);
	if (rc == 0 && n == NULL)
		rc = begin_node(ipam, c, in, labels, out);
	else if (rc == 0 && !has_exactly(n, in, labels))
		rc = -EEXIST;
	free(labels);
	return rc;
}

/* The leases first, which lie in the nodes. */
static void unmake(struct ipam *ipam, struct change *c)
{
	for (size_t i = 0; i < c->size; i++)
		if (c->made[i] != 0)
			lease_unbegin(ipam, c->made[i]);
	for (size_t i = 0; i < c->size; i++)
		if (c->made_node[i] != NULL)
			node_unmake(ipam, c->made_node[i]);
}

static int import_reserve(struct ipam *ipam, struct change *c)
{
	int rc = enter_cluster_exclusive(ipam, c); /* so that nothing else is in flight below it */

	if (rc != 0)
		return rc;
	free(c->made);
	free(c->made_node);
	c->made = calloc(c->size + 1, sizeof *c->made);
	c->made_node = calloc(c->size + 1, sizeof(struct node *));
	if (c->made == NULL || c->made_node == NULL) {
		gate_leave_exclusive(&c->cluster->gate);
		return -ENOMEM;
	}
	/* All are tried, so that all refusals are told. */
	for (size_t i = 0; i < c->size; i++) {
		struct ipam_import *in = &c->import[i];

		in->error = in->name == NULL ? make_node(ipam, c, in, &c->made_node[i]) : make_lease(ipam, c, in, &c->made[i]);
		if (in->error < 0)
			c->made[i] = 0;
		if (in->error < 0 && rc == 0)
			rc = in->error;
	}
	if (rc < 0) {
		unmake(ipam, c);
		gate_leave_exclusive(&c->cluster->gate);
	}
	return rc;
}

static int store_lease(struct ipam *ipam, struct change *c, const struct ipam_import *in, uint32_t handle)
{
	struct store_lease row;
	const struct lease *l;
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	l = registry_lease(&ipam->registry, handle);
	c->node = lease_node(&ipam->registry, l);
	c->lease = handle;
	lease_row(ipam, c, l, in->name, &row);
	pthread_rwlock_unlock(&ipam->lock);
	rc = store_add_lease(ipam->store, &row);
	for (size_t k = 0; rc == 0 && k < in->attributes; k++)
		rc = store_put_xattr(ipam->store, row.id, in->attribute[k].name, in->attribute[k].value, in->attribute[k].size);
	return rc < 0 ? rc : history_add_lease(ipam, c, &(struct history_event){ .event = "allocate", .reason = "import" });
}

/* Nobody else changes what is read here without the lock: it is pending. Its places in memory don't move. */
static int import_apply(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->size; i++)
		if (c->made_node[i] != NULL)
			rc = node_store(ipam, c, c->made_node[i], "import");
		else if (c->made[i] != 0)
			rc = store_lease(ipam, c, &c->import[i], c->made[i]);
	return rc;
}

static void settle_lease(struct ipam *ipam, struct change *c, struct lease *l)
{
	struct node *n = lease_node(&ipam->registry, l);

	snapshot_appear(ipam, registry_find_lease(&ipam->registry, l->id));
	l->pending = l->busy = false;
	touch_attr(&n->attr, c->now);
	timer_lease(ipam, n, l);
}

static void import_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_exclusive(&c->cluster->gate);
	if (c->error < 0) {
		unmake(ipam, c);
		return;
	}
	for (size_t i = 0; i < c->size; i++)
		if (c->made_node[i] != NULL) {
			node_finish(c, c->made_node[i]);
		} else if (c->made[i] != 0) {
			struct lease *l = registry_lease(&ipam->registry, c->made[i]);

			settle_lease(ipam, c, l);
			publish_lease(ipam, lease_node(&ipam->registry, l), l->id);
		}
}

const struct change_type change_import = {
	.reserve = import_reserve, .apply = import_apply, .settle = import_settle, .several = true, .delegation = true
};
