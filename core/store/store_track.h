/* store_track — what changes in a database while another process reads it, so as to follow. */
#ifndef IPAM_STORE_STORE_TRACK_H
#define IPAM_STORE_STORE_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* From now on, keep account of the leases that are changed, and of whether anything else is that store_load_rest doesn't read. The
 * committer's. */
int store_track(struct store *s);
/* What that is: lease ids in ascending order, the caller's to free; false where it was not asked for, or can't be read. */
bool store_tracked(struct store *s, uint64_t **lease, size_t *n, bool *more);

#endif
