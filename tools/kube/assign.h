/* assign — a Node without podCIDRs is given some. */
#ifndef IPAMKUBE_ASSIGN_H
#define IPAMKUBE_ASSIGN_H

#include "work.h"

#include <stdbool.h>

struct result assign(struct worker *w, struct task *task, bool mounted, const struct blocks *mount);

#endif
