/* text — what users write into the files: names, lists of prefixes and ranges, settings, a lease's addresses.
 *
 * Pure parsers, thread-safe. In the line formats, blanks around words, empty lines and everything from '#' to the end of
 * its line don't count; a NUL byte is -EINVAL. Arrays handed out are the caller's to free.
 */
#ifndef IPAM_TEXT_TEXT_H
#define IPAM_TEXT_TEXT_H

#include "base/cidr.h"

struct ipam_reserved;
struct settings;

struct text_cidr {
	struct cidr cidr;
	uint8_t node_mask;
	char *selector; /* canonical; NULL: none */
};

/* "CIDR [NODE-MASK] [selector=REQ[,REQ...]]" a line; the mask defaults to 24 and 64, as kube-controller-manager's. -EINVAL
 * also for a mask shorter than the CIDR or longer than 30 (126); -EEXIST where two of the list overlap. */
int text_cidrs(const char *s, size_t n, struct text_cidr **out, size_t *count);
void text_cidrs_free(struct text_cidr *list, size_t count);
/* "CIDR", "ADDRESS" or "FIRST-LAST" a line, and the word "services" behind it where it is theirs; and such a line, without its end. */
int text_ranges(const char *s, size_t n, struct ipam_reserved **out, size_t *count);
enum { TEXT_RESERVED = CIDR_RANGE_TEXT + 9 };
size_t text_print_reserved(const struct ipam_reserved *r, char out[TEXT_RESERVED]);
/* "CIDR" a line; -EINVAL where one stands twice, or there is none. */
int text_blocks(const char *s, size_t n, struct cidr **out, size_t *count);
/* "KEY VALUE" a line. */
int text_settings(const char *s, size_t n, struct settings *out);

struct text_lease {
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
	uint8_t len[CIDR_FAMILIES]; /* the family's bits where none was written */
	struct cidr_range *range;   /* alternatives, in order; the caller's to free */
	size_t ranges;
};
/* "ADDRESS[/LEN]" a line, at most one a family, or "FIRST-LAST", any number of them for a family that has no address. At
 * least one line. */
int text_lease(const char *s, size_t n, struct text_lease *out);
/* A name that is an address: true, and which.. */
bool text_is_address(const char *name, uint8_t *family, u128 *addr);

#endif
