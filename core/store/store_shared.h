/* store_shared — what of the database mirrors what machines share, and who this machine is. */
#ifndef IPAM_STORE_STORE_SHARED_H
#define IPAM_STORE_STORE_SHARED_H

#include <stdint.h>

struct store;

int store_put_cluster_shared(struct store *s, uint64_t id, uint64_t shared, int64_t revision);
int store_put_node_shared(struct store *s, uint64_t id, uint64_t shared, int64_t revision, unsigned held);
int store_put_node_doubt(struct store *s, uint64_t id, unsigned doubt);
/* Who this machine is: a value by its key. get: *value is the caller's to free; -ENOENT none. */
int store_get_engine(struct store *s, const char *key, char **value);
int store_put_engine(struct store *s, const char *key, const char *value);

#endif
