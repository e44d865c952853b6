/* usage — how full clusters, nodes or blocks are, and how to draw that. */
#ifndef IPAMCTL_USAGE_H
#define IPAMCTL_USAGE_H

#include "base/cidr.h"
#include "view.h"

enum usage_by { USAGE_CLUSTER, USAGE_NODE, USAGE_BLOCK };

struct usage_row {
	const char *cluster; /* the view's */
	char *node;
	struct cidr cidr; /* of a block */
	long double used[CIDR_FAMILIES], total[CIDR_FAMILIES];
	long double part; /* 0 to 1 */
	unsigned family;  /* the one that decides */
};

struct usage {
	const struct view *view;
	enum usage_by by;
	struct usage_row *row; /* the fullest first */
	size_t n, room;
};

/* A status; rows of before are forgotten. */
int usage_read(struct usage *u);
void usage_free(struct usage *u);
int usage_fullest(const void *a, const void *b); /* for qsort */

int usage_width(void); /* of the terminal, or 80 */
/* As wide as `width` when full; eighths of a cell where the terminal knows them. */
void usage_bar(long double part, int width, bool utf8);
const char *usage_color(long double part);
size_t usage_length(const char *s); /* in characters */
void usage_padded(const char *s, size_t width);

#endif
