/* prune — of the text of an object that alone which is wanted. */
#ifndef IPAMCTL_KUBE_PRUNE_H
#define IPAMCTL_KUBE_PRUNE_H

#include <stddef.h>

struct kube_wanted {
	const char *key;                             /* NULL: the end */
	enum { KUBE_ALL, KUBE_MARK, KUBE_INTO } how; /* the value; that there is one; of an object what `into` wants */
	const struct kube_wanted *into;
};
/* The text of an object with that alone, which is no longer than the whole: *out_size bytes. Otherwise what is wrong
 * with the text, and *out_size says where. */
const char *kube_prune(const char *text, size_t size, const struct kube_wanted *wanted, char *out, size_t *out_size);

#endif
