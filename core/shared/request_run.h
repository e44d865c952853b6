/* request_run — a change is asked of the engine that machines share, on the thread that calls. */
#ifndef IPAM_SHARED_REQUEST_RUN_H
#define IPAM_SHARED_REQUEST_RUN_H

#include "engine/change.h"
#include "registry/registry.h"

struct remote;

/* Changes that are asked alone; the engine's answer is mirrored, and that is all. */
extern const struct change_type change_grow, change_force, change_attach;

/* Ask now, on this thread: what remote_ask does in the background. Takes the change over. */
void ask_run(struct remote *r, struct change *c);

/* Store it, and wait for that. NODE_SURE ends a doubt only where the node is in one, and no other has begun since there were
 * `doubts` (struct node): else -EAGAIN. -EROFS: it was removed elsewhere, which nothing undoes. */
int remote_doubt(struct remote *r, uint64_t node, enum node_doubt doubt, uint32_t doubts);

int64_t remote_now_ms(void);
/* Half of it to all of it, by chance. */
int remote_jitter(int ms);

#endif
