/* release — before a block goes: whose it was is asked for by name. */
#ifndef IPAMKUBE_RELEASE_H
#define IPAMKUBE_RELEASE_H

#include "work.h"

/* May the mount's node lose those of its blocks that its Node doesn't have, which are somebody else's then? SETTLED: yes, now.
 * Else what the worker is to answer. The API is asked for the Node by its name, it has said the same for some seconds, and it hasn't lost
 * many Nodes at once. */
struct result release(struct worker *w, struct task *task, const struct blocks *mount);

#endif
