/* commit — the committer: everything that queued while the last transaction ran goes into the next one.
 *
 * One transaction runs at a time. Where none does, the thread that brings a change runs its own (commit_lead), which spares
 * a lone client two switches of thread; whatever queues meanwhile is the committer thread's.
 */
#ifndef IPAM_ENGINE_COMMIT_H
#define IPAM_ENGINE_COMMIT_H

#include <stdbool.h>

struct change;
struct ipam;

int commit_start(struct ipam *ipam); /* -ENOMEM, -EAGAIN */
/* Commits what is queued and written behind, then ends the thread. */
void commit_stop(struct ipam *ipam);
/* Queue a change: with the lock of struct ipam held, so that the order is that of the reservations. */
void commit_queue(struct ipam *ipam, struct change *c);
/* After it, without the lock: run the batch, unless one runs. */
void commit_lead(struct ipam *ipam);
/* Gather what is queued from now on, until hold is false: it goes in one transaction. For when nothing else runs. */
void commit_hold(struct ipam *ipam, bool hold);
/* Attributes were marked as written behind: store them soon. */
void commit_behind(struct ipam *ipam);

#endif
