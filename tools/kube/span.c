/* The index of all Nodes' podCIDRs, by address: is a block anybody's, whatever the mount says? */
#include "span.h"

#include <search.h>
#include <string.h>

static int exactly(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int order = cidr_compare(&x->cidr, &y->cidr);

	return order != 0 ? order : strcmp(x->of->name, y->of->name);
}

/* Prefixes that don't overlap have an order. Of Nodes whose podCIDRs overlap each other, one may be passed over by this; those that
 * the mount doesn't hold, of which such a pair has one at least, are looked at one by one elsewhere. */
static int overlapping(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return cidr_overlap(&x->cidr, &y->cidr) ? 0 : cidr_compare(&x->cidr, &y->cidr);
}

void table_set_cidrs(struct table *t, struct known *e, const struct pod_cidrs *cidrs)
{
	for (unsigned i = 0; i < e->cidrs.n; i++) {
		struct span **at = tfind(&e->span[i], &t->spans, exactly);

		if (at != NULL && *at == &e->span[i])
			tdelete(&e->span[i], &t->spans, exactly);
	}
	e->cidrs = *cidrs;
	for (unsigned i = 0; i < cidrs->n; i++) {
		e->span[i] = (struct span){ .cidr = cidrs->cidr[i], .of = e };
		if (tsearch(&e->span[i], &t->spans, exactly) == NULL)
			t->blind = true;
	}
}

bool span_is_anothers(struct table *t, const char *name, const struct cidr *cidr)
{
	struct span key = { .cidr = *cidr };
	struct span **at = tfind(&key, &t->spans, overlapping);

	return at != NULL && strcmp((*at)->of->name, name) != 0 && cidr_compare(&(*at)->cidr, cidr) == 0;
}

struct known *span_find(struct table *t, const char *name, const struct pod_cidrs *cidrs)
{
	for (unsigned i = 0; i < cidrs->n; i++) {
		struct span key = { .cidr = cidrs->cidr[i] };
		struct span **at = tfind(&key, &t->spans, overlapping);

		if (at != NULL && strcmp((*at)->of->name, name) != 0)
			return (*at)->of;
	}
	return NULL;
}
