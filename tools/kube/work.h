/* work — workers, each of which makes the mount and the API say the same of a Node at a time. */
#ifndef IPAMKUBE_WORK_H
#define IPAMKUBE_WORK_H

#include "batch.h"
#include "leader.h"
#include "report.h"
#include "table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NO_BLOCK_REASON "CIDRNotAvailable"
#define FAILED_REASON "CIDRAssignmentFailed"

struct worker;

/* How it went with one Node. */
struct result {
	enum outcome outcome;
	enum refusal reason;
};

#define SETTLED ((struct result){ OUTCOME_SETTLED, REFUSED_NOT })
#define AGAIN ((struct result){ OUTCOME_AGAIN, REFUSED_NOT })
#define RETRY ((struct result){ OUTCOME_RETRY, REFUSED_NOT })

/* What they share, while this one leads and the selectors name the same labels. */
struct work {
	struct result (*look)(struct worker *w, struct task *task); /* at one Node */
	void *arg;                                                  /* the command's own */
	const struct options *options;
	const struct site *site;
	struct client *client;
	struct leader *leader;   /* NULL: nobody is asked who leads */
	const struct halt *halt; /* gives up what waits for the server */
	struct reporter *reporter;
	struct table *table;
	struct batch *batch;     /* the controller's */
	const struct keys *keys; /* labels that are kept */
	_Atomic int64_t keys_at; /* ms: when they were what the selectors name */
	struct halt *relist;     /* set: what is known here isn't so */
	_Atomic int64_t held_at; /* ms: when it was said last that blocks aren't freed because many Nodes are gone */
	/* its own */
	struct worker *worker;
	unsigned workers;
};

/* A worker's own. */
struct worker {
	struct work *work;
	struct conn *conn;
	pthread_t thread;
};

/* Threads that take Nodes from the table. -errno; work_end in any case. */
int work_begin(struct work *work, unsigned workers);
/* When what they have in hand is done. */
void work_end(struct work *work);

/* May the mount and the API be written to still? */
bool work_may_write(const struct worker *w);
/* A request of a worker: its timeout is filled in, and it isn't made when this one doesn't lead any more. As conn_call. */
int work_call(struct worker *w, struct call *call, struct answer *out);
/* "/api/v1/nodes/NAME" and what follows it: to be freed; NULL: no memory. */
char *work_path(const char *node, const char *rest);
/* A failure that may pass: logged now and then. */
struct result work_failed(struct worker *w, const struct task *task, const char *what, int rc);
/* Is this the time to say so? */
bool work_is_news(const struct task *task);
/* Reported as an Event and in the log, if it is news. */
struct result work_refuse(struct worker *w, const struct task *task, enum refusal refusal, const char *reason, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
