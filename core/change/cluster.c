#include "change/cluster.h"

#include "engine/engine.h"
#include "engine/history.h"
#include "registry/block.h"
#include "registry/registry.h"
#include "shared/request_cluster.h"
#include "text/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- make, remove, rename --------------------------------------------------------------------------------- */

static int make_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster;
	int rc = ipam_check_name(IPAM_CLUSTER, c->name);

	if (rc < 0)
		return rc;
	cluster = registry_cluster_named(&ipam->registry, c->name);
	if (cluster != NULL)
		return cluster->pending || cluster->gate.exclusive ? CHANGE_DEFER : -EEXIST;
	if (!gate_shared(ipam, &ipam->root_gate))
		return CHANGE_DEFER;
	rc = registry_add_cluster(&ipam->registry, engine_id(ipam), c->name, &c->cluster);
	if (rc < 0) {
		gate_leave_shared(&ipam->root_gate);
		return rc;
	}
	c->cluster->pending = true;
	c->cluster->attr = c->attr = attr_of(&c->owner, c->now);
	c->id = c->cluster->id;
	return 0;
}

static int make_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_add_cluster(ipam->store, c->id, c->name, &c->attr);

	return rc < 0 ? rc : history_add_cluster(ipam, c, "cluster-add");
}

static void make_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_shared(&ipam->root_gate);
	if (c->error < 0) {
		registry_remove_cluster(&ipam->registry, c->cluster);
		return;
	}
	c->cluster->pending = false;
	object_of_cluster(c->cluster, &c->object);
	c->object.created = c->has_object = true;
}

const struct change_type change_cluster_make = { .share = share_cluster_make,
						 .reserve = make_reserve,
						 .apply = make_apply,
						 .settle = make_settle,
						 .several = true,
						 .yields = true,
						 .delegation = true };

/* The cluster of c->name, for an exclusive change of it. */
static int enter_named(struct ipam *ipam, struct change *c, bool want_empty)
{
	struct cluster *cluster = registry_cluster_named(&ipam->registry, c->name);

	if (cluster == NULL || cluster->pending)
		return -ENOENT;
	for (const struct node *n = cluster->first; want_empty && n != NULL; n = n->next)
		if (!n->pending && !n->gate.exclusive)
			return -ENOTEMPTY;
	if (!gate_exclusive(ipam, &cluster->gate))
		return CHANGE_DEFER;
	c->cluster = cluster;
	c->id = cluster->id;
	return 0;
}

static int remove_reserve(struct ipam *ipam, struct change *c)
{
	int rc;

	if (!gate_shared(ipam, &ipam->root_gate))
		return CHANGE_DEFER;
	rc = enter_named(ipam, c, true);
	if (rc == 0 && c->cluster->nodes > 0) {
		gate_leave_exclusive(&c->cluster->gate);
		rc = -ENOTEMPTY;
	}
	if (rc != 0)
		gate_leave_shared(&ipam->root_gate);
	return rc;
}

static int remove_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_delete_settings(ipam->store, c->id);

	if (rc == 0)
		rc = store_delete_cluster(ipam->store, c->id);
	return rc < 0 ? rc : history_add_cluster(ipam, c, "cluster-remove");
}

static void remove_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_shared(&ipam->root_gate);
	gate_leave_exclusive(&c->cluster->gate);
	if (c->error == 0) {
		registry_remove_cluster(&ipam->registry, c->cluster);
		ipam->clusters_changed = c->now;
	}
}

const struct change_type change_cluster_remove = { .share = share_cluster_remove,
						   .reserve = remove_reserve,
						   .apply = remove_apply,
						   .settle = remove_settle,
						   .several = true,
						   .delegation = true };

static int rename_reserve(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster, *target;
	int rc = ipam_check_name(IPAM_CLUSTER, c->new_name);

	if (rc < 0)
		return rc;
	/* No cluster comes or goes meanwhile, so the new name stays free. */
	if (!gate_exclusive(ipam, &ipam->root_gate))
		return CHANGE_DEFER;
	cluster = registry_cluster_named(&ipam->registry, c->name);
	target = registry_cluster_named(&ipam->registry, c->new_name);
	if (cluster == NULL)
		rc = -ENOENT;
	else if (target == cluster)
		rc = CHANGE_DONE;
	else if (target != NULL)
		rc = -EEXIST;
	if (rc != 0) {
		gate_leave_exclusive(&ipam->root_gate);
		return rc;
	}
	c->cluster = cluster;
	c->id = cluster->id;
	return 0;
}

static int rename_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_rename_cluster(ipam->store, c->id, c->new_name);

	return rc < 0 ? rc :
			history_add(ipam, c,
				    &(struct history_event){
					    .event = "cluster-rename", .cluster = c->cluster, .renamed = c->new_name, .from = c->name });
}

static void rename_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_exclusive(&ipam->root_gate);
	if (c->error == 0) {
		engine_must(ipam, registry_rename_cluster(&ipam->registry, c->cluster, c->new_name), "rename");
		ipam->clusters_changed = c->now;
	}
}

const struct change_type change_cluster_rename = { .share = share_cluster_rename,
						   .reserve = rename_reserve,
						   .apply = rename_apply,
						   .settle = rename_settle,
						   .several = true,
						   .delegation = true };

/* ---- cidrs ------------------------------------------------------------------------------------------------ */

int enter_cluster_exclusive(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->id);

	if (cluster == NULL || cluster->pending)
		return -ENOENT;
	if (!gate_exclusive(ipam, &cluster->gate))
		return CHANGE_DEFER;
	c->cluster = cluster;
	return 0;
}

static struct cluster_cidr *same(const struct cluster *cluster, const struct text_cidr *line)
{
	for (size_t i = 0; i < cluster->cidrs; i++)
		if (cidr_compare(&cluster->cidr[i]->cidr, &line->cidr) == 0 && cluster->cidr[i]->node_mask == line->node_mask)
			return cluster->cidr[i];
	return NULL;
}

static bool keeps(const struct change *c, const struct cluster_cidr *cc)
{
	for (size_t i = 0; i < c->cidrs; i++)
		if (c->cidr[i] == cc)
			return true;
	return false;
}

/* Of the new list, what the cluster hasn't already; the others belong to it. */
static void drop_fresh(struct change *c)
{
	for (size_t i = 0; i < c->cidrs; i++) {
		bool old = false;

		for (size_t k = 0; k < c->cluster->cidrs; k++)
			old |= c->cluster->cidr[k] == c->cidr[i];
		if (!old)
			cluster_cidr_free(c->cidr[i]);
	}
	c->cidrs = 0;
}

static int add_selector(struct change *c, const char *selector)
{
	char **at = &c->selector[c->selectors++];

	*at = selector == NULL ? NULL : strdup(selector);
	return selector != NULL && *at == NULL ? -ENOMEM : 0;
}

/* Fill c->cidr from the lines: the cluster's own objects where they stay. */
static int list_cidrs(struct change *c, const struct text_cidr *line, size_t lines)
{
	struct cluster *cluster = c->cluster;
	size_t old = c->append ? cluster->cidrs : 0;
	int rc = 0;

	c->cidr = calloc(old + lines + 1, sizeof *c->cidr);
	c->selector = calloc(old + lines + 1, sizeof *c->selector);
	if (c->cidr == NULL || c->selector == NULL)
		return -ENOMEM;
	for (; rc == 0 && c->cidrs < old; c->cidrs++) {
		c->cidr[c->cidrs] = cluster->cidr[c->cidrs];
		rc = add_selector(c, cluster->cidr[c->cidrs]->selector);
	}
	for (size_t i = 0; rc == 0 && i < lines; i++) {
		struct cluster_cidr *cc = c->append ? NULL : same(cluster, &line[i]);

		for (size_t k = 0; k < old && rc == 0; k++)
			if (cidr_overlap(&c->cidr[k]->cidr, &line[i].cidr))
				rc = -EEXIST;
		if (rc == 0 && cc == NULL) {
			rc = cluster_cidr_new(&line[i].cidr, line[i].node_mask, &cc);
			if (rc == 0)
				rc = cluster_cidr_exclude(cc, cluster->reserved, cluster->reserveds);
			if (rc < 0)
				cluster_cidr_free(cc);
		}
		if (rc == 0) {
			c->cidr[c->cidrs++] = cc;
			rc = add_selector(c, line[i].selector);
		}
	}
	for (size_t i = 0; rc == 0 && i < cluster->cidrs; i++)
		if (!keeps(c, cluster->cidr[i]) && cluster->cidr[i]->pool.used > 0)
			rc = -EBUSY;
	return rc;
}

static int cidrs_reserve(struct ipam *ipam, struct change *c)
{
	struct text_cidr *line;
	size_t lines;
	int rc = text_cidrs(c->text, c->size, &line, &lines);

	if (rc < 0)
		return rc;
	rc = enter_cluster_exclusive(ipam, c);
	if (rc == 0) {
		rc = list_cidrs(c, line, lines);
		if (rc < 0) {
			drop_fresh(c);
			gate_leave_exclusive(&c->cluster->gate);
		}
	}
	text_cidrs_free(line, lines);
	return rc;
}

static int cidrs_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_delete_cidrs(ipam->store, c->id);
	json_t *list = json_array();

	for (size_t i = 0; rc == 0 && i < c->cidrs; i++) {
		char text[CIDR_TEXT];

		cidr_print(&c->cidr[i]->cidr, text);
		json_array_append_new(list,
				      json_sprintf("%s %u%s%s", text, c->cidr[i]->node_mask, c->selector[i] != NULL ? " selector=" : "",
						   c->selector[i] != NULL ? c->selector[i] : ""));
		rc = store_add_cidr(ipam->store, c->id, i, &c->cidr[i]->cidr, c->cidr[i]->node_mask, c->selector[i]);
	}
	return history_add_list(ipam, c, "cidrs", rc, list);
}

static void cidrs_settle(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = c->cluster;
	struct cluster_cidr **old = cluster->cidr;
	size_t olds = cluster->cidrs;

	(void)ipam;
	gate_leave_exclusive(&cluster->gate);
	if (c->error < 0) {
		drop_fresh(c);
		return;
	}
	for (size_t i = 0; i < olds; i++)
		if (!keeps(c, old[i]))
			cluster_cidr_free(old[i]);
	free(old);
	cluster->cidr = c->cidr;
	cluster->cidrs = c->cidrs;
	c->cidr = NULL;
	for (size_t i = 0; i < cluster->cidrs; i++) {
		free(cluster->cidr[i]->selector);
		cluster->cidr[i]->selector = c->selector[i];
		c->selector[i] = NULL;
	}
	cluster_order_cidrs(cluster);
	touch_attr(&cluster->attr, c->now);
}

const struct change_type change_cidrs = { .share = share_cluster_text,
					  .reserve = cidrs_reserve,
					  .apply = cidrs_apply,
					  .settle = cidrs_settle,
					  .several = true,
					  .delegation = true };

/* ---- reserved --------------------------------------------------------------------------------------------- */

int cluster_check_unused(const struct ipam *ipam, const struct cluster *cluster, const struct ipam_reserved *reserved)
{
	const struct cidr_range *range = &reserved->range;
	const struct registry *r = &ipam->registry;

	for (const struct node *n = cluster->first; n != NULL; n = n->next) {
		bool touched = false;

		for (uint32_t i = 0; i < n->blocks; i++) {
			struct cidr_range block = cidr_range_of(&n->block[i]->pool.prefix);

			if (!cidr_range_overlap(&block, range))
				continue;
			if (reserved->services || (range->first <= block.first && range->last >= block.last))
				return -EBUSY;
			touched = true;
		}
		for (uint32_t h = touched ? n->first : 0; h != 0; h = registry_lease(r, h)->next) {
			const struct lease *l = registry_lease(r, h);

			if (lease_has(l, range->family) && lease_addr(l, range->family) >= range->first &&
			    lease_addr(l, range->family) <= range->last)
				return -EBUSY;
		}
	}
	return 0;
}

static int reserved_reserve(struct ipam *ipam, struct change *c)
{
	struct ipam_reserved *line = NULL;
	size_t lines = 0, old;
	int rc = text_ranges(c->text, c->size, &line, &lines);

	if (rc < 0)
		return rc;
	rc = enter_cluster_exclusive(ipam, c);
	if (rc != 0)
		goto out;
	old = c->append ? c->cluster->reserveds : 0;
	c->range = calloc(old + lines + 1, sizeof *c->range);
	if (c->range == NULL)
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < old; i++)
		c->range[c->ranges++] = c->cluster->reserved[i];
	for (size_t i = 0; rc == 0 && i < lines; i++) {
		c->range[c->ranges++] = line[i];
		if (!c->mirrored)
			rc = cluster_check_unused(ipam, c->cluster, &line[i]);
	}
	if (rc < 0)
		gate_leave_exclusive(&c->cluster->gate);
out:
	free(line);
	return rc;
}

static int reserved_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_delete_reserved(ipam->store, c->id);
	json_t *list = json_array();

	for (size_t i = 0; rc == 0 && i < c->ranges; i++) {
		char text[TEXT_RESERVED];

		text_print_reserved(&c->range[i], text);
		json_array_append_new(list, json_string(text));
		rc = store_add_reserved(ipam->store, c->id, i, &c->range[i]);
	}
	return history_add_list(ipam, c, "reserved", rc, list);
}

static void reserved_settle(struct ipam *ipam, struct change *c)
{
	struct cluster *cluster = c->cluster;

	gate_leave_exclusive(&cluster->gate);
	if (c->error < 0)
		return;
	free(cluster->reserved);
	cluster->reserved = c->range;
	cluster->reserveds = c->ranges;
	c->range = NULL;
	touch_attr(&cluster->attr, c->now);
	for (size_t i = 0; i < cluster->cidrs; i++)
		engine_must(ipam, cluster_cidr_exclude(cluster->cidr[i], cluster->reserved, cluster->reserveds), "reserving");
	for (struct node *n = cluster->first; n != NULL; n = n->next)
		engine_must(ipam,
			    node_exclude(n, cluster->reserved, cluster->reserveds, node_setting(n, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST),
			    "reserving");
}

const struct change_type change_reserved = { .share = share_cluster_text,
					     .reserve = reserved_reserve,
					     .apply = reserved_apply,
					     .settle = reserved_settle,
					     .several = true,
					     .delegation = true };
