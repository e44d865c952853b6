/* A node's labels: what they are counts when it gets its next block. */
#include "change/labels.h"

#include "engine/engine.h"
#include "engine/history.h"
#include "registry/registry.h"
#include "shared/request_node.h"
#include "text/text_node.h"

#include <errno.h>
#include <stdlib.h>

static int labels_reserve(struct ipam *ipam, struct change *c)
{
	struct node *n = registry_node(&ipam->registry, c->id);
	int rc = n == NULL || n->pending ? -ENOENT : 0;

	/* The gate before the text, which is laid over what a change in flight may leave. */
	if (rc == 0)
		rc = enter_node_exclusive(ipam, c, n);
	if (rc != 0)
		return rc;
	rc = text_labels(c->text, c->size, c->append ? n->labels : NULL, &c->labels);
	if (rc < 0)
		leave_node_exclusive(c);
	return rc;
}

static int labels_apply(struct ipam *ipam, struct change *c)
{
	int rc = store_put_labels(ipam->store, c->id, c->labels);

	return history_add_list(ipam, c, "labels", rc, history_labels(c->labels));
}

static void labels_settle(struct ipam *ipam, struct change *c)
{
	struct node *n = c->node;

	(void)ipam;
	leave_node_exclusive(c);
	if (c->error < 0)
		return;
	free(n->labels);
	n->labels = c->labels[0] == 0 ? NULL : c->labels;
	if (n->labels != NULL)
		c->labels = NULL;
	n->grow_after = 0; /* other CIDRs may have room */
	touch_attr(&n->attr, c->now);
}

/* Always durable, as the delegations that are made by it. */
const struct change_type change_node_labels = { .share = share_node_labels,
						.reserve = labels_reserve,
						.apply = labels_apply,
						.settle = labels_settle,
						.several = true,
						.delegation = true };
