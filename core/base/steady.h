/* steady — a clock to end things by: the wall clock, but one that was put forward is believed only when it has stayed so.
 *
 * What ends by a wall clock that jumps can't be taken back: leases by their ttl, rests, and all of the history. So time goes on here as
 * the monotonic clock does, until the wall clock has been ahead for `confirm`. A wall clock that is put back is believed at once: things
 * end later. Pure: who calls brings both times, in nanoseconds.
 */
#ifndef IPAM_BASE_STEADY_H
#define IPAM_BASE_STEADY_H

#include <stdbool.h>
#include <stdint.h>

struct steady {
	int64_t confirm;
	int64_t now;    /* as it is believed */
	int64_t passed; /* the monotonic clock then */
	int64_t since;  /* since when on that the wall clock is ahead; only where it is */
	bool ahead;
};

/* known: a moment that has been, 0: none is known. One that is long ago and a clock that was put forward look the same. */
void steady_begin(struct steady *s, int64_t confirm, int64_t known, int64_t wall, int64_t passed);
/* What time it is. s->ahead says whether it is the wall clock's. */
int64_t steady_now(struct steady *s, int64_t wall, int64_t passed);

#endif
