/* A node that is being made, as several kinds of change do: begin, its blocks, its rows, its end. */
#include "change/node_make.h"

#include "engine/authority.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "engine/history.h"
#include "registry/block.h"
#include "registry/registry.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int node_begin(struct ipam *ipam, const struct change *c, const char *name, const char *labels, struct node **out)
{
	char *copy = labels == NULL || labels[0] == 0 ? NULL : strdup(labels);
	int rc = labels != NULL && labels[0] != 0 && copy == NULL ? -ENOMEM : 0;
	/* What is mirrored has been decided where it was asked for. */
	struct ipam_owner owner = c->mirrored ? c->owner : owner_in(&c->cluster->attr, c->owner, true);

	if (rc == 0)
		rc = registry_add_node(&ipam->registry, c->cluster, engine_id(ipam), name, out);
	if (rc < 0) {
		free(copy);
		return rc;
	}
	(*out)->pending = true;
	(*out)->labels = copy;
	(*out)->attr = attr_of(&owner, c->now);
	return 0;
}

int node_take_free(struct ipam *ipam, struct node *n)
{
	uint8_t family[CIDR_FAMILIES];
	unsigned families = cluster_families(n->cluster, family);
	struct block *block;
	int rc = families == 0 ? -ENOSPC : 0;

	for (unsigned i = 0; rc == 0 && i < families; i++)
		rc = ipam->delegate->next(ipam, n, family[i], &block);
	return rc;
}

int node_take_these(struct ipam *ipam, struct node *n, const struct cidr *cidr, size_t count, size_t *refused)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct block *b;

		*refused = i;
		rc = ipam->delegate->this(ipam, n, &cidr[i], &b);
		if (rc == 0 && (rc = node_add_block(n, b)) < 0)
			ipam->delegate->back(ipam, b);
	}
	return rc;
}

void node_give_back(struct ipam *ipam, struct node *n)
{
	while (n->blocks > 0) {
		struct block *b = n->block[n->blocks - 1];

		node_take_block(n, b);
		ipam->delegate->back(ipam, b);
	}
}

int node_store(struct ipam *ipam, struct change *c, struct node *n, const char *reason)
{
	int rc = store_add_node(ipam->store, n->id, c->cluster->id, n->name, &n->attr);

	c->node = n;
	if (rc == 0 && n->labels != NULL)
		rc = store_put_labels(ipam->store, n->id, n->labels);
	for (uint32_t i = 0; rc == 0 && i < n->blocks; i++)
		rc = store_add_block(ipam->store, n->block[i]->id, c->cluster->id, n->id, &n->block[i]->pool.prefix);
	if (rc == 0)
		rc = history_add_node(ipam, c, "node-add");
	for (uint32_t i = 0; rc == 0 && i < n->blocks; i++)
		rc = history_add_block(ipam, c, "delegate", reason, n->block[i]);
	return rc;
}

void node_finish(struct change *c, struct node *n)
{
	n->pending = false;
	for (uint32_t i = 0; i < n->blocks; i++)
		n->block[i]->pending = false;
	touch_attr(&c->cluster->attr, c->now);
}

void node_unmake(struct ipam *ipam, struct node *n)
{
	node_give_back(ipam, n);
	registry_remove_node(&ipam->registry, n);
}
