/* dry — what the controller would do, told and not done. */
#ifndef IPAMKUBE_DRY_H
#define IPAMKUBE_DRY_H

#include "work.h"

/* Of a run: work.arg. Its worker's alone until that has ended. */
struct dry {
	size_t changed, refused; /* would be */
};

/* In the place of reconcile (work.h), by one worker: a line on stdout for each Node that wouldn't stay as it is. It reads, and writes
 * neither to the mount nor to the API. */
struct result dry_look(struct worker *w, struct task *task);
/* The last line. A status: CLI_REFUSED where a Node would be left alone. */
int dry_end(const struct dry *d);

#endif
