#include "view/snapshot.h"

#include "engine/engine.h"
#include "registry/registry.h"
#include "registry/xattr.h"
#include "view/view_report.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 8192,
	KEPT_BYTES = 256 << 20, /* of leases that changed meanwhile */
};

/* A lease as it was, since it has changed. */
struct kept {
	struct kept *same_bucket, *same_node;
	struct lease lease; /* name and attributes are copies */
	struct ipam_lease_view view;
	bool absent; /* it wasn't there yet */
	bool given;
};

struct place {
	uint64_t id;
	char *name;
	struct kept *kept;
};

struct ipam_snapshot {
	struct ipam *ipam;
	struct ipam_snapshot *next;
	uint64_t bound; /* leases with ids from here on weren't there */
	uint64_t leases;
	char *cluster_name;
	struct place *node; /* by id, which is the order they were made in */
	size_t nodes;
	size_t at_node;    /* where it is: at this node, */
	bool entered;      /* begun with it, */
	uint32_t at;       /* at this lease, which is not given yet; 0: past the last; */
	bool past;         /* it is at what was kept, */
	struct kept *left; /* here */
	struct kept *bucket[BUCKETS];
	size_t bytes;
	int error;
};

/* ---- begin, end --------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int add_place(struct ipam_snapshot *s, const struct node *n, ipam_wanted *wanted, void *arg)
{
	struct place *p = &s->node[s->nodes];
	struct ipam_node_view view;

	if (n->pending)
		return 0;
	view_node(n, &view);
	if (wanted != NULL && !wanted(arg, &view))
		return 0;
	p->id = n->id;
	p->name = strdup(n->name);
	if (p->name == NULL)
		return -ENOMEM;
	s->nodes++;
	s->leases += n->leases;
	return 0;
}

static int add_places(struct ipam_snapshot *s, enum ipam_kind kind, uint64_t id, ipam_wanted *wanted, void *arg)
{
	const struct node *n = kind == IPAM_NODE ? registry_node(&s->ipam->registry, id) : NULL;
	const struct cluster *c = kind == IPAM_CLUSTER ? registry_cluster(&s->ipam->registry, id) : n != NULL ? n->cluster : NULL;
	int rc = 0;

	if (c == NULL || c->pending || (n != NULL && n->pending))
		return -ENOENT;
	s->cluster_name = strdup(c->name);
	s->node = calloc(n != NULL ? 1 : c->nodes + 1, sizeof *s->node);
	if (s->cluster_name == NULL || s->node == NULL)
		return -ENOMEM;
	if (n != NULL)
		return add_place(s, n, wanted, arg);
	for (n = c->first; rc == 0 && n != NULL; n = n->next)
		rc = add_place(s, n, wanted, arg);
	qsort(s->node, s->nodes, sizeof *s->node, by_id);
	return rc;
}

static void free_kept(struct kept *k)
{
	free(k->lease.name);
	xattr_free_all(k->lease.xattr);
	free(k);
}

static void free_snapshot(struct ipam_snapshot *s)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct kept *k = s->bucket[i], *next; k != NULL; k = next) {
			next = k->same_bucket;
			free_kept(k);
		}
	for (size_t i = 0; i < s->nodes; i++)
		free(s->node[i].name);
	free(s->node);
	free(s->cluster_name);
	free(s);
}

int ipam_snapshot_begin(struct ipam *ipam, enum ipam_kind kind, uint64_t id, ipam_wanted *wanted, void *arg, struct ipam_snapshot **out)
{
	struct ipam_snapshot *s = calloc(1, sizeof *s);
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->ipam = ipam;
	pthread_rwlock_wrlock(&ipam->lock);
	rc = add_places(s, kind, id, wanted, arg);
	if (rc == 0) {
		s->bound = atomic_load(&ipam->next_id);
		s->next = ipam->snapshots;
		ipam->snapshots = s;
	}
	pthread_rwlock_unlock(&ipam->lock);
	if (rc < 0)
		free_snapshot(s);
	else
		*out = s;
	return rc;
}

void ipam_snapshot_end(struct ipam_snapshot *s)
{
	struct ipam_snapshot **at;

	if (s == NULL)
		return;
	pthread_rwlock_wrlock(&s->ipam->lock);
	for (at = &s->ipam->snapshots; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	pthread_rwlock_unlock(&s->ipam->lock);
	free_snapshot(s);
}

uint64_t ipam_snapshot_leases(const struct ipam_snapshot *s)
{
	return s->leases;
}

/* ---- what changes meanwhile ---------------------------------------------------------------------------------- */

static struct kept *find_kept(const struct ipam_snapshot *s, uint64_t id)
{
	struct kept *k = s->bucket[id % BUCKETS];

	while (k != NULL && k->lease.id != id)
		k = k->same_bucket;
	return k;
}

/* The place of its node, if the snapshot has that lease still to come and doesn't know yet how it was. */
static struct place *still_to_come(const struct ipam_snapshot *s, const struct node *n, const struct lease *l)
{
	const struct place key = { .id = n->id };
	struct place *p = l->id >= s->bound ? NULL : bsearch(&key, s->node, s->nodes, sizeof *s->node, by_id);
	size_t i;

	if (p == NULL)
		return NULL;
	i = (size_t)(p - s->node);
	if (i < s->at_node || (i == s->at_node && s->entered && (s->at == 0 || l->id < registry_lease(&s->ipam->registry, s->at)->id)))
		return NULL;
	return find_kept(s, l->id) == NULL ? p : NULL;
}

static int copy_lease(struct ipam_snapshot *s, const struct lease *l, struct kept *k)
{
	k->lease = *l;
	k->lease.name = strdup(l->name);
	k->lease.xattr = xattr_copy_all(l->xattr);
	if (k->lease.name == NULL || (l->xattr != NULL && k->lease.xattr == NULL))
		return -ENOMEM;
	view_lease(&s->ipam->registry, l, &k->view);
	k->view.name = k->lease.name;
	k->view.lease = &k->lease;
	s->bytes += sizeof *k + strlen(l->name) + 1;
	for (const struct xattr *x = l->xattr; x != NULL; x = x->next)
		s->bytes += sizeof *x + x->name_size + 1u + x->value_size;
	return s->bytes > KEPT_BYTES ? -EAGAIN : 0;
}

static void keep(struct ipam_snapshot *s, uint32_t handle, bool absent)
{
	const struct lease *l = registry_lease(&s->ipam->registry, handle);
	struct place *p = s->error < 0 ? NULL : still_to_come(s, lease_node(&s->ipam->registry, l), l);
	struct kept *k = p == NULL ? NULL : calloc(1, sizeof *k);

	if (p == NULL)
		return;
	s->error = k == NULL ? -ENOMEM : absent ? 0 : copy_lease(s, l, k);
	if (s->error < 0) {
		if (k != NULL)
			free_kept(k);
		return;
	}
	k->lease.id = l->id;
	k->absent = absent;
	k->same_bucket = s->bucket[l->id % BUCKETS];
	s->bucket[l->id % BUCKETS] = k;
	k->same_node = p->kept;
	p->kept = k;
}

void snapshot_keep(struct ipam *ipam, uint32_t handle)
{
	if (ipam->snapshots != NULL && !registry_lease(&ipam->registry, handle)->pending)
		for (struct ipam_snapshot *s = ipam->snapshots; s != NULL; s = s->next)
			keep(s, handle, false);
}

void snapshot_appear(struct ipam *ipam, uint32_t handle)
{
	for (struct ipam_snapshot *s = ipam->snapshots; s != NULL; s = s->next)
		keep(s, handle, true);
}

void snapshot_remove(struct ipam *ipam, uint32_t handle)
{
	snapshot_keep(ipam, handle);
	for (struct ipam_snapshot *s = ipam->snapshots; s != NULL; s = s->next)
		if (s->entered && s->at == handle)
			s->at = registry_lease(&ipam->registry, handle)->next;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static int give(const struct ipam_snapshot *s, struct ipam_lease_view *view, ipam_lease_fn *fn, void *arg)
{
	view->node_name = s->node[s->at_node].name; /* as they were */
	view->cluster_name = s->cluster_name;
	return fn(arg, view);
}

/* Of the node's leases that are there now, one. */
static int give_next(struct ipam_snapshot *s, ipam_lease_fn *fn, void *arg)
{
	const struct registry *r = &s->ipam->registry;
	const struct lease *l = registry_lease(r, s->at);
	struct kept *k = find_kept(s, l->id);
	struct ipam_lease_view view;

	s->at = l->next;
	if (l->pending || l->id >= s->bound || (k != NULL && k->absent))
		return 0;
	if (k != NULL) {
		k->given = true;
		view = k->view;
	} else {
		view_lease(r, l, &view);
	}
	return give(s, &view, fn, arg);
}

/* Of those that are gone, one. */
static int give_left(struct ipam_snapshot *s, ipam_lease_fn *fn, void *arg)
{
	struct kept *k = s->left;

	s->left = k->same_node;
	return k->absent || k->given ? 0 : give(s, &k->view, fn, arg);
}

int ipam_snapshot_next(struct ipam_snapshot *s, size_t most, ipam_lease_fn *fn, void *arg)
{
	int rc;

	pthread_rwlock_rdlock(&s->ipam->lock);
	rc = s->error;
	for (size_t n = 0; rc == 0 && n < most && s->at_node < s->nodes; n++) {
		if (!s->entered) {
			const struct node *node = registry_node(&s->ipam->registry, s->node[s->at_node].id);

			s->at = node == NULL ? 0 : node->first;
			s->entered = true;
		}
		if (s->at != 0) {
			rc = give_next(s, fn, arg);
			continue;
		}
		if (!s->past)
			s->left = s->node[s->at_node].kept;
		s->past = s->left != NULL;
		if (s->past) {
			rc = give_left(s, fn, arg);
		} else {
			s->at_node++;
			s->entered = false;
		}
	}
	if (rc == 0 && s->at_node < s->nodes)
		rc = 1;
	pthread_rwlock_unlock(&s->ipam->lock);
	return rc;
}
