/* fake_trace — what was asked of etcd, as lines that a reader follows: keys by what they are about, ids and revisions by the order in
 * which they came. With the lock of fake_etcd. */
#ifndef TESTS_FAKE_TRACE_H
#define TESTS_FAKE_TRACE_H

#include "fake_etcd.h"
#include "shared/record.h"

void fake_trace_begin(void);
/* Whether a transaction is about anything that is traced. */
bool fake_trace_has(const json_t *request);
/* revision: the store's; 0: it didn't get there. remark: what became of it else, or NULL. */
void fake_trace_txn(const char *machine, const json_t *request, bool done, int64_t revision, const char *remark);

#endif
