/* Blocks that rest: of nodes that were removed by force. Their slots are taken until their time is over; the engine's key says
 * so to everybody, and who is given the block replaces it. */
#include "shared/mirror_quarantine.h"

#include "engine/engine.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "shared/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Under both locks. */
static void claim(struct remote *r, struct remote_rest *rest, bool claimed)
{
	struct cluster *c = registry_cluster_shared(&r->ipam->registry, rest->cluster);
	struct cluster_cidr *from = c == NULL ? NULL : cluster_cidr_of(c, &rest->cidr);
	u128 slot;

	if (rest->claimed == claimed || from == NULL || from->node_mask != rest->cidr.len ||
	    pool_slot(&from->pool, rest->cidr.base, &slot) < 0)
		return;
	if (claimed)
		rest->claimed = pool_restore(&from->pool, slot) == 0; /* it may be a node's here still: asking finds out */
	else if (pool_release(&from->pool, slot) == 0)
		rest->claimed = false;
}

static size_t find(const struct remote *r, uint64_t cluster, const struct cidr *cidr)
{
	size_t i = 0;

	while (i < r->rests && (r->rest[i].cluster != cluster || cidr_compare(&r->rest[i].cidr, cidr) != 0))
		i++;
	return i;
}

static int put(struct remote *r, uint64_t cluster, const struct cidr *cidr, int64_t until, int64_t revision)
{
	size_t i = find(r, cluster, cidr);
	struct remote_rest *bigger;

	if (i == r->rests) {
		if (until == 0)
			return 0;
		bigger = reallocarray(r->rest, r->rests + 1, sizeof *bigger);
		if (bigger == NULL)
			return -ENOMEM;
		r->rest = bigger;
		r->rest[r->rests++] = (struct remote_rest){ .cluster = cluster, .cidr = *cidr };
	}
	r->rest[i].until = until;
	r->rest[i].revision = revision;
	claim(r, &r->rest[i], until > (int64_t)time(NULL));
	if (until == 0)
		r->rest[i] = r->rest[--r->rests];
	return 0;
}

int mirror_rest(struct remote *r, uint64_t cluster, const struct cidr *cidr, int64_t until, int64_t revision)
{
	int rc;

	pthread_rwlock_wrlock(&r->ipam->lock);
	pthread_mutex_lock(&r->lock);
	rc = put(r, cluster, cidr, until, revision);
	pthread_mutex_unlock(&r->lock);
	pthread_rwlock_unlock(&r->ipam->lock);
	return rc;
}

void mirror_rests_forget(struct remote *r)
{
	pthread_rwlock_wrlock(&r->ipam->lock);
	pthread_mutex_lock(&r->lock);
	while (r->rests > 0)
		claim(r, &r->rest[--r->rests], false);
	pthread_mutex_unlock(&r->lock);
	pthread_rwlock_unlock(&r->ipam->lock);
}

void mirror_rests_end(struct remote *r)
{
	int64_t now = (int64_t)time(NULL);

	pthread_rwlock_wrlock(&r->ipam->lock);
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->rests; i++)
		if (r->rest[i].until <= now)
			claim(r, &r->rest[i], false);
	pthread_mutex_unlock(&r->lock);
	pthread_rwlock_unlock(&r->ipam->lock);
}
