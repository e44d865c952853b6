/* queue — of the Nodes that are known, those to be looked at: workers take one each. */
#ifndef IPAMKUBE_QUEUE_H
#define IPAMKUBE_QUEUE_H

#include "halt.h"
#include "table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With the lock held. */
int queue_reserve(struct table *t); /* room for all entries: -ENOMEM */
void queue_add(struct table *t, struct known *e, int64_t due);
void queue_drop(struct table *t, struct known *e);

/* Waits for one that is due; false when the table was closed. */
bool table_take(struct table *t, struct task *out);
/* Puts it back. reason: of OUTCOME_REFUSED. */
void table_done(struct table *t, struct task *task, enum outcome outcome, enum refusal reason);
/* A patch is sent; it was answered. */
void table_sent(struct table *t, struct task *task, bool sent);
/* The Node has these podCIDRs now. */
void table_patched(struct table *t, struct task *task, const struct pod_cidrs *cidrs);
/* May this be said of it? Not again and again. */
bool table_may_say(struct table *t, const struct task *task, const char *text);
/* Workers take none any more. */
void table_close(struct table *t);

/* Until nothing is due, or halted (true). */
bool table_drain(struct table *t, const struct halt *halt);
/* Until all are settled, refused, or tried so often; the number that isn't settled. */
size_t table_settle(struct table *t, unsigned tries, const struct halt *halt);

#endif
