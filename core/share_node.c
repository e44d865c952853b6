/* What changes of nodes ask of the engine. A block's key is there as long as a node has it, and is made only where there is
 * none: that is what keeps two machines from having one block, whoever races. */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put_block(struct ask *a, uint64_t cluster, const struct cidr *cidr, uint64_t node)
{
	ask_if_free(a, cluster, cidr);
	ask_put_block(a, &(struct record_block){ .cluster = cluster, .cidr = *cidr, .node = node });
}

static int add_line(struct record *r, const struct cidr *cidr)
{
	char text[CIDR_TEXT], *longer = NULL;

	cidr_print(cidr, text);
	if (asprintf(&longer, "%s%s\n", r->cidrs, text) < 0)
		return -ENOMEM;
	free(r->cidrs);
	r->cidrs = longer;
	return 0;
}

/* ---- make ------------------------------------------------------------------------------------------------------------ */

/* A block of each family that the cluster has, both or none. */
static int first_blocks(struct ask *a, const struct cluster *cluster, struct record *r)
{
	bool wanted[CIDR_FAMILIES] = { false };
	int rc = -ENOSPC;

	for (size_t i = 0; i < cluster->cidrs; i++)
		wanted[cluster->cidr[i]->cidr.family] = true;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
		struct cidr cidr;

		if (!wanted[f])
			continue;
		rc = ask_choose(a, cluster, f, r->name, &cidr);
		if (rc == 0)
			rc = add_line(r, &cidr);
		if (rc < 0)
			return rc;
		put_block(a, cluster->shared, &cidr, r->id);
	}
	return rc;
}

int share_node_make(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct ipam_attr attr = attr_of(&c->owner, engine_now());
	struct record r = { .kind = IPAM_NODE, .uid = attr.uid, .gid = attr.gid, .mode = attr.mode, .made = attr.btime };
	char key[RECORD_KEY];
	int rc = ipam_check_name(IPAM_NODE, c->name);

	if (rc < 0)
		return rc;
	if (cluster == NULL || cluster->pending || cluster->shared == 0)
		return -ENOENT;
	if (registry_node_named(&ipam->registry, cluster, c->name) != NULL)
		return -EEXIST;
	r.cluster = cluster->shared;
	r.cidrs = strdup("");
	r.settings = strdup("");
	snprintf(r.name, sizeof r.name, "%s", c->name);
	if (ask_is_own(a, c->name))
		memcpy(r.machine, a->remote->machine, sizeof r.machine);
	rc = r.cidrs == NULL || r.settings == NULL ? -ENOMEM : record_new_id(&r.id);
	if (rc == 0) {
		a->shared = r.id;
		ask_if_cluster(a, cluster); /* its CIDRs and what is reserved are as we know them */
		ask_if_absent(a, key, record_key_node(a->remote->prefix, r.cluster, r.name, key));
		rc = first_blocks(a, cluster, &r);
	}
	if (rc == 0)
		ask_put(a, &r);
	record_free(&r);
	return rc;
}

/* ---- of those that are there -------------------------------------------------------------------------------------------- */

/* Another machine's is its own affair. */
static int may_ask(const struct node *n)
{
	if (n == NULL || n->pending || n->shared == 0)
		return -ENOENT;
	if (n->held == NODE_HELD_THERE || n->doubt == NODE_ORPHANED || n->doubt == NODE_DOUBLED)
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
		return -ENOENT;
	if (n->held == NODE_HELD_HERE)
		return -EBUSY; /* it is here, and alive: rmdir */
	until = (int64_t)time(NULL) + (int64_t)node_setting(n, IPAM_BLOCK_QUARANTINE);
	ask_if_absent(a, key, record_key_of(a->remote->prefix, "alive", n->shared, key)); /* nobody takes a living node's blocks */
	ask_if_node(a, n);
	for (uint32_t i = 0; i < n->blocks; i++)
		ask_put_block(a, &(struct record_block){ .cluster = n->cluster->shared, .cidr = n->block[i]->pool.prefix,
							 .until = until });
	delete_all_of(a, n);
	return 0;
}

int share_node_rename(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->parent);
	struct node *n = cluster == NULL ? NULL : registry_node_named(&ipam->registry, cluster, c->name);
	char key[RECORD_KEY];
	struct record r;
	int rc = ipam_check_name(IPAM_NODE, c->new_name);

	if (rc == 0)
		rc = may_ask(n);
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

/* A block of the cluster's that nobody has. */
static int check_block(const struct node *n, const struct cidr *cidr)
{
	const struct cluster_cidr *from = cluster_cidr_of(n->cluster, cidr);
	u128 slot;

	if (from == NULL || from->node_mask != cidr->len || pool_slot(&from->pool, cidr->base, &slot) < 0 ||
	    pool_excluded(&from->pool, slot))
		return -EADDRNOTAVAIL;
	return pool_taken(&from->pool, slot) ? -EADDRINUSE : 0;
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
			rc = add_line(r, have);
			continue;
		}
		ask_delete(a, key, record_key_block(a->remote->prefix, cluster, have, key));
		if (n->held == NODE_HELD_HERE)
			a->withdraws = n->id;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (node_block(n, &list[i]) != NULL)
			continue;
		rc = check_block(n, &list[i]);
		if (rc == 0)
			rc = add_line(r, &list[i]);
		if (rc == 0)
			put_block(a, cluster, &list[i], n->shared);
	}
	return rc;
}

int share_node_cidrs(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	struct record r = { 0 };
	struct cidr *list = NULL;
	size_t count;
	int rc = text_blocks(c->text, c->size, &list, &count);

	if (rc == 0)
		rc = may_ask(n);
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
		rc = ask_choose(a, n->cluster, c->which, n->name, &cidr);
	if (rc == 0)
		rc = add_line(&r, &cidr);
	if (rc == 0) {
		a->shared = n->shared;
		ask_machine(a, n, &r);
		ask_if_node(a, n);
		ask_if_cluster(a, n->cluster);
		put_block(a, n->cluster->shared, &cidr, n->shared);
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
