/* batch — lines for `delegate`, of several threads, in as few writes as may be.
 *
 * The kernel lets one writer at a time into a file, so each line by itself would be a commit by itself. What comes while a write is
 * under way goes into the next one. A write is done whole or not at all: where one is refused, its lines are written each alone.
 */
#ifndef IPAMKUBE_BATCH_H
#define IPAMKUBE_BATCH_H

#include "site.h"

struct batch;

/* may: asked before each write; where it says no, what waits is -ECANCELED. NULL: no memory. */
struct batch *batch_new(const struct site *s, bool (*may)(void *arg), void *arg);
void batch_free(struct batch *b);
/* As site_delegate. out: the node's blocks, to be freed; none where the mount didn't say. NULL: nobody asks. */
int batch_delegate(struct batch *b, const char *node, const char *labels, const struct pod_cidrs *cidrs, struct blocks *out);

#endif
