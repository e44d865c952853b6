/* leader — one of several leads, by a Lease (coordination.k8s.io/v1), as client-go's leader election does it.
 *
 * The leader renews its Lease. Where it couldn't within the renew deadline it leads no more, by its own clock and whatever the
 * server may have done; another one takes over only after the lease's duration, which is longer.
 */
#ifndef IPAMKUBE_LEADER_H
#define IPAMKUBE_LEADER_H

#include "client.h"
#include "options.h"

struct leader;

/* Without election in the options it leads always. stop: what ends it all. NULL: no memory. */
struct leader *leader_new(struct client *client, const struct options *o, const struct halt *stop);
/* Waits until this one leads: 0. -ECANCELED: stopped. Others: it can't be had, as said; only `once`. */
int leader_win(struct leader *l);
/* Set when it leads no more, or was stopped. */
const struct halt *leader_halt(const struct leader *l);
/* For how long it may write still, ms: 0 or less: no more. Any thread may ask. */
int64_t leader_left(const struct leader *l);
/* No more writes are under way: leads no more, and gives the Lease up if it holds it still, so that the next starts at once. */
void leader_leave(struct leader *l);
void leader_free(struct leader *l);

#endif
