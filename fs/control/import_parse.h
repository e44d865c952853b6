/* import_parse — what is written to 'import'. A pure parser, thread-safe. What it hands out points into what it was given. */
#ifndef IPAMFS_IMPORT_PARSE_H
#define IPAMFS_IMPORT_PARSE_H

#include "fs/base/buffer.h"
#include "ipam.h"

#include <jansson.h>

/* An object a lease, {"node": "worker-1", "name": "web-0", "addresses": ["10.244.0.5", "fd00::5/64"],
 * "attributes": {"pod": "default/web-0"}}; one without a name a node: {"node": "worker-1", "cidrs": ["10.244.0.0/24"],
 * "labels": {"zone": "a"}}, of which labels may be left out.
 * Other keys are passed over. They come in an array, or one after the other. */
struct foreign_import {
	json_t *json;  /* an array of objects; the strings are borrowed from it */
	size_t weight; /* of them */
	struct ipam_import *list;
	struct ipam_attribute *attribute;
	struct cidr *cidr;
	struct buffer *labels; /* one each, */
	size_t objects;        /* of which there are so many */
	size_t n, attributes, cidrs;
};
/* What the entries of one import may take in memory: some 400,000 leases with a few attributes. */
#define FOREIGN_IMPORT_WEIGHT ((size_t)512 << 20)
/* -EINVAL, or -EFBIG: more than that; with a line in report that says where; -ENOMEM. To be freed in any case. */
int foreign_import_parse(struct foreign_import *r, const char *text, size_t size, struct buffer *report);
void foreign_import_free(struct foreign_import *r);

/* Whether a text that comes in pieces is whole by now: all that began has ended, rightly or not. Starts as zeros. */
struct foreign_scan {
	bool string, escaped;
	int64_t depth;
};
void foreign_scan(struct foreign_scan *s, const char *text, size_t size);
bool foreign_scan_whole(const struct foreign_scan *s);

#endif
