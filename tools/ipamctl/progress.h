/* progress — a bar on stderr, if that is a terminal; otherwise nothing. */
#ifndef IPAMCTL_PROGRESS_H
#define IPAMCTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* A bar on stderr, if that is a terminal; otherwise nothing. total 0: not known. */
struct progress {
	const char *what;
	uint64_t total, done;
	int64_t begun, shown; /* monotonic, nanoseconds */
	bool on;
};
void progress_begin(struct progress *p, const char *what, uint64_t total, bool wanted);
void progress_step(struct progress *p);
void progress_to(struct progress *p, uint64_t done);
void progress_end(struct progress *p);

#endif
