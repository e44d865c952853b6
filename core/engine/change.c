#include "engine/change.h"

#include "engine/commit.h"
#include "engine/engine.h"
#include "engine/metrics.h"
#include "registry/block.h"
#include "registry/registry.h"
#include "registry/xattr.h"
#include "shared/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct change *change_new(const struct change_type *type, ipam_done *done, void *arg)
{
	struct change *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->type = type;
	c->done = done;
	c->arg = arg;
	c->begun = meter_now();
	return c;
}

static void change_free(struct change *c)
{
	for (size_t i = 0; c->cidr != NULL && i < c->cidrs; i++)
		cluster_cidr_free(c->cidr[i]); /* settle leaves here what nobody owns */
	free(c->cidr);
	for (size_t i = 0; i < c->selectors; i++)
		free(c->selector[i]);
	free(c->selector);
	free(c->labels);
	free(c->block);
	free(c->fresh);
	free(c->gone);
	free(c->range);
	free(c->shorter);
	free(c->made);
	free(c->made_node);
	xattr_free_all(c->xattr);
	free(c->name);
	free(c->new_name);
	free(c->text);
	free(c);
}

struct change *change_name(struct change *c, const char *name)
{
	char **at;

	if (c == NULL)
		return NULL;
	at = c->name == NULL ? &c->name : &c->new_name;
	*at = strdup(name);
	if (*at != NULL)
		return c;
	change_free(c);
	return NULL;
}

struct change *change_text(struct change *c, const char *text, size_t size)
{
	if (c == NULL)
		return NULL;
	c->text = malloc(size + 1);
	if (c->text == NULL) {
		change_free(c);
		return NULL;
	}
	memcpy(c->text, text, size);
	c->text[size] = 0;
	c->size = size;
	return c;
}

void change_finish(struct ipam *ipam, struct change *c, int error)
{
	/* Made or changed here, and removed elsewhere before this machine could look. */
	if (error == 0 && c->type->yields && !c->has_object && c->done != NULL)
		error = -ENOENT;
	atomic_fetch_add(error == 0 ? &ipam->changes : &ipam->failed_changes, 1);
	meter_change(ipam, c, error);
	if (c->done != NULL)
		c->done(c->arg, error, error == 0 && c->has_object ? &c->object : NULL);
	change_free(c);
}

void change_submit(struct ipam *ipam, struct change *c)
{
	bool lazy = c->type->lazy;
	ipam_done *done = c->done;
	void *arg = c->arg;
	int rc;

	if (ipam->options.read_only) {
		change_finish(ipam, c, -EROFS);
		return;
	}
	if (ipam->remote != NULL && c->type->share != NULL && !c->mirrored) {
		remote_ask(ipam->remote, c);
		return;
	}
	pthread_rwlock_wrlock(&ipam->lock);
	c->now = engine_now();
	rc = c->type->reserve(ipam, c);
	if (rc == 0) {
		c->queued = true;
		if (lazy)
			c->done = NULL; /* it may be gone once it is queued */
		commit_queue(ipam, c);
	} else if (rc == CHANGE_DEFER) {
		c->next = NULL;
		*ipam->deferred_tail = c;
		ipam->deferred_tail = &c->next;
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (rc == 0 && lazy) {
		commit_behind(ipam);
		done(arg, 0, NULL);
	} else if (rc == 0) {
		commit_lead(ipam);
	} else if (rc != CHANGE_DEFER) {
		change_finish(ipam, c, rc < 0 ? rc : 0);
	}
}

/* ---- shared by the types ---------------------------------------------------------------------------------- */

struct ipam_owner owner_in(const struct ipam_attr *directory, struct ipam_owner owner, bool makes_directory)
{
	if (directory->mode & S_ISGID) {
		owner.gid = directory->gid;
		owner.mode |= makes_directory ? S_ISGID : 0;
	}
	return owner;
}

struct ipam_attr attr_of(const struct ipam_owner *owner, int64_t now)
{
	return (struct ipam_attr){
		.uid = owner->uid,
		.gid = owner->gid,
		.mode = owner->mode & 07777,
		.atime = now,
		.mtime = now,
		.ctime = now,
		.btime = now,
	};
}

void touch_attr(struct ipam_attr *a, int64_t now)
{
	a->mtime = a->ctime = now;
}

int may_change(const struct change *c, const struct node *n)
{
	if (n == NULL || n->pending)
		return -ENOENT;
	return c->mirrored ? 0 : node_writable(n);
}

int may_lease(const struct change *c, const struct node *n)
{
	int rc = may_change(c, n);

	if (rc < 0)
		return rc;
	/* The engine answers soon, and then all that waits is tried again. */
	if (n->asking || (n->held == NODE_HELD_HERE && n->cluster->registry->standing == OWN_ASKED))
		return CHANGE_DEFER;
	return node_leasable(n);
}

bool enter_node(const struct ipam *ipam, struct change *c, struct node *n)
{
	if (!gate_shared(ipam, &n->cluster->gate))
		return false;
	if (!gate_shared(ipam, &n->gate)) {
		gate_leave_shared(&n->cluster->gate);
		return false;
	}
	c->node = n;
	c->cluster = n->cluster;
	return true;
}

void leave_node(struct change *c)
{
	gate_leave_shared(&c->node->gate);
	gate_leave_shared(&c->cluster->gate);
}

int enter_node_exclusive(const struct ipam *ipam, struct change *c, struct node *n)
{
	if (!gate_shared(ipam, &n->cluster->gate))
		return CHANGE_DEFER;
	if (!gate_exclusive(ipam, &n->gate)) {
		gate_leave_shared(&n->cluster->gate);
		return CHANGE_DEFER;
	}
	c->node = n;
	c->cluster = n->cluster;
	return 0;
}

void leave_node_exclusive(struct change *c)
{
	gate_leave_exclusive(&c->node->gate);
	gate_leave_shared(&c->cluster->gate);
}

int node_exclude(struct node *n, const struct ipam_reserved *range, size_t ranges, bool gateway)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n->blocks; i++)
		rc = block_exclude(n->block[i], gateway, range, ranges);
	return rc;
}

void object_of_cluster(const struct cluster *c, struct ipam_object *out)
{
	*out = (struct ipam_object){
		.kind = IPAM_CLUSTER,
		.id = c->id,
		.parent = IPAM_ROOT_ID,
		.attr = c->attr,
		.children = c->nodes,
	};
}

void object_of_node(const struct node *n, struct ipam_object *out)
{
	*out = (struct ipam_object){
		.kind = IPAM_NODE,
		.id = n->id,
		.parent = n->cluster->id,
		.attr = n->attr,
		.children = n->leases,
	};
}

void object_of_lease(const struct registry *r, const struct lease *l, struct ipam_object *out)
{
	char text[IPAM_LEASE_TEXT];

	*out = (struct ipam_object){
		.kind = IPAM_LEASE,
		.id = l->id,
		.parent = lease_node(r, l)->id,
		.attr = {
			.uid = l->uid,
			.gid = l->gid,
			.mode = l->mode,
			.atime = l->atime,
			.mtime = l->mtime,
			.ctime = l->ctime,
			.btime = l->btime,
		},
		.size = (uint32_t)lease_text(r, l, text),
		.ephemeral = l->ephemeral,
		.dropped = l->dropped,
	};
}

size_t lease_text(const struct registry *r, const struct lease *l, char out[IPAM_LEASE_TEXT])
{
	size_t n = 0;

	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		const struct block *b;
		struct cidr c;

		if (!lease_has(l, f))
			continue;
		b = node_block_of(lease_node(r, l), f, lease_addr(l, f));
		/* Not a prefix in the strict sense: the host's address, with the length of its network. */
		c = (struct cidr){ lease_addr(l, f), (uint8_t)f, b != NULL ? b->pool.prefix.len : (uint8_t)cidr_bits(f) };
		n += cidr_print(&c, out + n);
		out[n++] = '\n';
	}
	out[n] = 0;
	return n;
}
