/* alarm — the thread that ends what ends by itself: leases by their ttl, rests, empty blocks, the past. */
#ifndef IPAM_ENGINE_ALARM_H
#define IPAM_ENGINE_ALARM_H

#include <stdint.h>

struct ipam;
struct lease;
struct node;

int timer_start(struct ipam *ipam);
/* Ends the thread; timer_at goes on to be harmless until timer_free, since the committer may call it still. */
void timer_stop(struct ipam *ipam);
void timer_free(struct ipam *ipam);
/* Something is due at this time: wake then, at the latest. */
void timer_at(struct ipam *ipam, int64_t when);
/* A lease of the node was made or renewed, or its ttl changed. */
void timer_lease(struct ipam *ipam, struct node *n, const struct lease *l);

#endif
