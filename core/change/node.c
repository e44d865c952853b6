#include "change/node.h"

#include "change/node_make.h"
#include "engine/authority.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "shared/request_make.h"
#include "shared/request_node.h"
#include "text/text.h"

#include <errno.h>
#include <stdlib.h>

/* ---- make ------------------------------------------------------------------------------------------------- */

static int make_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *held;
	int rc = ipam_check_name(IPAM_NODE, c->name);

	if (rc < 0)
		return rc;
	if (cluster == NULL || cluster->pending)
		return -ENOENT;
	held = registry_node_named(&ipam->registry, cluster, c->name);
	if (held != NULL)
		return held->pending || held->gate.exclusive ? CHANGE_DEFER : -EEXIST;
	if (!gate_shared(ipam, &cluster->gate))
		return CHANGE_DEFER;
	c->cluster = cluster;
	rc = node_begin(ipam, c, c->name, NULL, &c->node);
	if (rc == 0) {
		rc = node_take_free(ipam, c->node);
		if (rc < 0)
			node_unmake(ipam, c->node);
	}
	if (rc < 0)
		gate_leave_shared(&cluster->gate);
	return rc;
}

static int make_apply(struct ipam *ipam, struct change *c)
{
	return node_store(ipam, c, c->node, NULL);
}

static void make_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_shared(&c->cluster->gate);
	if (c->error < 0) {
		node_unmake(ipam, c->node);
		return;
	}
	node_finish(c, c->node);
	object_of_node(c->node, &c->object);
	c->object.created = c->has_object = true;
}

const struct change_type change_node_make = { .share = share_node_make,
					      .reserve = make_reserve,
					      .apply = make_apply,
					      .settle = make_settle,
					      .several = true,
					      .delegation = true,
					      .yields = true };

/* ---- remove ----------------------------------------------------------------------------------------------- */

static int remove_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *n = cluster == NULL ? NULL : registry_node_named(&ipam->registry, cluster, c->name);
	int rc;

	if (n == NULL || n->pending)
		return -ENOENT;
	/* Leases in flight are waited for; one that stands decides at once. */
	for (uint32_t h = n->first; h != 0; h = registry_lease(&ipam->registry, h)->next)
		if (!registry_lease(&ipam->registry, h)->busy)
			return -ENOTEMPTY;
	rc = enter_node_exclusive(ipam, c, n);
	if (rc == 0 && n->leases > 0) {
		leave_node_exclusive(c);
		rc = -ENOTEMPTY;
	}
	c->id = n->id;
	return rc;
}

static int remove_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_delete_settings(ipam->store, c->id);

	for (uint32_t i = 0; rc == 0 && i < c->node->blocks; i++) {
		rc = store_delete_block(ipam->store, c->node->block[i]->id);
		if (rc == 0)
			rc = history_add_block(ipam, c, "withdraw", NULL, c->node->block[i]);
	}
	if (rc == 0)
		rc = store_delete_node(ipam->store, c->id);
	return rc < 0 ? rc : history_add_node(ipam, c, "node-remove");
}

static void remove_settle(struct ipam *ipam, struct change *c)
{
	leave_node_exclusive(c);
	if (c->error < 0)
		return;
	node_give_back(ipam, c->node);
	registry_remove_node(&ipam->registry, c->node);
	touch_attr(&c->cluster->attr, c->now);
}

const struct change_type change_node_remove = { .share = share_node_remove,
						.reserve = remove_reserve,
						.apply = remove_apply,
						.settle = remove_settle,
						.several = true,
						.delegation = true };

/* ---- rename ----------------------------------------------------------------------------------------------- */

static int rename_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *n, *target;
	int rc = ipam_check_name(IPAM_NODE, c->new_name);

	if (rc < 0)
		return rc;
	if (cluster == NULL || cluster->pending)
		return -ENOENT;
	if (c->new_parent != c->parent)
		return -EXDEV;
	/* No node comes or goes meanwhile, so the new name stays free. */
	if (!gate_exclusive(ipam, &cluster->gate))
		return CHANGE_DEFER;
	n = registry_node_named(&ipam->registry, cluster, c->name);
	target = registry_node_named(&ipam->registry, cluster, c->new_name);
	if (n == NULL)
		rc = -ENOENT;
	else if (n == target)
		rc = CHANGE_DONE;
	else if (target != NULL)
		rc = -EEXIST;
	if (rc != 0) {
		gate_leave_exclusive(&cluster->gate);
		return rc;
	}
	c->cluster = cluster;
	c->node = n;
	c->id = n->id;
	return 0;
}

static int rename_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_rename_node(ipam->store, c->id, c->new_name);

	return rc < 0 ? rc :
			history_add(ipam, c,
				    &(struct history_event){ .event = "node-rename",
							     .cluster = c->cluster,
							     .node = c->node,
							     .renamed = c->new_name,
							     .from = c->name });
}

static void rename_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_exclusive(&c->cluster->gate);
	if (c->error < 0)
		return;
	engine_must(ipam, registry_rename_node(&ipam->registry, c->node, c->new_name), "rename");
	touch_attr(&c->cluster->attr, c->now);
}

const struct change_type change_node_rename = { .share = share_node_rename,
						.reserve = rename_reserve,
						.apply = rename_apply,
						.settle = rename_settle,
						.several = true,
						.delegation = true };

/* ---- cidrs: delegate exactly these ------------------------------------------------------------------------- */

struct block *node_block(const struct node *n, const struct cidr *cidr)
{
	for (uint32_t i = 0; i < n->blocks; i++)
		if (cidr_compare(&n->block[i]->pool.prefix, cidr) == 0)
			return n->block[i];
	return NULL;
}

static bool lists(const struct change *c, const struct block *b)
{
	for (size_t i = 0; i < c->blocks; i++)
		if (c->block[i] == b)
			return true;
	return false;
}

int node_check_leases(const struct ipam *ipam, const struct node *n, const struct cidr *cidr, size_t count)
{
	for (uint32_t h = n->first; h != 0; h = registry_lease(&ipam->registry, h)->next) {
		const struct lease *l = registry_lease(&ipam->registry, h);

		for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
			bool inside = !lease_has(l, f);

			for (size_t i = 0; !inside && i < count; i++)
				inside = cidr_has(&cidr[i], f, lease_addr(l, f));
			if (!inside)
				return -EBUSY;
		}
	}
	return 0;
}

static int list_blocks(struct ipam *ipam, struct change *c, const struct cidr *cidr, size_t n)
{
	int rc = node_check_leases(ipam, c->node, cidr, n);

	c->block = calloc(n + 1, sizeof(struct block *));
	c->fresh = calloc(n + 1, sizeof(struct block *));
	c->gone = calloc(c->node->blocks + 1, sizeof(struct block *));
	if (rc == 0 && (c->block == NULL || c->fresh == NULL || c->gone == NULL))
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct block *b = node_block(c->node, &cidr[i]);

		if (b == NULL) {
			rc = ipam->delegate->this(ipam, c->node, &cidr[i], &b);
			if (rc == 0)
				c->fresh[c->freshes++] = b;
		}
		if (rc == 0)
			c->block[c->blocks++] = b;
	}
	for (uint32_t i = 0; rc == 0 && i < c->node->blocks; i++)
		if (!lists(c, c->node->block[i]))
			c->gone[c->gones++] = c->node->block[i];
	return rc;
}

static void drop_fresh(struct ipam *ipam, struct change *c)
{
	while (c->freshes > 0)
		ipam->delegate->back(ipam, c->fresh[--c->freshes]);
}

static int cidrs_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct cidr *cidr = NULL;
	size_t count = 0;
	int rc = c->mirrored && c->size == 0 ? 0 : text_blocks(c->text, c->size, &cidr, &count);

	if (rc < 0)
		return rc;
	if (n == NULL || n->pending)
		rc = -ENOENT;
	if (rc == 0)
		rc = enter_node_exclusive(ipam, c, n);
	if (rc == 0) {
		rc = list_blocks(ipam, c, cidr, count);
		if (rc < 0) {
			drop_fresh(ipam, c);
			leave_node_exclusive(c);
		}
	}
	free(cidr);
	return rc;
}

static int cidrs_apply(struct ipam *ipam, struct change *c)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->gones; i++) {
		rc = store_delete_block(ipam->store, c->gone[i]->id);
		if (rc == 0)
			rc = history_add_block(ipam, c, "withdraw", c->reason != NULL ? c->reason : "write", c->gone[i]);
	}
	for (size_t i = 0; rc == 0 && i < c->freshes; i++) {
		rc = store_add_block(ipam->store, c->fresh[i]->id, c->cluster->id, c->id, &c->fresh[i]->pool.prefix);
		if (rc == 0)
			rc = history_add_block(ipam, c, "delegate", "write", c->fresh[i]);
	}
	return rc;
}

static int by_id(const void *a, const void *b)
{
	const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void cidrs_settle(struct ipam *ipam, struct change *c)
{
	struct node *n = c->node;

	leave_node_exclusive(c);
	if (c->error < 0) {
		drop_fresh(ipam, c);
		return;
	}
	for (size_t i = 0; i < c->gones; i++)
		ipam->delegate->back(ipam, c->gone[i]);
	for (size_t i = 0; i < c->freshes; i++)
		c->fresh[i]->pending = false;
	free(n->block);
	n->block = c->block;
	n->blocks = (uint32_t)c->blocks;
	qsort(n->block, n->blocks, sizeof(struct block *), by_id); /* oldest first */
	c->block = NULL;
	touch_attr(&n->attr, c->now);
}

const struct change_type change_node_cidrs = { .share = share_node_cidrs,
					       .reserve = cidrs_reserve,
					       .apply = cidrs_apply,
					       .settle = cidrs_settle,
					       .several = true,
					       .delegation = true };

/* ---- one block less (c->text), which is empty still ------------------------------------------------------------------------- */

size_t node_blocks_but(const struct node *n, const char *text, size_t size, struct cidr **out)
{
	struct cidr gone;
	size_t kept = 0;

	*out = cidr_parse(text, size, &gone) < 0 ? NULL : calloc((size_t)n->blocks + 1, sizeof **out);
	for (uint32_t i = 0; *out != NULL && i < n->blocks; i++)
		if (cidr_compare(&n->block[i]->pool.prefix, &gone) != 0)
			(*out)[kept++] = n->block[i]->pool.prefix;
		else if (n->block[i]->pool.used > 0)
			return 0;
	return kept < n->blocks ? kept : 0;
}

static int shrink_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct cidr *cidr = NULL;
	size_t count;
	int rc = n == NULL || n->pending ? -ENOENT : enter_node_exclusive(ipam, c, n);

	if (rc != 0)
		return rc;
	count = node_blocks_but(n, c->text, c->size, &cidr);
	rc = count == 0 ? -EBUSY : list_blocks(ipam, c, cidr, count);
	if (rc < 0) {
		drop_fresh(ipam, c);
		leave_node_exclusive(c);
	}
	free(cidr);
	return rc;
}

const struct change_type change_shrink = {
	.share = share_shrink, .reserve = shrink_reserve, .apply = cidrs_apply, .settle = cidrs_settle, .several = true, .delegation = true
};
