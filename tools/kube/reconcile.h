/* reconcile — what the controller does with a Node. */
#ifndef IPAMKUBE_RECONCILE_H
#define IPAMKUBE_RECONCILE_H

#include "work.h"

struct result reconcile(struct worker *w, struct task *task);

#endif
