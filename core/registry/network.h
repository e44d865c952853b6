/* network — networks of host-local's layout, in memory. Their ids must grow with each call. */
#ifndef IPAM_REGISTRY_NETWORK_H
#define IPAM_REGISTRY_NETWORK_H

#include "base/cidr.h"

struct node;
struct registry;

/* What host-local's layout keeps with a node: see ipam.h. */
struct network_last {
	u128 addr;
	uint8_t range, family;
};
struct network {
	uint64_t id;
	struct node *node;
	bool pending, busy;
	char *name;
	struct network_last *last;
	uint32_t lasts;
};

int registry_add_network(struct registry *r, struct node *n, uint64_t id, const char *name, struct network **out); /* -ENOMEM */
void registry_remove_network(struct registry *r, struct network *w);
void registry_remove_networks(struct registry *r, const struct node *n); /* NULL: all there are */
struct network *registry_network(const struct registry *r, uint64_t id);
struct network *registry_network_named(const struct registry *r, const struct node *n, const char *name);
/* Room for one more range, so that network_set_last can't fail. -ENOMEM. */
int network_room(struct network *w);
void network_set_last(struct network *w, unsigned range, uint8_t family, u128 addr);
void network_forget_last(struct network *w, unsigned range);
const struct network_last *network_last(const struct network *w, unsigned range);

#endif
