/* ctl — what the commands of ipamctl share. Exit status: 0 done, 1 findings or refused, 2 usage. */
#ifndef IPAMCTL_CTL_H
#define IPAMCTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

enum { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2 };

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name */
	const char *summary;               /* a line for the list */
	const char *usage;                 /* whole, from "usage:" on */
};

extern const struct command command_init, command_check;

/* "ipamctl: ..." on stderr; returns the status given. */
int ctl_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The word nearest to a mistyped one, or NULL where none is near. words ends with NULL. */
const char *ctl_suggest(const char *word, const char *const *words);
/* The database of a mount, for a directory that is one: true, and its path. */
bool ctl_mount_source(const char *directory, char out[4096]);

/* A bar on stderr, if that is a terminal; otherwise nothing. total 0: not known. */
struct progress {
	const char *what;
	uint64_t total, done;
	int64_t begun, shown; /* monotonic, nanoseconds */
	bool on;
};
void progress_begin(struct progress *p, const char *what, uint64_t total, bool wanted);
void progress_step(struct progress *p);
void progress_end(struct progress *p);

#endif
