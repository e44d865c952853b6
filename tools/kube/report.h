/* report — Events of Nodes: what `kubectl describe node` shows to people.
 *
 * They are written one after the other by a thread of their own, so that nothing waits for them. Thread-safe.
 */
#ifndef IPAMKUBE_REPORT_H
#define IPAMKUBE_REPORT_H

#include "client.h"

struct reporter;

/* component: who says it. halt: what ends it. NULL: no memory. */
struct reporter *reporter_new(struct client *client, const char *component, int64_t timeout_ms, const struct halt *halt);
/* One of type Warning. What can't be written is only logged: it is news, not state. */
void reporter_add(struct reporter *r, const char *node, const char *uid, const char *reason, const char *message);
/* When all are written, or halted. */
void reporter_end(struct reporter *r);

#endif
