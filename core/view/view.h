/* view — what others see of memory. All from there, under the lock for looking; nothing here changes anything.
 *
 * What is pending, reserved by a change that isn't durable yet, is nobody's to see.
 */
#ifndef IPAM_VIEW_VIEW_H
#define IPAM_VIEW_VIEW_H

#include <stdint.h>

struct cluster;
struct ipam;
struct node;

/* By id; NULL: there is none, or it is pending. */
struct cluster *view_visible_cluster(const struct ipam *ipam, uint64_t id);
struct node *view_visible_node(const struct ipam *ipam, uint64_t id);

#endif
