/* etcd_stream — what a watch answers: an object of JSON a line, in pieces of any size. */
#ifndef IPAM_ETCD_ETCD_STREAM_H
#define IPAM_ETCD_ETCD_STREAM_H

#include "etcd/etcd.h"

struct etcd_stream {
	const char *endpoint;                                                           /* for messages */
	int (*events)(void *arg, const struct etcd_kv *kv, size_t n, int64_t revision); /* as etcd_watch has it */
	void *arg;
	struct ipam_error *error; /* what ended it */
	int64_t compacted;        /* -ESTALE: up to where */
	char *line;               /* what has come of one */
	size_t size, room;
	int rc;
};

/* 0; or what ends it, from then on, as etcd_watch returns it. */
int etcd_stream_take(struct etcd_stream *s, const char *data, size_t n);
void etcd_stream_free(struct etcd_stream *s); /* what it holds */

#endif
