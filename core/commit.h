/* commit — the committer thread: everything that queued while the last transaction ran goes into the next one.
 *
 * commit_queue may be called with the lock of struct ipam held; the queue has a lock of its own, inside that one.
 */
#ifndef IPAM_COMMIT_H
#define IPAM_COMMIT_H

#include "change.h"

int commit_start(struct ipam *ipam); /* -ENOMEM, -EAGAIN */
/* Commits what is queued and written behind, then ends the thread. */
void commit_stop(struct ipam *ipam);
void commit_queue(struct ipam *ipam, struct change *c);
/* Attributes were marked as written behind: store them soon. */
void commit_behind(struct ipam *ipam);

#endif
