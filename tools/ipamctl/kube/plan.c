/* Who gets what: of the dump's nodes and pods those that can be taken, and for all others why not. */
#include "ipamctl/kube/plan.h"

#include "ipamctl/kube/arena.h"
#include "ipamctl/kube/claims.h"
#include "ipamctl/kube/mount.h"
#include "ipamctl/kube/parse.h"

#include <stdlib.h>
#include <string.h>

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static int compare_block(const void *a, const void *b)
{
	return cidr_compare(&((const struct kube_block *)a)->cidr, &((const struct kube_block *)b)->cidr);
}

static void sort_blocks(struct kube *k)
{
	if (k->blocks.n > 0)
		qsort(k->blocks.list, k->blocks.n, sizeof *k->blocks.list, compare_block);
}

/* Blocks of a cluster don't overlap: the last that begins at the address or before, if it reaches so far. */
static const struct kube_block *block_of(const struct kube *k, unsigned family, u128 addr)
{
	size_t low = 0, high = k->blocks.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct cidr *c = &k->blocks.list[mid].cidr;

		if (c->family < family || (c->family == family && c->base <= addr))
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && cidr_has(&k->blocks.list[low - 1].cidr, family, addr) ? &k->blocks.list[low - 1] : NULL;
}

bool kube_is_slot(const struct kube *k, const struct cidr *c)
{
	for (size_t i = 0; i < k->pools.n; i++)
		if (k->pools.list[i].mask == c->len && cidr_has_cidr(&k->pools.list[i].cidr, c))
			return true;
	return false;
}

static bool reserved(const struct kube *k, const struct cidr *c)
{
	u128 last = cidr_last(c);

	for (size_t i = 0; i < k->reserved.n; i++) {
		const struct cidr_range *r = &k->reserved.list[i].range;

		if (r->family == c->family && r->first <= c->base && last <= r->last)
			return true;
		if (k->reserved.list[i].services && r->family == c->family && r->first <= last && r->last >= c->base)
			return true;
	}
	return false;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static void leave_out_node(struct kube *k, struct kube_node *n, const struct cidr *c, const char *why)
{
	char text[CIDR_TEXT] = "-";

	n->state = KUBE_OUT;
	if (c != NULL)
		cidr_print(c, text);
	kube_conflict(k, n->name, NULL, text, why);
}

/* Its podCIDRs are among the blocks that it has. */
static void plan_mounted(struct kube *k, struct kube_node *n)
{
	n->state = KUBE_PRESENT;
	for (unsigned i = 0; i < n->cidrs; i++) {
		const struct kube_block *b = block_of(k, n->cidr[i].family, n->cidr[i].base);

		if (b == NULL || b->cidr.len != n->cidr[i].len || strcmp(b->node, n->name) != 0) {
			leave_out_node(k, n, &n->cidr[i], "the node is there with other blocks");
			return;
		}
	}
}

static void plan_new(struct kube *k, struct kube_node *n, struct kube_claim *claims, size_t size)
{
	struct kube_claim *claim[CIDR_FAMILIES];

	for (unsigned i = 0; i < n->cidrs; i++) {
		const struct cidr *c = &n->cidr[i];
		const struct kube_block *b = block_of(k, c->family, c->base);
		const char *why = NULL;

		claim[i] = kube_find_claim(claims, size, c);
		if (!kube_is_slot(k, c))
			why = "no block of the cluster's CIDRs";
		else if (reserved(k, c))
			why = "reserved";
		else if (b != NULL)
			why = kube_format(k, "held by node %s", b->node);
		else if (claim[i]->taker != NULL)
			why = kube_format(k, "the podCIDR of %s, too", claim[i]->taker);
		if (why != NULL) {
			leave_out_node(k, n, c, why);
			return;
		}
	}
	n->state = KUBE_NEW;
	for (unsigned i = 0; i < n->cidrs; i++)
		claim[i]->taker = n->name;
}

/* Who is younger comes first: an old Node that was left behind yields. */
static int by_age(const void *a, const void *b)
{
	const struct kube_node *x = *(struct kube_node *const *)a, *y = *(struct kube_node *const *)b;
	int order = strcmp(y->created, x->created);

	return order != 0 ? order : strcmp(x->name, y->name);
}

void kube_plan_nodes(struct kube *k)
{
	KUBE_LIST(struct kube_node *) fresh = { 0 };
	KUBE_LIST(struct kube_claim) claims = { 0 };

	sort_blocks(k);
	for (size_t i = 0; i < k->nodes.n; i++) {
		struct kube_node *n = &k->nodes.list[i];

		if (n->flaw != NULL) {
			leave_out_node(k, n, NULL, n->flaw);
		} else if (n->mounted) {
			plan_mounted(k, n);
		} else if (n->cidrs == 0) {
			n->state = KUBE_NONE;
			k->skipped[SKIP_NO_CIDR]++;
		} else {
			*KUBE_ADD(fresh) = n;
			for (unsigned c = 0; c < n->cidrs; c++)
				KUBE_ADD(claims)->key = n->cidr[c];
		}
	}
	claims.n = kube_sort_claims(claims.list, claims.n);
	if (fresh.n > 0)
		qsort(fresh.list, fresh.n, sizeof *fresh.list, by_age);
	for (size_t i = 0; i < fresh.n; i++)
		plan_new(k, fresh.list[i], claims.list, claims.n);
	for (size_t i = 0; i < fresh.n; i++)
		for (unsigned c = 0; fresh.list[i]->state == KUBE_NEW && c < fresh.list[i]->cidrs; c++)
			*KUBE_ADD(k->blocks) = (struct kube_block){ fresh.list[i]->cidr[c], fresh.list[i]->name };
	sort_blocks(k);
	free(fresh.list);
	free(claims.list);
}

/* ---- pods -------------------------------------------------------------------------------------------------------- */

static const char *why_outside(const struct kube *k, const struct kube_pod *p)
{
	const struct kube_node *n = kube_find_node(k, p->node);

	return n == NULL                           ? "its node is neither in the dump nor in the mount" :
	       n->state == KUBE_NONE               ? "its node has no podCIDR" :
	       n->state == KUBE_OUT && !n->mounted ? "its node was left out" :
						     "in none of its node's blocks";
}

static const char *why_not(struct kube *k, const struct kube_pod *p, unsigned family, const struct kube_claim *claim)
{
	u128 addr = p->addr[family];
	const struct kube_block *b = block_of(k, family, addr);
	struct cidr host = kube_host(family, addr);

	if (b == NULL || strcmp(b->node, p->node) != 0)
		return why_outside(k, p);
	if (addr == b->cidr.base || (family == CIDR_V4 && addr == cidr_last(&b->cidr)))
		return family == CIDR_V4 ? "a network's or broadcast address" : "its block's anycast address";
	if (addr == b->cidr.base + 1 && kube_mount_gateway(k, p->node))
		return "its block's gateway ('gateway none' in the cluster's settings leases it)";
	if (reserved(k, &host))
		return "reserved";
	if (claim->there != NULL)
		return kube_format(k, "held by %s", claim->there);
	if (claim->taker != NULL)
		return kube_format(k, "the address of %s, too", claim->taker);
	return NULL;
}

static struct kube_claim *claim_of(const struct kube *k, const struct kube_pod *p, unsigned family)
{
	struct cidr key = kube_host(family, p->addr[family]);

	return kube_find_claim(k->addresses.list, k->addresses.n, &key);
}

static void plan_pod(struct kube *k, struct kube_pod *p)
{
	char text[CIDR_ADDR_TEXT] = "-";
	const char *why = p->flaw, *who;

	if (p->state == KUBE_PRESENT)
		return;
	for (unsigned f = 0; why == NULL && f < CIDR_FAMILIES; f++)
		if (p->has[f] && (why = why_not(k, p, f, claim_of(k, p, f))) != NULL)
			cidr_print_addr(f, p->addr[f], text);
	who = kube_format(k, "%s/%s", p->node, p->lease);
	p->state = why == NULL ? KUBE_NEW : KUBE_OUT;
	if (why != NULL)
		kube_conflict(k, who, p->pod, text, why);
	for (unsigned f = 0; why == NULL && f < CIDR_FAMILIES; f++)
		if (p->has[f])
			claim_of(k, p, f)->taker = who;
}

/* Of pods with one address the one that runs keeps it, of several the youngest. */
static int by_right(const void *a, const void *b)
{
	const struct kube_pod *x = *(struct kube_pod *const *)a, *y = *(struct kube_pod *const *)b;
	int order = y->running - x->running;

	if (order == 0)
		order = strcmp(y->created, x->created);
	return order != 0 ? order : strcmp(x->lease, y->lease);
}

void kube_plan_pods(struct kube *k)
{
	KUBE_LIST(struct kube_pod *) order = { 0 };

	for (size_t i = 0; i < k->pods.n; i++)
		*KUBE_ADD(order) = &k->pods.list[i];
	if (order.n > 0)
		qsort(order.list, order.n, sizeof *order.list, by_right);
	for (size_t i = 0; i < order.n; i++)
		plan_pod(k, order.list[i]);
	free(order.list);
}
