/* What the making of nodes asks of the engine: their records, and blocks that nobody has. */
#include "shared/request_make.h"

#include "engine/change.h"
#include "engine/engine.h"
#include "registry/block.h"
#include "registry/registry.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/request.h"
#include "text/text_node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block of each family that the cluster has, both or none. */
static int free_blocks(struct ask *a, const struct cluster *cluster, struct record *r)
{
	uint8_t family[CIDR_FAMILIES];
	unsigned families = cluster_families(cluster, family);
	int rc = families == 0 ? -ENOSPC : 0;

	for (unsigned i = 0; rc == 0 && i < families; i++) {
		struct cidr cidr;

		rc = ask_choose(a, cluster, family[i], r->name, r->labels, &cidr);
		if (rc == 0)
			rc = ask_take_block(a, r, &cidr);
	}
	return rc;
}

/* These were wanted first. */
static int these_blocks(struct ask *a, struct record *r, const struct cidr *cidr, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = ask_take_block(a, r, &cidr[i]);
	return rc;
}

static int make(struct ask *a, const struct cluster *cluster, const struct ipam_attr *attr, const struct text_node *node, uint64_t id)
{
	struct record r = { .kind = IPAM_NODE,
			    .id = id,
			    .cluster = cluster->shared,
			    .uid = attr->uid,
			    .gid = attr->gid,
			    .mode = attr->mode,
			    .made = attr->btime };
	char key[RECORD_KEY];
	int rc;

	snprintf(r.name, sizeof r.name, "%s", node->name);
	if (ask_is_own(a, r.name))
		memcpy(r.machine, a->remote->machine, sizeof r.machine);
	r.cidrs = strdup("");
	r.settings = strdup("");
	r.labels = strdup(node->labels == NULL ? "" : node->labels);
	rc = r.cidrs == NULL || r.settings == NULL || r.labels == NULL ? -ENOMEM : 0;
	if (rc == 0) {
		ask_if_absent(a, key, record_key_node(a->remote->prefix, r.cluster, r.name, key));
		rc = node->cidrs > 0 ? these_blocks(a, &r, node->cidr, node->cidrs) : free_blocks(a, cluster, &r);
	}
	if (rc == 0)
		ask_put(a, &r);
	record_free(&r);
	return rc;
}

static int make_all(struct ipam *ipam, const struct change *c, struct ask *a, uint64_t cluster_id, const struct text_node *list, size_t n)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, cluster_id);
	const struct node *made;
	struct ipam_owner owner;
	struct ipam_attr attr;
	uint64_t id;
	int rc;

	if (cluster == NULL || cluster->pending || cluster->shared == 0)
		return -ENOENT;
	owner = owner_in(&cluster->attr, c->owner, true);
	attr = attr_of(&owner, engine_now());
	rc = ask_new_id(a, c, 0, &a->shared);
	if (rc < 0)
		return rc;
	made = registry_node_shared(&ipam->registry, a->shared); /* all of them were made at once */
	if (made != NULL) {
		a->since = made->revision;
		return CHANGE_DONE;
	}
	for (size_t i = 0; i < n; i++)
		if (registry_node_named(&ipam->registry, cluster, list[i].name) != NULL)
			return -EEXIST;
	ask_if_cluster(a, cluster); /* its CIDRs and what is reserved are as we know them */
	/* Those that are named first, so that none of them is chosen for another node. */
	for (size_t i = 0; rc == 0 && i < n; i++)
		for (size_t k = 0; rc == 0 && k < list[i].cidrs; k++)
			rc = ask_want(a, cluster, &list[i].cidr[k]);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		id = a->shared;
		if (i > 0)
			rc = ask_new_id(a, c, i, &id);
		if (rc == 0)
			rc = make(a, cluster, &attr, &list[i], id);
	}
	return rc;
}

int share_node_make(struct ipam *ipam, const struct change *c, struct ask *a)
{
	int rc = ipam_check_name(IPAM_NODE, c->name);

	return rc < 0 ? rc : make_all(ipam, c, a, c->parent, &(struct text_node){ .name = c->name }, 1);
}

int share_delegate(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct text_node *list = NULL;
	size_t n = 0;
	int rc = text_nodes(c->text, c->size, &list, &n);

	if (rc == 0)
		rc = make_all(ipam, c, a, c->id, list, n);
	text_nodes_free(list, n);
	return rc;
}
