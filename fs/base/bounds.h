/* bounds — how many of the daemon's descriptors users may have for what they hold open: a user who opens and opens leaves some for others,
 * and all of them together leave some for root and for the daemon itself. Thread-safe. */
#ifndef IPAMFS_BOUNDS_H
#define IPAMFS_BOUNDS_H

#include <stdint.h>

struct bounds;
int bounds_new(struct bounds **out); /* by the limit that this process has; -ENOMEM */
void bounds_free(struct bounds *b);  /* NULL is fine */
/* One more of a user's: -EMFILE where he has an eighth of all, -ENFILE where users have three quarters together, -ENOMEM. Root and who
 * mounted aren't counted. */
int bounds_take(struct bounds *b, uint32_t uid);
/* The same of one that is open already. */
void bounds_found(struct bounds *b, uint32_t uid);
void bounds_give(struct bounds *b, uint32_t uid);

#endif
