/* snapshot — every lease as it was at one moment, read in portions while changes go on.
 *
 * A change saves a lease as it is before it changes it, for each snapshot that hasn't come by there yet. So memory goes with
 * what changes meanwhile, and nobody waits longer than for one portion. All of it but next and end runs under the engine's
 * lock for changing, which protects the snapshots; next moves its own place under the lock for looking.
 */
#ifndef IPAM_VIEW_SNAPSHOT_H
#define IPAM_VIEW_SNAPSHOT_H

#include <stdint.h>

struct ipam;

/* Before a lease that others see changes in any way; */
void snapshot_keep(struct ipam *ipam, uint32_t handle);
/* before it is removed, pending or not; */
void snapshot_remove(struct ipam *ipam, uint32_t handle);
/* before one that was pending is seen. */
void snapshot_appear(struct ipam *ipam, uint32_t handle);

#endif
