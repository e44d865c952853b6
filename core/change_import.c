/* Importing: leases that were made elsewhere become ours with the addresses they have, all of them or none. */
#include "change.h"

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
		     a->size > IPAM_XATTR_BUDGET			  ? -ENOSPC :
									    lease_xattr_put(l, a->name, a->value, a->size);
	}
	return rc == 0 && lease_xattr_bytes(l) > IPAM_XATTR_BUDGET ? -ENOSPC : rc;
}

/* One lease; nothing of it is left where it is refused. */
static int make(struct ipam *ipam, struct change *c, struct ipam_import *in, uint32_t *out)
{
	uint64_t max_leases;
	int rc = ipam_check_name(IPAM_LEASE, in->name);

	if (rc < 0)
		return rc;
	c->node = registry_node_named(&ipam->registry, c->cluster, in->node);
	if (c->node == NULL)
		return -ENOENT;
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

static void unmake(struct ipam *ipam, struct change *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c->made[i] != 0)
			lease_unbegin(ipam, c->made[i]);
}

static int import_reserve(struct ipam *ipam, struct change *c)
{
	int rc = enter_cluster_exclusive(ipam, c); /* so that nothing else is in flight below it */

	if (rc != 0)
		return rc;
	free(c->made);
	c->made = calloc(c->size + 1, sizeof *c->made);
	if (c->made == NULL)
		rc = -ENOMEM;
	/* All are tried, so that all refusals are told. */
	for (size_t i = 0; c->made != NULL && i < c->size; i++) {
		struct ipam_import *in = &c->import[i];

		in->error = make(ipam, c, in, &c->made[i]);
		if (in->error < 0)
			c->made[i] = 0;
		if (in->error < 0 && rc == 0)
			rc = in->error;
	}
	if (rc < 0) {
		if (c->made != NULL)
			unmake(ipam, c, c->size);
		gate_leave_exclusive(&c->cluster->gate);
	}
	return rc;
}

static int import_apply(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	/* Nobody else changes what is read here without the lock: the leases are pending. Their handles don't move. */
	for (size_t i = 0; rc == 0 && i < c->size; i++) {
		struct ipam_import *in = &c->import[i];
		struct store_lease row;
		const struct lease *l;

		pthread_rwlock_rdlock(&ipam->lock);
		l = registry_lease(&ipam->registry, c->made[i]);
		c->node = lease_node(&ipam->registry, l);
		lease_row(ipam, c, l, in->name, &row);
		pthread_rwlock_unlock(&ipam->lock);
		rc = store_add_lease(ipam->store, &row);
		for (size_t k = 0; rc == 0 && k < in->attributes; k++)
			rc = store_put_xattr(ipam->store, row.id, in->attribute[k].name, in->attribute[k].value,
					     in->attribute[k].size);
		c->lease = c->made[i];
		if (rc == 0)
			rc = history_add_lease(ipam, c, &(struct history_event){ .event = "allocate", .reason = "import" });
	}
	return rc;
}

static void import_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_exclusive(&c->cluster->gate);
	if (c->error < 0) {
		unmake(ipam, c, c->size);
		return;
	}
	for (size_t i = 0; i < c->size; i++) {
		struct lease *l = registry_lease(&ipam->registry, c->made[i]);
		struct node *n = lease_node(&ipam->registry, l);

		l->pending = l->busy = false;
		touch_attr(&n->attr, c->now);
		timer_lease(ipam, n, l);
	}
}

const struct change_type change_import = {
	.reserve = import_reserve, .apply = import_apply, .settle = import_settle, .several = true
};
