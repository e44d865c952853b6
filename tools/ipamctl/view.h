/* view — what commands read of a mount as a whole, by its files. */
#ifndef IPAMCTL_VIEW_H
#define IPAMCTL_VIEW_H

#include "ctl.h"

#include "json_text.h"

struct view {
	const char *mount, *cluster; /* cluster NULL: all */
	struct names clusters;       /* those meant, sorted */
};

/* Fills in clusters from mount and cluster as they were said: a status, with the message given. */
int view_open(struct view *v);
void view_close(struct view *v);

/* The lines of a file below a cluster's .ipam, without their ends: fn returns a status, and others than CTL_DONE end it. */
int view_lines(const struct view *v, const char *cluster, const char *file, int (*fn)(void *arg, char *line), void *arg);

struct view_block {
	const char *cluster, *node;
	char text[CIDR_TEXT];
	struct cidr cidr;
	long double used, total; /* addresses: of IPv6 there may be more than 64 bits count */
};
int view_blocks(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct view_block *b), void *arg);
/* Each lease, as leases.json has it; fn borrows the object. */
int view_leases(const struct view *v, const char *cluster, int (*fn)(void *arg, json_t *lease), void *arg);
/* The ranges of 'reserved'. */
int view_reserved(const struct view *v, const char *cluster, int (*fn)(void *arg, const struct cidr_range *r), void *arg);

#endif
