#include "shared/mirror.h"

#include "change/attr.h"
#include "change/cluster.h"
#include "change/labels.h"
#include "change/mirrored.h"
#include "change/node.h"
#include "change/settings.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "registry/registry.h"
#include "shared/publish_take.h"
#include "shared/record.h"
#include "shared/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* ---- local changes ------------------------------------------------------------------------------------------------ */

/* soft: what is another machine's. It is not synced: after a loss of power the engine tells it anew, and leases rest on own blocks
 * alone, whose sync brings all before them to the disk. */

static struct change *make(const struct change_type *type, const char *name, const char *new_name, const char *text)
{
	struct change *c = change_new(type, NULL, NULL);

	if (c != NULL && name != NULL)
		c = change_name(c, name);
	if (c != NULL && new_name != NULL)
		c = change_name(c, new_name);
	if (c != NULL && text != NULL)
		c = change_text(c, text, strlen(text));
	if (c != NULL) {
		c->mirrored = true;
		c->by.uid = IPAM_BY_NOBODY;
	}
	return c;
}

static int run(struct remote *r, struct change *c, bool soft)
{
	if (c == NULL)
		return -ENOMEM;
	c->soft = soft;
	return remote_run(r->ipam, c);
}

static int write_text(struct remote *r, const struct change_type *type, enum ipam_text what, uint64_t id, const char *text, bool soft)
{
	struct change *c = make(type, NULL, NULL, text);

	if (c != NULL) {
		c->what = what;
		c->id = id;
	}
	return run(r, c, soft);
}

static int rename_to(struct remote *r, const struct change_type *type, uint64_t parent, const char *from, const char *to, bool soft)
{
	struct change *c = make(type, from, to, NULL);

	if (c != NULL)
		c->parent = c->new_parent = parent;
	return run(r, c, soft);
}

static int set_attr(struct remote *r, enum ipam_kind kind, uint64_t id, const struct record *record, bool soft)
{
	struct change *c = make(&change_attr, NULL, NULL, NULL);

	if (c != NULL) {
		c->kind = kind;
		c->id = id;
		c->which = IPAM_SET_UID | IPAM_SET_GID | IPAM_SET_MODE;
		c->attr = (struct ipam_attr){ .uid = record->uid, .gid = record->gid, .mode = record->mode };
	}
	return run(r, c, soft);
}

static int mark(struct remote *r, const struct record *record, uint64_t id, enum ipam_held held, bool soft)
{
	struct change *c = make(&change_mark, NULL, NULL, NULL);

	if (c != NULL) {
		c->kind = record->kind;
		c->id = id;
		c->shared = record->id;
		c->revision = record->revision;
		c->held = (uint8_t)held;
	}
	return run(r, c, soft);
}

static void tell(struct remote *r, enum ipam_kind kind, uint64_t parent, uint64_t id, const char *name)
{
	const struct ipam_options *o = &r->ipam->options;

	if (o->changed != NULL)
		o->changed(o->arg, kind, parent, id, name);
}

/* ---- what is here of a record --------------------------------------------------------------------------------------- */

struct here {
	bool found;
	uint64_t id, parent;  /* ours */
	struct record record; /* as it is here */
	enum ipam_held held;
	enum node_doubt doubt;
	bool taken; /* its name is another's here, */
	char other[IPAM_NAME_MAX + 1];
	uint64_t other_id;
};

static int look_cluster(struct remote *r, const struct record *record, struct here *h)
{
	struct registry *reg = &r->ipam->registry;
	struct cluster *c = registry_cluster_shared(reg, record->id), *named = registry_cluster_named(reg, record->name);

	/* One that was begun to be mirrored, and is it no further. */
	if (c == NULL && named != NULL && named->shared == 0)
		c = named;
	h->parent = IPAM_ROOT_ID;
	h->taken = named != NULL && named != c;
	if (h->taken)
		snprintf(h->other, sizeof h->other, "%s", named->name);
	h->found = c != NULL;
	if (c == NULL)
		return 0;
	h->id = c->id;
	return record_of_cluster(c, &h->record);
}

static int look_node(struct remote *r, const struct record *record, struct here *h)
{
	struct registry *reg = &r->ipam->registry;
	struct cluster *c = registry_cluster_shared(reg, record->cluster);
	struct node *n = registry_node_shared(reg, record->id), *named;

	if (c == NULL)
		return -ENOENT;
	named = registry_node_named(reg, c, record->name);
	h->parent = c->id;
	h->taken = named != NULL && named != n;
	if (h->taken)
		snprintf(h->other, sizeof h->other, "%s", named->name);
	h->found = n != NULL;
	if (n == NULL)
		return 0;
	h->id = n->id;
	h->held = n->held;
	h->doubt = n->doubt;
	return record_of_node(n, &h->record);
}

static int look(struct remote *r, const struct record *record, struct here *h)
{
	int rc;

	*h = (struct here){ 0 };
	pthread_rwlock_rdlock(&r->ipam->lock);
	rc = record->kind == IPAM_CLUSTER ? look_cluster(r, record, h) : look_node(r, record, h);
	pthread_rwlock_unlock(&r->ipam->lock);
	return rc;
}

/* ---- clusters --------------------------------------------------------------------------------------------------------- */

/* The name is another's that has it no longer there: it goes out of the way, until its own record is read. */
static int make_way(struct remote *r, const struct record *record, const struct here *h)
{
	static const char aside[] = "renamed-";
	char name[sizeof aside + RECORD_MACHINE];
	uint64_t number;
	int rc = h->taken ? record_new_id(&number) : 0;

	if (rc < 0 || !h->taken)
		return rc;
	snprintf(name, sizeof name, "%s%016" PRIx64, aside, number);
	return rename_to(r, record->kind == IPAM_CLUSTER ? &change_cluster_rename : &change_node_rename, h->parent, h->other, name, false);
}

static int make_cluster(struct remote *r, const struct record *record, struct here *h)
{
	struct change *c = make(&change_cluster_make, record->name, NULL, NULL);
	int rc;

	if (c != NULL) {
		c->parent = IPAM_ROOT_ID;
		c->owner = (struct ipam_owner){ record->uid, record->gid, record->mode };
	}
	rc = run(r, c, false);
	if (rc < 0)
		return rc;
	rc = look(r, record, h);
	return rc == 0 && !h->found ? -ENOENT : rc;
}

static bool same_attr(const struct record *a, const struct record *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->mode == b->mode;
}

/* In an order in which each step is allowed: CIDRs that come and go don't mind what is reserved. */
static int update_cluster(struct remote *r, const struct record *record, const struct here *h)
{
	const struct record *now = &h->record;
	int rc = 0;

	if (strcmp(now->name, record->name) != 0)
		rc = rename_to(r, &change_cluster_rename, IPAM_ROOT_ID, now->name, record->name, false);
	if (rc == 0 && strcmp(now->cidrs, record->cidrs) != 0)
		rc = write_text(r, &change_cidrs, IPAM_CLUSTER_CIDRS, h->id, record->cidrs, false);
	if (rc == 0 && strcmp(now->reserved, record->reserved) != 0)
		rc = write_text(r, &change_reserved, IPAM_CLUSTER_RESERVED, h->id, record->reserved, false);
	if (rc == 0 && strcmp(now->settings, record->settings) != 0)
		rc = write_text(r, &change_cluster_settings, IPAM_CLUSTER_SETTINGS, h->id, record->settings, false);
	if (rc == 0 && !same_attr(now, record))
		rc = set_attr(r, IPAM_CLUSTER, h->id, record, false);
	return rc == 0 ? mark(r, record, h->id, NODE_HELD_HERE, false) : rc;
}

static int put_cluster(struct remote *r, const struct record *record, struct here *h)
{
	int rc = make_way(r, record, h);
	bool made = !h->found;

	if (rc == 0 && made)
		rc = make_cluster(r, record, h);
	if (rc == 0)
		rc = update_cluster(r, record, h);
	if (rc == 0)
		tell(r, IPAM_CLUSTER, IPAM_ROOT_ID, h->id, record->name);
	return rc;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------ */

static enum ipam_held held_by(const struct remote *r, const char *machine)
{
	return machine[0] == 0 ? NODE_HELD_NOT : strcmp(machine, r->machine) == 0 ? NODE_HELD_HERE : NODE_HELD_THERE;
}

/* Neither is the node this machine's, nor was it, nor becomes it. */
static bool is_others(const struct remote *r, const struct record *record, const struct here *h)
{
	return held_by(r, record->machine) != NODE_HELD_HERE && (!h->found || h->held != NODE_HELD_HERE);
}

static int make_node(struct remote *r, const struct record *record, struct here *h)
{
	struct change *c = make(&change_mirror_node, record->name, NULL, record->cidrs);
	bool soft = is_others(r, record, h);
	int rc;

	if (c != NULL) {
		c->parent = h->parent;
		c->owner = (struct ipam_owner){ record->uid, record->gid, record->mode };
		c->shared = record->id;
		c->revision = record->settings[0] == 0 ? record->revision : 0;
		c->held = (uint8_t)held_by(r, record->machine);
		c->labels = strdup(record->labels);
		if (c->labels == NULL) {
			change_finish(r->ipam, c, -ENOMEM);
			c = NULL;
		}
	}
	rc = run(r, c, soft);
	if (rc < 0 || record->settings[0] == 0)
		return rc;
	rc = look(r, record, h);
	if (rc == 0)
		rc = write_text(r, &change_node_settings, IPAM_NODE_SETTINGS, h->id, record->settings, soft);
	return rc == 0 ? mark(r, record, h->id, held_by(r, record->machine), soft) : rc;
}

/* The lines of one list that the other has, too. The caller's to free. */
static char *lines_in_both(const char *a, const char *b)
{
	char *both = malloc(strlen(a) + 1), *out = both;

	for (size_t n; both != NULL && *a != 0; a += n) {
		n = strcspn(a, "\n") + 1;
		for (const char *p = b; *p != 0; p += strcspn(p, "\n") + 1)
			if (strncmp(p, a, n) == 0) {
				memcpy(out, a, n);
				out += n;
				break;
			}
	}
	if (both != NULL)
		*out = 0;
	return both;
}

static int write_blocks(struct remote *r, const struct record *record, const struct here *h, bool narrow)
{
	char *both = narrow ? lines_in_both(h->record.cidrs, record->cidrs) : NULL;
	const char *blocks = narrow ? both : record->cidrs;
	int rc = narrow && both == NULL ? -ENOMEM : 0;

	/* A node without any has an empty list; the parser of what users write would refuse that. */
	if (rc == 0 && strcmp(h->record.cidrs, blocks) != 0) {
		publish_forget(r, record->id, blocks);
		rc = write_text(r, &change_node_cidrs, IPAM_NODE_CIDRS, h->id, blocks, is_others(r, record, h));
	}
	free(both);
	return rc;
}

static int update_node(struct remote *r, const struct record *record, const struct here *h, bool narrow)
{
	const struct record *now = &h->record;
	bool soft = is_others(r, record, h);
	int rc = 0;

	if (!narrow && strcmp(now->name, record->name) != 0)
		rc = rename_to(r, &change_node_rename, h->parent, now->name, record->name, soft);
	/* Before the blocks that came by them. */
	if (rc == 0 && !narrow && strcmp(now->labels, record->labels) != 0)
		rc = write_text(r, &change_node_labels, IPAM_NODE_LABELS, h->id, record->labels, soft);
	if (rc == 0)
		rc = write_blocks(r, record, h, narrow);
	if (rc < 0 || narrow)
		return rc;
	if (strcmp(now->settings, record->settings) != 0)
		rc = write_text(r, &change_node_settings, IPAM_NODE_SETTINGS, h->id, record->settings, soft);
	if (rc == 0 && !same_attr(now, record))
		rc = set_attr(r, IPAM_NODE, h->id, record, soft);
	return rc == 0 ? mark(r, record, h->id, held_by(r, record->machine), soft) : rc;
}

static int put_node(struct remote *r, const struct record *record, struct here *h, bool narrow)
{
	int rc = narrow ? 0 : make_way(r, record, h);

	if (rc == 0 && h->found)
		rc = update_node(r, record, h, narrow);
	else if (rc == 0 && !narrow)
		rc = make_node(r, record, h);
	if (rc == 0 && !narrow)
		tell(r, IPAM_NODE, h->parent, h->id, record->name);
	return rc;
}

int mirror_put(struct remote *r, const struct record *record, bool narrow)
{
	struct here h;
	int rc = look(r, record, &h);

	if (rc == 0 && h.found && h.record.revision >= record->revision)
		goto out;
	if (rc == 0)
		rc = record->kind == IPAM_CLUSTER ? (narrow ? 0 : put_cluster(r, record, &h)) : put_node(r, record, &h, narrow);
	/* What the engine has is right by itself, so something here stands in its way: leases whose node was taken away. */
	if (rc == -EBUSY || rc == -EADDRINUSE || rc == -EADDRNOTAVAIL || rc == -EINVAL || rc == -EEXIST) {
		remote_complain(r, REMOTE_RECORDS, "'%s' can't be shown as the engine has it: %s", record->name, strerror(-rc));
		rc = -EUCLEAN;
	}
out:
	record_free(&h.record);
	return rc;
}

/* ---- what is gone ------------------------------------------------------------------------------------------------------ */

/* Its leases run on: nothing is given any more, and what is released is the last of it. */
static int orphan(struct remote *r, uint64_t id, const char *name)
{
	struct change *c = make(&change_doubt, NULL, NULL, NULL);
	int rc;

	if (c != NULL) {
		c->kind = IPAM_NODE;
		c->id = id;
		c->doubt = NODE_ORPHANED;
	}
	rc = run(r, c, false);
	if (rc == 0)
		engine_log(r->ipam, LOG_CRIT,
			   "node '%s' was removed elsewhere, by force: its leases stay until they are released, no address is given any "
			   "more",
			   name);
	return rc;
}

static int remove_node(struct remote *r, uint64_t id, uint64_t shared, uint64_t parent, const char *name, bool soft)
{
	struct change *c;
	int rc;

	publish_forget(r, shared, NULL);
	c = make(&change_node_remove, name, NULL, NULL);
	if (c != NULL)
		c->parent = parent;
	rc = run(r, c, soft);
	if (rc == -ENOTEMPTY)
		return orphan(r, id, name);
	if (rc == 0)
		tell(r, IPAM_NODE, parent, id, name);
	return rc;
}

static int remove_cluster(struct remote *r, uint64_t id, const char *name)
{
	struct change *c = make(&change_cluster_remove, name, NULL, NULL);
	int rc;

	if (c != NULL)
		c->parent = IPAM_ROOT_ID;
	rc = run(r, c, false);
	if (rc == 0)
		tell(r, IPAM_CLUSTER, IPAM_ROOT_ID, id, name);
	return rc == -ENOTEMPTY ? 0 : rc; /* what stays in it goes first */
}

struct gone {
	bool found, orphaned, ours;
	uint64_t id, shared, parent;
	char name[IPAM_NAME_MAX + 1];
};

static int remove_gone(struct remote *r, enum ipam_kind kind, const struct gone *g)
{
	if (!g->found || (g->orphaned && kind == IPAM_NODE))
		return 0;
	return kind == IPAM_CLUSTER ? remove_cluster(r, g->id, g->name) : remove_node(r, g->id, g->shared, g->parent, g->name, !g->ours);
}

static void note_cluster(const struct cluster *c, struct gone *g)
{
	*g = (struct gone){ .found = true, .id = c->id, .shared = c->shared, .parent = IPAM_ROOT_ID };
	snprintf(g->name, sizeof g->name, "%s", c->name);
}

static void note_node(const struct node *n, struct gone *g)
{
	*g = (struct gone){ .found = true,
			    .id = n->id,
			    .shared = n->shared,
			    .parent = n->cluster->id,
			    .ours = n->held == NODE_HELD_HERE,
			    .orphaned = n->doubt == NODE_ORPHANED && n->leases > 0 };
	snprintf(g->name, sizeof g->name, "%s", n->name);
}

int mirror_gone(struct remote *r, enum ipam_kind kind, uint64_t cluster, const char *name, int64_t revision)
{
	struct registry *reg = &r->ipam->registry;
	struct gone g = { 0 };

	pthread_rwlock_rdlock(&r->ipam->lock);
	if (kind == IPAM_CLUSTER) {
		struct cluster *c = registry_cluster_named(reg, name);

		if (c != NULL && c->revision < revision)
			note_cluster(c, &g);
	} else {
		struct cluster *c = registry_cluster_shared(reg, cluster);
		struct node *n = c == NULL ? NULL : registry_node_named(reg, c, name);

		if (n != NULL && n->revision < revision)
			note_node(n, &g);
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	return remove_gone(r, kind, &g);
}

int mirror_gone_id(struct remote *r, enum ipam_kind kind, uint64_t id)
{
	struct registry *reg = &r->ipam->registry;
	struct gone g = { 0 };

	pthread_rwlock_rdlock(&r->ipam->lock);
	if (kind == IPAM_CLUSTER) {
		struct cluster *c = registry_cluster(reg, id);

		if (c != NULL)
			note_cluster(c, &g);
	} else {
		struct node *n = registry_node(reg, id);

		if (n != NULL)
			note_node(n, &g);
	}
	pthread_rwlock_unlock(&r->ipam->lock);
	return remove_gone(r, kind, &g);
}
