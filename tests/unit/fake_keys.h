/* fake_keys — the keys of an etcd and their past, in memory; requests and answers are those of the gateway. Not thread-safe. */
#ifndef TESTS_FAKE_KEYS_H
#define TESTS_FAKE_KEYS_H

#include "etcd/etcd_call.h"

struct fake_version;
struct fake_keys {
	struct fake_version *log; /* each put and each deletion, in the order of their revisions */
	size_t count;
	int64_t revision, compacted;
};

void fake_keys_free(struct fake_keys *k);
void fake_keys_put(struct fake_keys *k, const char *key, const char *value); /* NULL: deleted */
/* Of the record whose key ends so: "cluster NAME", "node NAME"; "" where there is none. */
void fake_keys_id(const struct fake_keys *k, const char *of, char id[17]);
/* Into the answer: its kvs. */
void fake_keys_range(const struct fake_keys *k, const json_t *request, json_t *answer);
/* true: the compares held, and it is done. */
bool fake_keys_txn(struct fake_keys *k, const json_t *request, json_t *answer);
/* Those of the first revision from *from on that has any which the watch is about; *from is the one after then. NULL: none. */
json_t *fake_keys_events(const struct fake_keys *k, const json_t *create, int64_t *from, int64_t *at);
void fake_keys_expire(struct fake_keys *k, int64_t lease);
void fake_keys_restore(struct fake_keys *k, int64_t revision);

#endif
