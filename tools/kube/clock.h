/* clock — time, and how long to wait. Thread-safe. */
#ifndef IPAMKUBE_CLOCK_H
#define IPAMKUBE_CLOCK_H

#include <stdint.h>

/* Milliseconds, also of the time in which the machine slept: a lease runs out then, too. */
int64_t now_ms(void);
/* Up to a tenth more or less, so that many don't ask at once. */
int64_t jitter(int64_t ms);
/* How long to wait after the n-th failure in a row (from 1): twice as long each time, at most `most`, with jitter. */
int64_t backoff(unsigned n, int64_t least, int64_t most);
/* "15s", "1m30s", "500ms", "1.5s" or plain seconds. -EINVAL. */
int parse_duration(const char *s, int64_t *ms);

#endif
