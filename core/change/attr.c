#include "change/attr.h"

#include "engine/commit.h"
#include "engine/cooldown.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "engine/writeback.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "shared/publish.h"
#include "shared/request_node.h"
#include "view/snapshot.h"

#include <errno.h>
#include <stdio.h>

static void set(struct ipam_attr *a, unsigned which, const struct ipam_attr *from)
{
	if (which & IPAM_SET_UID)
		a->uid = from->uid;
	if (which & IPAM_SET_GID)
		a->gid = from->gid;
	if (which & IPAM_SET_MODE)
		a->mode = from->mode & 07777;
	if (which & IPAM_SET_ATIME)
		a->atime = from->atime;
	if (which & IPAM_SET_MTIME)
		a->mtime = from->mtime;
	a->ctime = from->ctime;
}

static void set_lease(struct lease *l, unsigned which, const struct ipam_attr *from)
{
	struct ipam_attr a = { l->uid, l->gid, l->mode, l->atime, l->mtime, l->ctime, l->btime };

	set(&a, which, from);
	l->uid = a.uid;
	l->gid = a.gid;
	l->mode = (uint16_t)a.mode;
	l->atime = a.atime;
	l->mtime = a.mtime;
	l->ctime = a.ctime;
	if (which & IPAM_SET_MTIME)
		l->generation++;
}

/* ---- owner, mode, times ----------------------------------------------------------------------------------- */

static int reserve_lease(struct ipam *ipam, struct change *c)
{
	uint32_t h = registry_find_lease(&ipam->registry, c->id);
	struct lease *l = h == 0 ? NULL : registry_lease(&ipam->registry, h);
	struct node *n;
	int rc;

	if (l == NULL || l->pending)
		return -ENOENT;
	n = lease_node(&ipam->registry, l);
	rc = may_change(c, n);
	if (rc < 0)
		return rc;
	/* Times alone are written behind, but where they keep the lease alive. */
	if ((c->which & ~(unsigned)(IPAM_SET_ATIME | IPAM_SET_MTIME)) == 0 && node_setting(n, IPAM_TTL) == 0) {
		rc = behind_room(ipam);
		if (rc < 0)
			return rc;
		snapshot_keep(ipam, h);
		set_lease(l, c->which, &c->attr);
		behind_mark(ipam, l, NULL);
		commit_behind(ipam);
		object_of_lease(&ipam->registry, l, &c->object);
		c->has_object = true;
		return CHANGE_DONE;
	}
	if (l->busy || !enter_node(ipam, c, n))
		return CHANGE_DEFER;
	c->lease = h;
	l->busy = true;
	c->row.generation = l->generation + 1;
	return 0;
}

static int attr_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster;
	struct node *n;

	c->attr.ctime = c->now;
	switch (c->kind) {
	case IPAM_CLUSTER:
		cluster = registry_cluster(&ipam->registry, c->id);
		if (cluster == NULL || cluster->pending)
			return -ENOENT;
		if (!gate_shared(ipam, &cluster->gate))
			return CHANGE_DEFER;
		c->cluster = cluster;
		return 0;
	case IPAM_NODE:
		n = registry_node(&ipam->registry, c->id);
		if (n == NULL || n->pending)
			return -ENOENT;
		return enter_node(ipam, c, n) ? 0 : CHANGE_DEFER;
	case IPAM_LEASE:
		return reserve_lease(ipam, c);
	default:
		return -EPERM;
	}
}

/* Owner and mode, as they will be; times alone are not worth an event. */
static int record(struct ipam *ipam, struct change *c)
{
	struct history_event e = { .event = "permissions", .key = "permissions" };
	char mode[8];

	snprintf(mode, sizeof mode, "%04o", c->attr.mode & 07777);
	e.detail = json_object();
	if (c->which & IPAM_SET_UID)
		json_object_set_new(e.detail, "uid", json_integer(c->attr.uid));
	if (c->which & IPAM_SET_GID)
		json_object_set_new(e.detail, "gid", json_integer(c->attr.gid));
	if (c->which & IPAM_SET_MODE)
		json_object_set_new(e.detail, "mode", json_string(mode));
	if (c->kind == IPAM_LEASE)
		return history_add_lease(ipam, c, &e);
	e.node = c->kind == IPAM_NODE ? c->node : NULL;
	e.cluster = c->cluster;
	return history_add(ipam, c, &e);
}

static int attr_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_put_attr(ipam->store, c->kind, c->id, c->which, &c->attr);

	if (rc == 0 && c->which & (IPAM_SET_UID | IPAM_SET_GID | IPAM_SET_MODE))
		rc = record(ipam, c);
	return rc;
}

static void attr_settle(struct ipam *ipam, struct change *c)
{
	struct registry *r = &ipam->registry;

	if (c->kind == IPAM_CLUSTER) {
		gate_leave_shared(&c->cluster->gate);
		if (c->error == 0)
			set(&c->cluster->attr, c->which, &c->attr);
		object_of_cluster(c->cluster, &c->object);
	} else if (c->kind == IPAM_NODE) {
		leave_node(c);
		if (c->error == 0)
			set(&c->node->attr, c->which, &c->attr);
		object_of_node(c->node, &c->object);
	} else {
		struct lease *l = registry_lease(r, c->lease);

		leave_node(c);
		l->busy = false;
		if (c->error == 0) {
			snapshot_keep(ipam, c->lease);
			set_lease(l, c->which, &c->attr);
		}
		publish_lease(ipam, c->node, l->id);
		object_of_lease(r, l, &c->object);
	}
	c->has_object = true;
}

const struct change_type change_attr = {
	.share = share_attr, .reserve = attr_reserve, .apply = attr_apply, .settle = attr_settle, .several = true, .yields = true
};

/* ---- sync: what was written behind is durable --------------------------------------------------------------- */

static int sync_reserve(struct ipam *ipam, struct change *c)
{
	(void)ipam;
	(void)c;
	return 0; /* its place in the queue is all it needs: what was marked before goes with its batch, or has gone */
}

static void sync_settle(struct ipam *ipam, struct change *c)
{
	uint32_t h = c->kind == IPAM_LEASE ? registry_find_lease(&ipam->registry, c->id) : 0;

	if (h == 0)
		return;
	if (c->error == 0 && registry_lease(&ipam->registry, h)->failed)
		c->error = -EIO;
	registry_lease(&ipam->registry, h)->failed = false;
}

const struct change_type change_sync = { .reserve = sync_reserve, .settle = sync_settle };

/* ---- an address has rested -------------------------------------------------------------------------------- */

static int rest_end_apply(struct ipam *ipam, struct change *c)
{
	return store_delete_rest(ipam->store, &c->rest);
}

static void rest_end_settle(struct ipam *ipam, struct change *c)
{
	if (c->error == 0) {
		rest_end(ipam, &c->rest);
		rest_unpromise(ipam);
		return;
	}
	c->rest.until = c->now + 1000000000; /* the disk may be better by then */
	rest_begin(ipam, &c->rest, NULL);
}

const struct change_type change_rest_end = { .reserve = sync_reserve, .apply = rest_end_apply, .settle = rest_end_settle };
