/* What changes of clusters ask of the engine. */
#include "shared/request_cluster.h"

#include "change/cluster.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "etcd/etcd.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "shared/record.h"
#include "shared/record_key.h"
#include "shared/request.h"
#include "text/settings.h"
#include "text/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int share_cluster_make(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct ipam_attr attr = attr_of(&c->owner, engine_now());
	struct record r = {
		.kind = IPAM_CLUSTER,
		.uid = attr.uid,
		.gid = attr.gid,
		.mode = attr.mode,
		.made = attr.btime,
		.cidrs = "",
		.reserved = "",
		.settings = "",
	};
	const struct cluster *made;
	char key[RECORD_KEY];
	int rc = ipam_check_name(IPAM_CLUSTER, c->name);

	if (rc == 0)
		rc = ask_new_id(a, c, 0, &r.id);
	if (rc < 0)
		return rc;
	a->shared = r.id;
	made = registry_cluster_shared(&ipam->registry, r.id);
	if (made != NULL) {
		a->since = made->revision;
		return CHANGE_DONE;
	}
	if (registry_cluster_named(&ipam->registry, c->name) != NULL)
		return -EEXIST;
	snprintf(r.name, sizeof r.name, "%s", c->name);
	ask_if_absent(a, key, record_key_cluster(a->remote->prefix, c->name, key));
	ask_put(a, &r);
	return 0;
}

/* By name; not one that is being made here only now. */
static int find(struct ipam *ipam, const char *name, struct cluster **out)
{
	*out = registry_cluster_named(&ipam->registry, name);
	return *out == NULL || (*out)->pending || (*out)->shared == 0 ? -ENOENT : 0;
}

int share_cluster_remove(struct ipam *ipam, const struct change *c, struct ask *a)
{
	char first[RECORD_KEY], end[RECORD_KEY + 1];
	struct cluster *cluster;
	int rc = find(ipam, c->name, &cluster);

	if (rc == -ENOENT && c->by.again)
		return CHANGE_DONE;
	if (rc < 0)
		return rc;
	if (cluster->nodes > 0)
		return -ENOTEMPTY;
	ask_if_cluster(a, cluster);
	/* Nobody has made a node meanwhile. */
	record_key_node(a->remote->prefix, cluster->shared, "", first);
	end[etcd_prefix_end((struct etcd_key){ first, strlen(first) }, end)] = 0;
	ask_if_none(a, first, end);
	ask_delete(a, first, record_key_cluster(a->remote->prefix, cluster->name, first));
	/* What still rests of its blocks rests no longer: there is nobody to whom they could be given. */
	ask_delete_all(a, "state/block", cluster->shared);
	return 0;
}

int share_cluster_rename(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = NULL;
	char key[RECORD_KEY];
	struct record r;
	int rc = ipam_check_name(IPAM_CLUSTER, c->new_name);

	if (rc == 0)
		rc = find(ipam, c->name, &cluster);
	if (rc == -ENOENT && c->by.again && find(ipam, c->new_name, &cluster) == 0) {
		a->since = cluster->revision;
		return CHANGE_DONE;
	}
	if (rc < 0)
		return rc;
	if (strcmp(c->name, c->new_name) == 0)
		return CHANGE_DONE;
	if (registry_cluster_named(&ipam->registry, c->new_name) != NULL)
		return -EEXIST;
	rc = record_of_cluster(cluster, &r);
	if (rc < 0)
		return rc;
	a->shared = cluster->shared;
	ask_if_cluster(a, cluster);
	ask_delete(a, key, record_key_cluster(a->remote->prefix, cluster->name, key));
	ask_if_absent(a, key, record_key_cluster(a->remote->prefix, c->new_name, key));
	snprintf(r.name, sizeof r.name, "%s", c->new_name);
	ask_put(a, &r);
	record_free(&r);
	return 0;
}

/* ---- what its files say ------------------------------------------------------------------------------------------- */

/* What the list will be: the lines that are there if these are to be added, and these. */
static int joined(const struct change *c, char **list)
{
	char *text = NULL;

	if (asprintf(&text, "%s%.*s\n", c->append ? *list : "", (int)c->size, c->text) < 0)
		return -ENOMEM;
	free(*list);
	*list = text;
	return 0;
}

/* A line that is there already, word for word. */
static bool has_line(const char *list, const char *line, size_t size)
{
	for (const char *end; *list != 0; list = end + 1) {
		end = strchrnul(list, '\n');
		if ((size_t)(end - list) == size && memcmp(list, line, size) == 0)
			return true;
		if (*end == 0)
			break;
	}
	return false;
}

/* What a request adds that is asked anew, and has been added. */
static bool has_all(const struct change *c, const char *list, const char *lines)
{
	if (!c->by.again || !c->append)
		return false;
	for (const char *end; *lines != 0; lines = end + 1) {
		end = strchrnul(lines, '\n');
		if (!has_line(list, lines, (size_t)(end - lines)))
			return false;
		if (*end == 0)
			break;
	}
	return true;
}

/* CIDRs that go must have no block, here and there. */
static int check_leaving(struct ask *a, const struct cluster *cluster, const struct text_cidr *line, size_t n)
{
	char first[RECORD_KEY], end[RECORD_KEY];

	for (size_t i = 0; i < cluster->cidrs; i++) {
		const struct cluster_cidr *cc = cluster->cidr[i];
		bool stays = false;

		for (size_t k = 0; k < n; k++)
			stays |= cidr_compare(&line[k].cidr, &cc->cidr) == 0 && line[k].node_mask == cc->node_mask;
		if (stays)
			continue;
		if (cc->pool.used > 0)
			return -EBUSY;
		record_key_blocks(a->remote->prefix, cluster->shared, &cc->cidr, first, end);
		ask_if_none(a, first, end);
	}
	return 0;
}

static int change_cidr_list(const struct change *c, struct ask *a, const struct cluster *cluster, struct record *r)
{
	struct text_cidr *line = NULL;
	size_t n = 0;
	int rc = text_cidrs(c->text, c->size, &line, &n); /* what is wrong with it by itself */
	char *added = rc == 0 ? record_cidrs(line, n) : NULL;

	if (rc == 0)
		rc = added == NULL ? -ENOMEM : has_all(c, r->cidrs, added) ? CHANGE_DONE : 0;
	free(added);
	text_cidrs_free(line, n);
	line = NULL;
	n = 0;
	if (rc == 0)
		rc = joined(c, &r->cidrs);
	if (rc == 0)
		rc = text_cidrs(r->cidrs, strlen(r->cidrs), &line, &n);
	if (rc == 0)
		rc = check_leaving(a, cluster, line, n);
	if (rc == 0) {
		free(r->cidrs);
		r->cidrs = record_cidrs(line, n);
		rc = r->cidrs == NULL ? -ENOMEM : 0;
	}
	text_cidrs_free(line, n);
	return rc;
}

/* The blocks that keep out of a range are nobody's there either. */
static void if_no_blocks(struct ask *a, const struct cluster *cluster, const struct ipam_reserved *range)
{
	for (size_t i = 0; i < cluster->cidrs; i++) {
		const struct cluster_cidr *cc = cluster->cidr[i];
		char from[RECORD_KEY], to[RECORD_KEY];
		struct pool_span span;
		struct cidr block;

		if (!cluster_cidr_span(cc, range, &span))
			continue;
		block = pool_cidr(&cc->pool, span.first);
		record_key_block(a->remote->prefix, cluster->shared, &block, from);
		block = pool_cidr(&cc->pool, span.last);
		record_key_block(a->remote->prefix, cluster->shared, &block, to);
		strcat(to, "~");
		ask_if_none(a, from, to);
	}
}

static int change_reserved_list(struct ipam *ipam, const struct change *c, struct ask *a, const struct cluster *cluster, struct record *r)
{
	struct ipam_reserved *line = NULL;
	char *added = NULL, *text = NULL;
	size_t n = 0;
	int rc = text_ranges(c->text, c->size, &line, &n);

	if (rc == 0) {
		added = record_ranges(line, n);
		rc = added == NULL ? -ENOMEM : has_all(c, r->reserved, added) ? CHANGE_DONE : 0;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = cluster_check_unused(ipam, cluster, &line[i]);
		if (rc == 0)
			if_no_blocks(a, cluster, &line[i]);
	}
	if (rc == 0 && asprintf(&text, "%s%s", c->append ? r->reserved : "", added) < 0)
		rc = -ENOMEM;
	if (rc == 0) {
		free(r->reserved);
		r->reserved = text;
	}
	free(added);
	free(line);
	return rc;
}

static int change_settings_list(const struct change *c, const struct settings *own, struct record *r)
{
	struct settings merged = *own, said;
	int rc = text_settings(c->text, c->size, &said);

	if (rc < 0)
		return rc;
	settings_merge(&merged, &said);
	free(r->settings);
	r->settings = record_settings(&merged);
	return r->settings == NULL ? -ENOMEM : 0;
}

int share_cluster_text(struct ipam *ipam, const struct change *c, struct ask *a)
{
	struct cluster *cluster = registry_cluster(&ipam->registry, c->id);
	struct record r;
	int rc;

	if (cluster == NULL || cluster->pending || cluster->shared == 0)
		return -ENOENT;
	rc = record_of_cluster(cluster, &r);
	if (rc < 0)
		return rc;
	a->shared = cluster->shared;
	a->since = cluster->revision;
	ask_if_cluster(a, cluster);
	if (c->what == IPAM_CLUSTER_CIDRS)
		rc = change_cidr_list(c, a, cluster, &r);
	else if (c->what == IPAM_CLUSTER_RESERVED)
		rc = change_reserved_list(ipam, c, a, cluster, &r);
	else
		rc = change_settings_list(c, &cluster->settings, &r);
	if (rc == 0)
		ask_put(a, &r);
	record_free(&r);
	return rc;
}
