/* kube — what the parts of ipamkube share: exit status, log, time. Thread-safe. */
#ifndef IPAMKUBE_KUBE_H
#define IPAMKUBE_KUBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

enum { KUBE_DONE = 0, KUBE_REFUSED = 1, KUBE_USAGE = 2 };

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name */
	const char *summary;               /* a line for the list */
	const char *usage;                 /* whole, from "usage:" on */
};

extern const struct command command_controller, command_agent;

/* "ipamkube: ..." on stderr, of what ends the program; returns the status given. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of the log, "ipamkube: warning: ..."; priority is syslog's. */
void say(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Milliseconds, also of the time in which the machine slept: a lease runs out then, too. */
int64_t now_ms(void);
/* Up to a tenth more or less, so that many don't ask at once. */
int64_t jitter(int64_t ms);
/* How long to wait after the n-th failure in a row (from 1): twice as long each time, at most `most`, with jitter. */
int64_t backoff(unsigned n, int64_t least, int64_t most);
/* "15s", "1m30s", "500ms", "1.5s" or plain seconds. -EINVAL. */
int parse_duration(const char *s, int64_t *ms);

#endif
