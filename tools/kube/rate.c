#include "rate.h"

void rate_init(struct rate *r, double qps, double burst, int64_t now)
{
	*r = (struct rate){ .qps = qps, .burst = burst < 1 ? 1 : burst, .at = now };
	r->tokens = r->burst;
}

int64_t rate_take(struct rate *r, int64_t now)
{
	double wait;

	if (r->qps <= 0)
		return 0;
	if (now > r->at) {
		r->tokens += (double)(now - r->at) * r->qps / 1000;
		r->at = now;
	}
	if (r->tokens > r->burst)
		r->tokens = r->burst;
	r->tokens -= 1; /* below 0: taken from what is to come */
	wait = -r->tokens * 1000 / r->qps;
	return wait <= 0 ? 0 : (int64_t)wait + 1;
}
