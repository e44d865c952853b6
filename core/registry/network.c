/* Networks in memory: few, so a sorted array and lists are enough. */
#include "registry/network.h"

#include "registry/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void free_network(struct network *w)
{
	free(w->name);
	free(w->last);
	free(w);
}

int registry_add_network(struct registry *r, struct node *n, uint64_t id, const char *name, struct network **out)
{
	struct network **bigger = reallocarray(r->network, r->networks + 1u, sizeof(struct network *));
	struct network *w;

	if (bigger == NULL)
		return -ENOMEM;
	r->network = bigger;
	w = calloc(1, sizeof *w);
	if (w == NULL || (w->name = strdup(name)) == NULL) {
		free(w);
		return -ENOMEM;
	}
	w->id = id;
	w->node = n;
	r->network[r->networks++] = w;
	*out = w;
	return 0;
}

/* Where it is, or would be. */
static uint32_t position(const struct registry *r, uint64_t id)
{
	uint32_t low = 0, high = r->networks;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->network[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void registry_remove_network(struct registry *r, struct network *w)
{
	uint32_t at = position(r, w->id);

	memmove(&r->network[at], &r->network[at + 1], (r->networks - at - 1) * sizeof(struct network *));
	r->networks--;
	free_network(w);
}

void registry_remove_networks(struct registry *r, const struct node *n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < r->networks; i++)
		if (n == NULL || r->network[i]->node == n)
			free_network(r->network[i]);
		else
			r->network[kept++] = r->network[i];
	r->networks = kept;
	if (n == NULL) {
		free(r->network);
		r->network = NULL;
	}
}

struct network *registry_network(const struct registry *r, uint64_t id)
{
	uint32_t at = position(r, id);

	return at < r->networks && r->network[at]->id == id ? r->network[at] : NULL;
}

struct network *registry_network_named(const struct registry *r, const struct node *n, const char *name)
{
	for (uint32_t i = 0; i < r->networks; i++)
		if (r->network[i]->node == n && strcmp(r->network[i]->name, name) == 0)
			return r->network[i];
	return NULL;
}

/* ---- the addresses given last -------------------------------------------------------------------------------- */

const struct network_last *network_last(const struct network *w, unsigned range)
{
	for (uint32_t i = 0; i < w->lasts; i++)
		if (w->last[i].range == range)
			return &w->last[i];
	return NULL;
}

int network_room(struct network *w)
{
	struct network_last *bigger = reallocarray(w->last, w->lasts + 1u, sizeof *bigger);

	if (bigger == NULL)
		return -ENOMEM;
	w->last = bigger;
	return 0;
}

void network_set_last(struct network *w, unsigned range, uint8_t family, u128 addr)
{
	network_forget_last(w, range);
	w->last[w->lasts++] = (struct network_last){ addr, (uint8_t)range, family };
}

void network_forget_last(struct network *w, unsigned range)
{
	for (uint32_t i = 0; i < w->lasts; i++)
		if (w->last[i].range == range) {
			w->last[i] = w->last[--w->lasts];
			return;
		}
}
