/* fake_etcd — an etcd in this process: keys with their past, transactions, leases, watches, as etcd's gateway answers, and the faults that
 * a test orders one by one. What is asked of it and what it does is a trace, a line each, to be compared as a whole.
 *
 * Who asks is known by the endpoint: that of machine w1 is "w1:1", or "w1-a:1,w1-b:1" where it has two.
 */
#ifndef TESTS_FAKE_ETCD_H
#define TESTS_FAKE_ETCD_H

#include "etcd/etcd_call.h"

#define FAKE_PREFIX "/ipam"

void fake_begin(void); /* an empty one, for all clients that are made from now on */
void fake_end(void);

/* ---- what it has */
int64_t fake_revision(void);
void fake_put(const char *key, const char *value); /* by somebody; keys without the prefix; NULL: deleted */
const char *fake_id(const char *of);               /* of what the trace calls "cluster NAME" or "node NAME"; valid until the next call */

/* ---- what goes wrong */
enum fake_fault {
	FAKE_NO_REQUEST = 1, /* it doesn't arrive, though it was sent */
	FAKE_NO_ANSWER,      /* it is done, and the answer is lost */
	FAKE_LATE,           /* it is lost, and will be done by fake_late */
	FAKE_LATE_CUT,       /* the same, and its machine reaches nobody from then on */
	FAKE_COPIED,         /* it is done and answered, and a copy will be done by fake_late */
	FAKE_TWICE,          /* something in between makes two of it, one after the other, and passes on the second answer */
};
/* To the next transaction of this machine that is traced. */
void fake_fault(const char *machine, enum fake_fault fault);
void fake_late(void);
void fake_cut(const char *machine, bool is);  /* it reaches nobody; of an endpoint ("w1-a"): that member is away */
void fake_hang(const char *machine, bool is); /* the same, only that nobody says so: its requests wait for their time to be over */
void fake_refuse(const char *machine, long status, const char *reply); /* of its transactions; NULL: no longer */
void fake_password(const char *password);     /* who asks must have logged in with it; a token that was given before is void */
void fake_hold(const char *machine, bool is); /* its watch hears nothing, until: */
bool fake_is_held(const char *machine);       /* or cut off */
void fake_tell(const char *machine);          /* of one more revision */
void fake_slow(int ms);                       /* so long takes a read of all that lies under the prefix */
void fake_drop_watches(void);
void fake_compact(void);               /* all but what is there now */
void fake_restore(int64_t revision);   /* from a snapshot of then: what came later never was */
void fake_exchange(bool empty);        /* another cluster, with the same keys or none */
void fake_split(const char *endpoint); /* this one is of another cluster; NULL: none is */
void fake_expire(const char *machine); /* the time of its lease is over */

/* ---- the trace: of transactions that are about keys with this in them ("state/", to begin with) */
void fake_trace_too(const char *part);
void fake_name(const char *machine_id, const char *name);
void fake_say(const char *line);
char *fake_trace(void);  /* since the last; the caller's to free */
size_t fake_lines(void); /* in it */

#endif
