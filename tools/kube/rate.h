/* rate — a token bucket, as client-go limits its requests: `qps` a second, and `burst` at once after a rest. */
#ifndef IPAMKUBE_RATE_H
#define IPAMKUBE_RATE_H

#include <stdint.h>

struct rate {
	double qps;   /* tokens a second; 0: no limit */
	double burst; /* at most so many are kept */
	double tokens;
	int64_t at; /* when it was filled last, in ms */
};

void rate_init(struct rate *r, double qps, double burst, int64_t now);
/* Takes one token: how long to wait before it may be used, in ms. Not thread-safe. */
int64_t rate_take(struct rate *r, int64_t now);

#endif
