/* view_report — what reports walk. The caller holds the lock for looking. */
#ifndef IPAM_VIEW_VIEW_REPORT_H
#define IPAM_VIEW_VIEW_REPORT_H

struct ipam_lease_view;
struct ipam_node_view;
struct lease;
struct node;
struct registry;

/* As a report has them; what they point to is memory's. */
void view_node(const struct node *n, struct ipam_node_view *out);
void view_lease(const struct registry *r, const struct lease *l, struct ipam_lease_view *out);

#endif
