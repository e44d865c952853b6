/* foreign — what programs write in formats that aren't ours: host-local's files, lists of attributes, imports. Pure parsers,
 * thread-safe. What they hand out points into what they were given.
 */
#ifndef IPAMFS_FOREIGN_H
#define IPAMFS_FOREIGN_H

#include "buffer.h"
#include "ipam.h"

#include <jansson.h>

#define FOREIGN_LAST "last_reserved_ip."

/* ---- host-local: names and contents of its files */
/* The N of last_reserved_ip.N. */
bool foreign_last(const char *name, unsigned *range);
/* A name that is an address, written as we write it. */
bool foreign_address(const char *name, uint8_t *family, u128 *addr);
/* "ID" or "ID CRLF IFNAME" (or LF, as older versions wrote): attributes, how many; 0: neither. */
size_t foreign_reservation(const char *text, size_t size, struct ipam_attribute out[2]);
/* What stands in last_reserved_ip.N. -EINVAL. */
int foreign_last_address(const char *text, size_t size, uint8_t *family, u128 *addr);

/* ---- user.ipam.attributes: "NAME=VALUE", each with a NUL behind it. text has size + 1 bytes, the last a NUL, and is cut up.
 * -EINVAL: not so, or more than there is room for. */
int foreign_attributes(char *text, size_t size, struct ipam_attribute *out, size_t room, size_t *n);

/* ---- imports: an object a lease, {"node": "worker-1", "name": "web-0", "addresses": ["10.244.0.5", "fd00::5/64"],
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
int foreign_import_parse(struct foreign_import *m, const char *text, size_t size, struct buffer *report);
void foreign_import_free(struct foreign_import *m);

/* Whether a text that comes in pieces is whole by now: all that began has ended, rightly or not. Starts as zeros. */
struct foreign_scan {
	bool string, escaped;
	int64_t depth;
};
void foreign_scan(struct foreign_scan *s, const char *text, size_t size);
bool foreign_scan_whole(const struct foreign_scan *s);

#endif
