/* view — what commands read of a mount as a whole, by its files. */
#ifndef IPAMCTL_VIEW_H
#define IPAMCTL_VIEW_H

#include "base/cidr.h"
#include "base/json_text.h"
#include "names.h"
#include "progress.h"

#include <jansson.h>

struct view {
	const char *mount, *cluster, *node; /* cluster NULL: all; node NULL: all of them */
	struct names clusters;              /* those meant, sorted */
	struct progress *progress;          /* a step a lease, if any */
};

/* Fills in clusters from what was said, those that have the node: a status, with the message given. */
int view_open(struct view *v);
void view_close(struct view *v);
/* As names_read, below the mount. */
int view_names(const struct view *v, const char *below, bool directories, struct names *out);
/* How many leases there are, for the progress. */
uint64_t view_count(const struct view *v);

/* The lines of a file below .ipam, of a cluster or "cluster/node", without their ends: fn returns a status, and others than
 * CLI_DONE end it. What isn't there (any more) has none. */
int view_lines(const struct view *v, const char *below, const char *file, int (*fn)(void *arg, char *line), void *arg);

struct view_block {
	const char *cluster, *node;
	char text[CIDR_TEXT];
	struct cidr cidr;
	long double used, total; /* addresses: of IPv6 there may be more than 64 bits count */
};
/* Of the node alone, if one is meant. */
int view_blocks(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct view_block *b), void *arg);
/* Each lease of a cluster or "cluster/node" at one moment, as leases.json has it; fn borrows the object, and is told whether
 * bytes of it that are no UTF-8 were replaced (or may have been). hint, or NULL: only those that have it in their text. */
int view_leases(const struct view *v, const char *below, const char *hint, int (*fn)(void *arg, json_t *lease, bool lossy), void *arg);
/* The ranges of 'reserved'. */
int view_reserved(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct cidr_range *r), void *arg);

/* A count: a whole number as long as those who read JSON take it for one. */
json_t *view_number(long double n);

#endif
