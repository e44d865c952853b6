/* read — a JSON text of any length, a value at a time. */
#ifndef IPAMCTL_KUBE_READ_H
#define IPAMCTL_KUBE_READ_H

#include "ipamctl/kube/prune.h"
#include "ipamctl/progress.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Looks at one object; gives NULL, or what is wrong with it. hint: what kind it should be, where that is known. */
typedef const char *kube_taker(void *arg, const char *hint, json_t *object);

struct kube_reader {
	const char *name; /* for messages */
	int fd;
	struct progress *progress;        /* a step each KiB; or NULL */
	const struct kube_wanted *wanted; /* of each object; NULL: all of it */
	char *pruned;
	size_t pruned_room;
	char *buf;
	size_t room, at, end; /* what is unread is buf[at..end) */
	uint64_t base;        /* the offset of buf[0] in the file */
	uint64_t steps;
	int error; /* of read(2), or ENOMEM */
};
/* A status, with the message given. The objects of Kubernetes' lists, of which there may be several, one after the
 * other. */
int kube_read_lists(struct kube_reader *r, kube_taker *take, void *arg);
/* The objects of an array. */
int kube_read_array(struct kube_reader *r, kube_taker *take, void *arg);
void kube_reader_end(struct kube_reader *r);

#endif
