/* Reading the networks of host-local's layout. */
#include "ipam.h"

#include "engine/engine.h"
#include "registry/network.h"
#include "registry/registry.h"
#include "view/view.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static const struct network *network_of(const struct ipam *ipam, uint64_t id)
{
	const struct network *w = registry_network(&ipam->registry, id);

	return w == NULL || w->pending || w->node->pending ? NULL : w;
}

int ipam_network_find(struct ipam *ipam, uint64_t node, const char *name, uint64_t *id)
{
	const struct node *n;
	const struct network *w;
	int rc;

	pthread_rwlock_rdlock(&ipam->lock);
	n = view_visible_node(ipam, node);
	w = n == NULL ? NULL : registry_network_named(&ipam->registry, n, name);
	rc = w == NULL || w->pending ? -ENOENT : 0;
	if (rc == 0)
		*id = w->id;
	pthread_rwlock_unlock(&ipam->lock);
	return rc;
}

int ipam_network_node(struct ipam *ipam, uint64_t id, uint64_t *node, char name[IPAM_NAME_MAX + 1])
{
	const struct network *w;

	pthread_rwlock_rdlock(&ipam->lock);
	w = network_of(ipam, id);
	if (w != NULL) {
		*node = w->node->id;
		strcpy(name, w->name);
	}
	pthread_rwlock_unlock(&ipam->lock);
	return w != NULL ? 0 : -ENOENT;
}

int ipam_each_network(struct ipam *ipam, uint64_t node, int (*fn)(void *arg, uint64_t id, const char *name), void *arg)
{
	const struct registry *r = &ipam->registry;
	int rc = view_visible_node(ipam, node) == NULL ? -ENOENT : 0;

	for (uint32_t i = 0; rc == 0 && i < r->networks; i++)
		if (r->network[i]->node->id == node && !r->network[i]->pending)
			rc = fn(arg, r->network[i]->id, r->network[i]->name);
	return rc;
}

int ipam_view_network(struct ipam *ipam, uint64_t id, struct ipam_network_view *out)
{
	const struct network *w = network_of(ipam, id);

	if (w == NULL)
		return -ENOENT;
	*out = (struct ipam_network_view){ .id = id, .node = w->node->id, .name = w->name, .lasts = w->lasts, .network = w };
	return 0;
}

unsigned ipam_view_network_range(const struct ipam_network_view *v, size_t i)
{
	const struct network *w = v->network;

	return w->last[i].range;
}

int ipam_network_last(struct ipam *ipam, uint64_t id, unsigned range, uint8_t *family, u128 *addr)
{
	const struct network_last *last;
	const struct network *w;

	pthread_rwlock_rdlock(&ipam->lock);
	w = network_of(ipam, id);
	last = w == NULL ? NULL : network_last(w, range);
	if (last != NULL) {
		*family = last->family;
		*addr = last->addr;
	}
	pthread_rwlock_unlock(&ipam->lock);
	return last != NULL ? 0 : -ENOENT;
}
