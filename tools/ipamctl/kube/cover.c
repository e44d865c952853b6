/* Which CIDRs would hold the nodes' blocks: as few as can be without reaching wide, each for blocks of one size. */
#include "ipamctl/kube/cover.h"

#include "ipamctl/kube/arena.h"
#include "ipamctl/kube/plan.h"

#include <stdlib.h>

/* Nobody means a shorter one: what lies further apart than this are several. */
static const uint8_t shortest[CIDR_FAMILIES] = { 8, 16 };
static const uint8_t longest[CIDR_FAMILIES] = { 30, 126 };

static int compare(const void *a, const void *b)
{
	return cidr_compare(a, b);
}

static struct cidr common(const struct cidr *first, const struct cidr *last)
{
	struct cidr c = *first;

	while (!cidr_has_cidr(&c, last)) {
		c.len--;
		c.base &= cidr_mask(c.family, c.len);
	}
	return c;
}

static bool is_free(const struct kube *k, const struct cidr *c)
{
	for (size_t i = 0; i < k->pools.n; i++)
		if (cidr_overlap(&k->pools.list[i].cidr, c))
			return false;
	return true;
}

/* list: sorted, each once, of one family, none of them within the cluster's. */
static void cover(struct kube *k, const struct cidr *list, size_t n)
{
	struct cidr all;
	bool fits;
	size_t left = 0;
	u128 middle;

	if (n == 0)
		return;
	all = common(&list[0], &list[n - 1]);
	fits = all.len >= shortest[all.family] && is_free(k, &all);
	for (size_t i = 0; i < n; i++)
		fits &= list[i].len == list[0].len;
	/* Where one has all others inside, these can't be held beside it. */
	if (fits || list[0].len == all.len) {
		*KUBE_ADD(k->hint) = (struct kube_pool){ all, list[0].len };
		return;
	}
	middle = all.base + ((u128)1 << (cidr_bits(all.family) - all.len - 1));
	while (left < n && list[left].base < middle)
		left++;
	cover(k, list, left);
	cover(k, list + left, n - left);
}

void kube_cover(struct kube *k)
{
	KUBE_LIST(struct cidr) outside = { 0 };
	size_t begin = 0, kept = 0;

	for (size_t i = 0; i < k->nodes.n; i++) {
		const struct kube_node *n = &k->nodes.list[i];

		for (unsigned c = 0; !n->mounted && n->flaw == NULL && c < n->cidrs; c++)
			if (!kube_is_slot(k, &n->cidr[c]) && is_free(k, &n->cidr[c]) && n->cidr[c].len <= longest[n->cidr[c].family])
				*KUBE_ADD(outside) = n->cidr[c];
	}
	if (outside.n > 0)
		qsort(outside.list, outside.n, sizeof *outside.list, compare);
	for (size_t i = 0; i < outside.n; i++)
		if (kept == 0 || cidr_compare(&outside.list[kept - 1], &outside.list[i]) != 0)
			outside.list[kept++] = outside.list[i];
	for (size_t i = 0; i <= kept; i++)
		if (i == kept || outside.list[i].family != outside.list[begin].family) {
			if (i > begin)
				cover(k, outside.list + begin, i - begin);
			begin = i;
		}
	free(outside.list);
}
