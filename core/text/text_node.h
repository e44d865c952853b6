/* text_node — lines that are about nodes: their labels, and those that are to be made. As text.h has it. */
#ifndef IPAM_TEXT_TEXT_NODE_H
#define IPAM_TEXT_TEXT_NODE_H

#include <stddef.h>

struct cidr;

/* "KEY=VALUE" a line, laid over the canonical `old` (NULL: none): as labels_make. */
int text_labels(const char *s, size_t n, const char *old, char **out);

/* A node to be made. */
struct text_node {
	char *name, *labels; /* labels: canonical */
	struct cidr *cidr;   /* exactly these blocks; none: what is free */
	size_t cidrs;
};
/* "NODE [KEY=VALUE ...] [CIDR ...]" a line, in any order after the name. -EINVAL also for none, or more than
 * IPAM_DELEGATE_LINES, and for a bad name; -EEXIST where a name stands twice; -ENOSPC as labels_make. */
int text_nodes(const char *s, size_t n, struct text_node **out, size_t *count);
void text_nodes_free(struct text_node *list, size_t count);

#endif
