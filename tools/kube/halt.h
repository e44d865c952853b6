/* halt — the wish that something ends, which wakes whatever waits.
 *
 * Set once, by any thread; a thread that sleeps or waits for a server polls the descriptor too. A halt may hang on another one: what
 * ends the program ends its parts.
 */
#ifndef IPAMKUBE_HALT_H
#define IPAMKUBE_HALT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct halt {
	const struct halt *also; /* set when this one is; NULL: none */
	int fd;                  /* an eventfd, readable once it is set */
	atomic_bool set;
};

int halt_init(struct halt *h, const struct halt *also); /* -errno */
void halt_close(struct halt *h);
void halt_set(struct halt *h);
void halt_clear(struct halt *h);
bool halt_is(const struct halt *h);
/* Sleeps; true if it was halted before or meanwhile. ms < 0: until then. */
bool halt_sleep(const struct halt *h, int64_t ms);

/* SIGTERM and SIGINT set it from now on; before any other thread is started. -errno. */
int halt_on_signals(struct halt *h);

#endif
