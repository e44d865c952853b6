#include "change/shrink.h"

#include "change/node.h"
#include "engine/alarm.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "registry/block.h"
#include "registry/pool.h"
#include "registry/registry.h"
#include "shared/remote.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT_S = 5, CHECK_S = 10, FEW = 64, PART = 4, MANY = 64 };

void shrink_left(const struct node *n, unsigned family, struct shrink_left *out)
{
	*out = (struct shrink_left){ 0 };
	for (uint32_t i = 0; i < n->blocks; i++) {
		const struct pool *p = &n->block[i]->pool;

		if (p->prefix.family != family)
			continue;
		out->left += pool_free(p);
		out->capacity = pool_capacity(p);
		if (out->blocks++ > 0 && p->used == 0 && !n->block[i]->pending)
			out->empty = n->block[i];
	}
}

/* A quarter of a block, or less than a burst may take, but for small blocks, of which a burst takes several. */
bool shrink_is_scarce(const struct shrink_left *left)
{
	u128 few = left->capacity / 2 < FEW ? left->capacity / 2 : FEW;

	return left->left < left->capacity / PART || left->left < few;
}

void shrink_cluster(const struct node *n, unsigned family, u128 *left, u128 *all)
{
	*left = *all = 0;
	for (const struct cluster_cidr *cc = cluster_cidr_for(n->cluster->choice, family, n->labels); cc != NULL;
	     cc = cluster_cidr_for(cc->next, family, n->labels)) {
		*left += pool_free(&cc->pool);
		*all += pool_capacity(&cc->pool);
	}
}

/* ---- what is due ------------------------------------------------------------------------------------------------------- */

struct due {
	uint64_t node;
	struct cidr cidr;
};

struct round {
	struct ipam *ipam;
	int64_t now, next;
	struct due due[MANY]; /* the others' turn is the next round's */
	size_t dues;
	bool shared; /* blocks come from afar: one is held in reserve */
};

static bool may_shrink(const struct node *n)
{
	return !n->pending && !n->growing && n->asking == 0 && n->leases > 0 && n->blocks > 1 && node_leasable(n) == 0 &&
	       node_setting(n, IPAM_MAX_BLOCKS) > 1 && node_setting(n, IPAM_BLOCK_IDLE) > 0;
}

static void look_again(struct round *r, int64_t when)
{
	if (when < r->next)
		r->next = when;
}

/* Without it the node would ask for another: it is the one in reserve. */
static bool is_reserve(const struct round *r, struct shrink_left left)
{
	left.left -= pool_free(&left.empty->pool);
	return r->shared && shrink_is_scarce(&left);
}

static void look_family(struct round *r, struct node *n, unsigned family)
{
	int64_t idle = (int64_t)node_setting(n, IPAM_BLOCK_IDLE) * NANOSECONDS, soon = (int64_t)SHORT_S * NANOSECONDS;
	struct shrink_left left;
	u128 free_blocks, all;

	shrink_left(n, family, &left);
	for (uint32_t i = 0; i < n->blocks; i++)
		if (n->block[i]->pool.prefix.family == family && n->block[i]->pool.used > 0)
			n->block[i]->idle_since = 0;
	if (left.empty == NULL)
		return;
	shrink_cluster(n, family, &free_blocks, &all);
	if (left.empty->idle_since == 0)
		left.empty->idle_since = r->now;
	if (free_blocks == 0 && soon < idle)
		idle = soon;
	else if (is_reserve(r, left))
		idle = INT64_MAX;
	if (r->now - left.empty->idle_since < idle) {
		int64_t check = (int64_t)CHECK_S * NANOSECONDS;

		look_again(r, idle - (r->now - left.empty->idle_since) < check ? left.empty->idle_since + idle : r->now + check);
	} else if (r->dues < MANY) {
		r->due[r->dues++] = (struct due){ n->id, left.empty->pool.prefix };
		look_again(r, r->now + soon);
	} else {
		look_again(r, r->now + NANOSECONDS);
	}
}

static void give_back(struct ipam *ipam, const struct due *due)
{
	char text[CIDR_TEXT];
	struct change *c = change_new(&change_shrink, NULL, NULL);

	cidr_print(&due->cidr, text);
	if (c != NULL)
		c = change_text(c, text, strlen(text));
	if (c == NULL)
		return;
	c->id = due->node;
	c->by.uid = IPAM_BY_NOBODY;
	c->reason = "idle";
	change_submit(ipam, c);
}

int64_t shrink_round(struct ipam *ipam, int64_t now)
{
	struct round *r = calloc(1, sizeof *r);
	bool up = ipam->remote == NULL || remote_is_up(ipam->remote);
	int64_t next;

	if (r == NULL)
		return now + (int64_t)CHECK_S * NANOSECONDS;
	*r = (struct round){ .ipam = ipam, .now = now, .next = INT64_MAX, .shared = ipam->remote != NULL };
	pthread_rwlock_wrlock(&ipam->lock);
	for (struct cluster *c = ipam->registry.first; c != NULL; c = c->next)
		for (struct node *n = c->first; n != NULL; n = n->next)
			for (unsigned f = 0; f < CIDR_FAMILIES && may_shrink(n); f++)
				look_family(r, n, f);
	pthread_rwlock_unlock(&ipam->lock);
	/* Who gives blocks back is in doubt until the engine has answered: not while that is away. */
	for (size_t i = 0; up && i < r->dues; i++)
		give_back(ipam, &r->due[i]);
	next = r->next;
	free(r);
	return next;
}

void shrink_lease(struct ipam *ipam, const struct node *n)
{
	if (n->blocks > 1)
		timer_at(ipam, engine_due(ipam) + (int64_t)SHORT_S * NANOSECONDS);
}
