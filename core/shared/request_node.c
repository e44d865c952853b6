/* What changes of nodes ask of the engine. A block's key is there as long as a node has it, and is made only where there is
 * none: that is what keeps two machines from having one block, whoever races. */
#include "shared/request_node.h"

#include "change/node.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "registry/registry.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/request.h"
#include "text/settings.h"
#include "text/text.h"
#include "text/text_node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- of those that are there -------------------------------------------------------------------------------------------- */

/* Another machine's is its own affair. */
static int may_ask(const struct node *n)
{
	if (n == NULL || n->pending || n->shared == 0)
		return -ENOENT;
	if (n->held == NODE_HELD_THERE || n->doubt == NODE_ORPHANED || n->doubt == NODE_DOUBLED ||
	    (n->held == NODE_HELD_HERE && n->cluster->registry->standing == OWN_DOUBLED))
		return -EROFS;
	return 0;
}

static void delete_all_of(struct ask *a, const struct node *n)
{
	char key[RECORD_KEY];

	ask_delete(a, key, record_key_node(a->remote->prefix, n->cluster->shared, n->name, key));
	ask_delete_all(a, "leases", n->shared);
	ask_delete(a, key, record_key_of(a->remote->prefix, "published", n->shared, key));
	ask_delete(a, key, record_key_of(a->remote->prefix, "alive", n->shared, key));
}

int share_node_remove(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *n = cluster == NULL ? NULL : registry_node_named(&ipam->registry, cluster, c->name);
	char key[RECORD_KEY];
	int rc = may_ask(n);

	if (rc == -ENOENT && c->by.again)
		return CHANGE_DONE;
	if (rc == 0 && n->leases > 0)
		rc = -ENOTEMPTY;
	if (rc < 0)
		return rc == -EROFS ? -EBUSY : rc;
	if (n->held == NODE_HELD_HERE)
		a->withdraws = n->id;
	ask_if_node(a, n);
	for (uint32_t i = 0; i < n->blocks; i++)
		ask_delete(a, key, record_key_block(a->remote->prefix, n->cluster->shared, &n->block[i]->pool.prefix, key));
	delete_all_of(a, n);
	return 0;
}

int share_force(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *n = cluster == NULL ? NULL : registry_node_named(&ipam->registry, cluster, c->name);
	char key[RECORD_KEY];
	int64_t until;

	if (n == NULL || n->pending || n->shared == 0)
		return c->by.again ? CHANGE_DONE : -ENOENT;
	if (n->held == NODE_HELD_HERE)
		return -EBUSY; /* it is here, and alive: rmdir */
	until = (int64_t)time(NULL) + (int64_t)node_setting(n, IPAM_BLOCK_QUARANTINE);
	ask_if_absent(a, key, record_key_of(a->remote->prefix, "alive", n->shared, key)); /* nobody takes a living node's blocks */
	ask_if_node(a, n);
	for (uint32_t i = 0; i < n->blocks; i++)
		ask_put_block(a, &(struct record_block){ .cluster = n->cluster->shared, .cidr = n->block[i]->pool.prefix, .until = until });
	delete_all_of(a, n);
	return 0;
}

int share_node_rename(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *n = cluster == NULL ? NULL : registry_node_named(&ipam->registry, cluster, c->name), *renamed;
	char key[RECORD_KEY];
	struct record r;
	int rc = ipam_check_name(IPAM_NODE, c->new_name);

	if (rc == 0)
		rc = may_ask(n);
	if (rc == -ENOENT && c->by.again && cluster != NULL && c->new_parent == c->parent) {
		renamed = registry_node_named(&ipam->registry, cluster, c->new_name);
		if (may_ask(renamed) == 0) {
			a->since = renamed->revision;
			return CHANGE_DONE;
		}
	}
	if (rc < 0)
		return rc;
	if (c->new_parent != c->parent)
		return -EXDEV;
	if (strcmp(c->name, c->new_name) == 0)
		return CHANGE_DONE;
	if (registry_node_named(&ipam->registry, cluster, c->new_name) != NULL)
		return -EEXIST;
	rc = record_of_node(n, &r);
	if (rc < 0)
		return rc;
	a->shared = n->shared;
	ask_machine(a, n, &r);
	ask_if_node(a, n);
	ask_delete(a, key, record_key_node(a->remote->prefix, cluster->shared, n->name, key));
	ask_if_absent(a, key, record_key_node(a->remote->prefix, cluster->shared, c->new_name, key));
	snprintf(r.name, sizeof r.name, "%s", c->new_name);
	ask_put(a, &r);
	record_free(&r);
	return 0;
}

static bool lists(const struct cidr *list, size_t n, const struct cidr *cidr)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_compare(&list[i], cidr) == 0)
			return true;
	return false;
}

static int exchange(struct ask *a, const struct node *n, const struct cidr *list, size_t count, struct record *r)
{
	uint64_t cluster = n->cluster->shared;
	char key[RECORD_KEY];
	int rc = 0;

	r->cidrs[0] = 0;
	/* The oldest first: what it keeps, then what is new. */
	for (uint32_t i = 0; rc == 0 && i < n->blocks; i++) {
		const struct cidr *have = &n->block[i]->pool.prefix;

		if (lists(list, count, have)) {
			rc = record_add_block(r, have);
			continue;
		}
		ask_delete(a, key, record_key_block(a->remote->prefix, cluster, have, key));
		if (n->held == NODE_HELD_HERE)
			a->withdraws = n->id;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (node_block(n, &list[i]) != NULL)
			continue;
		rc = ask_want(a, n->cluster, &list[i]);
		if (rc == 0)
			rc = ask_take_block(a, r, &list[i]);
	}
	return rc;
}

static int set_blocks(struct ipam *ipam, struct ask *a, struct node *n, const struct cidr *list, size_t count)
{
	struct record r = { 0 };
	int rc = may_ask(n);

	if (rc == 0)
		rc = node_check_leases(ipam, n, list, count);
	if (rc == 0)
		rc = record_of_node(n, &r);
	if (rc == 0) {
		a->shared = n->shared;
		ask_machine(a, n, &r);
		ask_if_node(a, n);
		ask_if_cluster(a, n->cluster);
		rc = exchange(a, n, list, count, &r);
	}
	if (rc == 0)
		ask_put(a, &r);
	record_free(&r);
	return rc;
}

int share_node_cidrs(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cidr *list = NULL;
	size_t count;
	int rc = text_blocks(c->text, c->size, &list, &count);

	if (rc == 0)
		rc = set_blocks(ipam, a, registry_node(&ipam->registry, c->id), list, count);
	free(list);
	return rc;
}

int share_shrink(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct cidr *list = NULL;
	size_t count;
	int rc = may_ask(n);

	if (rc < 0)
		return rc;
	count = node_blocks_but(n, c->text, c->size, &list);
	rc = count == 0 ? -EBUSY : set_blocks(ipam, a, n, list, count);
	free(list);
	return rc;
}

int share_node_settings(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct settings said, merged;
	struct record r;
	int rc = text_settings(c->text, c->size, &said);

	if (rc == 0)
		rc = may_ask(n);
	if (rc == 0)
		rc = record_of_node(n, &r);
	if (rc < 0)
		return rc;
	a->shared = n->shared;
	merged = n->settings;
	settings_merge(&merged, &said);
	free(r.settings);
	r.settings = record_settings(&merged);
	ask_machine(a, n, &r);
	ask_if_node(a, n);
	if (r.settings == NULL)
		rc = -ENOMEM;
	else
		ask_put(a, &r);
	record_free(&r);
	return rc;
}

int share_node_labels(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	char *labels = NULL;
	struct record r;
	int rc = may_ask(n);

	if (rc == 0)
		rc = text_labels(c->text, c->size, c->append ? n->labels : NULL, &labels);
	if (rc == 0)
		rc = record_of_node(n, &r);
	if (rc < 0) {
		free(labels);
		return rc;
	}
	free(r.labels);
	r.labels = labels;
	a->shared = n->shared;
	ask_machine(a, n, &r);
	ask_if_node(a, n);
	ask_put(a, &r);
	record_free(&r);
	return 0;
}

/* c->id, c->kind (a family). */
int share_grow(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct record r = { 0 };
	uint32_t have = 0;
	struct cidr cidr;
	int rc = may_ask(n);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < n->blocks; i++)
		have += n->block[i]->pool.prefix.family == c->which;
	if (have >= node_setting(n, IPAM_MAX_BLOCKS))
		return -ENOSPC;
	rc = record_of_node(n, &r);
	if (rc == 0)
		rc = ask_choose(a, n->cluster, c->which, n->name, n->labels, &cidr);
	if (rc == 0)
		rc = ask_take_block(a, &r, &cidr);
	if (rc == 0) {
		a->shared = n->shared;
		ask_machine(a, n, &r);
		ask_if_node(a, n);
		ask_if_cluster(a, n->cluster);
		ask_put(a, &r);
	}
	record_free(&r);
	return rc;
}

/* This machine takes the node that goes by its name: nobody else's, or its own, when it isn't known what became of blocks that
 * were given back. Then the record is written anew, so that a transaction that is late comes too late. */
int share_attach(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct record r;
	int rc = may_ask(n);

	if (rc == 0)
		rc = record_of_node(n, &r);
	if (rc < 0)
		return rc;
	a->shared = n->shared;
	memcpy(r.machine, a->remote->machine, sizeof r.machine);
	ask_if_node(a, n);
	ask_put(a, &r);
	record_free(&r);
	return 0;
}

/* ---- owner and mode: of clusters and nodes they are shared, times are not ------------------------------------------------------ */

int share_attr(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = c->kind == IPAM_CLUSTER ? registry_cluster(&ipam->registry, c->id) : NULL;
	struct node *n = c->kind == IPAM_NODE ? registry_node(&ipam->registry, c->id) : NULL;
	struct record r;
	int rc = 0;

	if (n != NULL)
		rc = may_ask(n);
	else if (cluster == NULL || cluster->pending || cluster->shared == 0)
		rc = -ENOENT;
	if (rc == 0)
		rc = n != NULL ? record_of_node(n, &r) : record_of_cluster(cluster, &r);
	if (rc < 0)
		return rc;
	a->shared = r.id;
	if (c->which & IPAM_SET_UID)
		r.uid = c->attr.uid;
	if (c->which & IPAM_SET_GID)
		r.gid = c->attr.gid;
	if (c->which & IPAM_SET_MODE)
		r.mode = c->attr.mode & 07777;
	if (n != NULL) {
		ask_machine(a, n, &r);
		ask_if_node(a, n);
	} else {
		ask_if_cluster(a, cluster);
	}
	ask_put(a, &r);
	record_free(&r);
	return 0;
}
