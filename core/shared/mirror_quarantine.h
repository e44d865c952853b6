/* mirror_quarantine — blocks that rest, since their node was removed by force, as the engine has them. */
#ifndef IPAM_SHARED_MIRROR_QUARANTINE_H
#define IPAM_SHARED_MIRROR_QUARANTINE_H

#include <stdint.h>

struct cidr;
struct remote;

/* A block rests, or (until 0) does so no longer. */
int mirror_rest(struct remote *r, uint64_t cluster, const struct cidr *cidr, int64_t until, int64_t revision);
void mirror_rests_forget(struct remote *r);
/* Rests that are over: their slots can be given. */
void mirror_rests_end(struct remote *r);

#endif
