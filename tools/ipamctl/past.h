/* past — where a command finds the history of a mount or a database. */
#ifndef IPAMCTL_PAST_H
#define IPAMCTL_PAST_H

#include "ipam.h"

#include <jansson.h>
#include <stdint.h>

struct past {
	struct ipam_history *history; /* the database itself, by its indexes */
	char *file;                   /* or, for who may not read that, the mount's file */
};

/* database NULL: the mount's (mount NULL: the default one). A status of cli/say.h, with the message given. */
int past_open(struct past *p, const char *mount, const char *database);
void past_close(struct past *p);
/* Each event of an address or block (NULL: all), in order: fn borrows the object, and returns 0 to go on. A status. */
int past_each(struct past *p, const char *address, int64_t before, int (*fn)(void *arg, json_t *event), void *arg);
/* Who holds the address now, as an event of kind "present". */
int past_present(struct past *p, const char *address, int (*fn)(void *arg, json_t *event), void *arg);

#endif
