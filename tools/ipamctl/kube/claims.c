#include "ipamctl/kube/claims.h"

#include <stdlib.h>

struct cidr kube_host(unsigned family, u128 addr)
{
	return (struct cidr){ addr, (uint8_t)family, (uint8_t)cidr_bits(family) };
}

static int compare_claim(const void *a, const void *b)
{
	return cidr_compare(&((const struct kube_claim *)a)->key, &((const struct kube_claim *)b)->key);
}

size_t kube_sort_claims(struct kube_claim *list, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(list, n, sizeof *list, compare_claim);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || compare_claim(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	return kept;
}

struct kube_claim *kube_find_claim(struct kube_claim *list, size_t n, const struct cidr *key)
{
	struct kube_claim wanted = { .key = *key };

	return n == 0 ? NULL : bsearch(&wanted, list, n, sizeof *list, compare_claim);
}
