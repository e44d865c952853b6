/* view — what others see of memory. All from there, under the lock for looking; nothing here changes anything.
 *
 * What is pending, reserved by a change that isn't durable yet, is nobody's to see.
 */
#ifndef IPAM_VIEW_H
#define IPAM_VIEW_H

#include "engine.h"

/* By id; NULL: there is none, or it is pending. */
struct cluster *view_visible_cluster(const struct ipam *ipam, uint64_t id);
struct node *view_visible_node(const struct ipam *ipam, uint64_t id);

/* As a report has them; what they point to is memory's. */
void view_node(const struct node *n, struct ipam_node_view *out);
void view_lease(const struct registry *r, const struct lease *l, struct ipam_lease_view *out);

#endif
