#include "change/settings.h"

#include "change/cluster.h"
#include "engine/alarm.h"
#include "engine/cooldown.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/block.h"
#include "registry/registry.h"
#include "registry/registry_lease.h"
#include "shared/request_cluster.h"
#include "shared/request_node.h"
#include "text/text.h"

#include <errno.h>

/* A gateway's address that is leased can't become the gateway's again. */
static int node_gateways_free(const struct ipam *ipam, const struct node *n)
{
	for (uint32_t i = 0; i < n->blocks; i++) {
		const struct block *b = n->block[i];

		if (registry_holder(&ipam->registry, n->cluster, b->pool.prefix.family, block_gateway(b)) != 0)
			return -EBUSY;
	}
	return 0;
}

static void node_settings_changed(struct ipam *ipam, struct node *n)
{
	bool gateway = node_setting(n, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST;

	engine_must(ipam, node_exclude(n, n->cluster->reserved, n->cluster->reserveds, gateway), "settings");
	n->next_expiry = INT64_MAX;
	if (node_setting(n, IPAM_TTL) > 0 && n->leases > 0) {
		n->next_expiry = 0;
		timer_at(ipam, 0);
	}
}

static int settings_reserve(struct ipam *ipam, struct change *c)
{
	struct settings merged;
	int rc = text_settings(c->text, c->size, &c->settings);

	if (rc < 0)
		return rc;
	rc = enter_cluster_exclusive(ipam, c);
	if (rc != 0)
		return rc;
	merged = c->cluster->settings;
	settings_merge(&merged, &c->settings);
	for (const struct node *n = c->mirrored ? NULL : c->cluster->first; rc == 0 && n != NULL; n = n->next)
		if (settings_value(&n->settings, &merged, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST &&
		    node_setting(n, IPAM_GATEWAY) != SETTINGS_GATEWAY_FIRST)
			rc = node_gateways_free(ipam, n);
	if (rc == 0 && c->settings.set & 1u << IPAM_REUSE_DELAY)
		rc = rest_beyond(ipam, c->cluster, NULL, &merged, c->now, &c->shorter, &c->shorters);
	if (rc < 0)
		gate_leave_exclusive(&c->cluster->gate);
	return rc;
}

static int settings_apply(struct ipam *ipam, struct change *c)
{
	json_t *list = json_object();
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < IPAM_SETTINGS; i++) {
		char text[32];

		if (!(c->settings.set & 1u << i))
			continue;
		settings_print(i, c->settings.value[i], text);
		json_object_set_new(list, ipam_setting_name(i), json_string(text));
		rc = store_put_setting(ipam->store, c->id, i, c->settings.value[i]);
	}
	for (size_t i = 0; rc == 0 && i < c->shorters; i++)
		rc = store_shorten_rest(ipam->store, &c->shorter[i]);
	return history_add_list(ipam, c, "settings", rc, list);
}

static void settings_settle(struct ipam *ipam, struct change *c)
{
	gate_leave_exclusive(&c->cluster->gate);
	if (c->error < 0)
		return;
	settings_merge(&c->cluster->settings, &c->settings);
	touch_attr(&c->cluster->attr, c->now);
	for (struct node *n = c->cluster->first; n != NULL; n = n->next)
		node_settings_changed(ipam, n);
	rest_shorten(ipam, c->shorter, c->shorters, c->now);
}

const struct change_type change_cluster_settings = {
	.share = share_cluster_text, .reserve = settings_reserve, .apply = settings_apply, .settle = settings_settle, .several = true
};

/* A node's own: exclusive in the node, shared in the cluster. */
static int node_settings_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct settings merged;
	int rc = text_settings(c->text, c->size, &c->settings);

	if (rc == 0 && (n == NULL || n->pending))
		rc = -ENOENT;
	if (rc == 0)
		rc = enter_node_exclusive(ipam, c, n);
	if (rc != 0)
		return rc;
	merged = n->settings;
	settings_merge(&merged, &c->settings);
	if (!c->mirrored && settings_value(&merged, &n->cluster->settings, IPAM_GATEWAY) == SETTINGS_GATEWAY_FIRST &&
	    node_setting(n, IPAM_GATEWAY) != SETTINGS_GATEWAY_FIRST)
		rc = node_gateways_free(ipam, n);
	if (rc == 0 && c->settings.set & 1u << IPAM_REUSE_DELAY)
		rc = rest_beyond(ipam, n->cluster, n, &merged, c->now, &c->shorter, &c->shorters);
	if (rc < 0)
		leave_node_exclusive(c);
	return rc;
}

static void node_settings_settle(struct ipam *ipam, struct change *c)
{
	leave_node_exclusive(c);
	if (c->error < 0)
		return;
	settings_merge(&c->node->settings, &c->settings);
	touch_attr(&c->node->attr, c->now);
	node_settings_changed(ipam, c->node);
	rest_shorten(ipam, c->shorter, c->shorters, c->now);
}

const struct change_type change_node_settings = { .share = share_node_settings,
						  .reserve = node_settings_reserve,
						  .apply = settings_apply,
						  .settle = node_settings_settle,
						  .several = true };
