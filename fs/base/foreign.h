/* foreign — what programs write in formats that aren't ours: host-local's files, lists of attributes. Pure parsers,
 * thread-safe. What they hand out points into what they were given.
 */
#ifndef IPAMFS_FOREIGN_H
#define IPAMFS_FOREIGN_H

#include "ipam.h"

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

#endif
