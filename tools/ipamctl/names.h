/* names — what a directory holds. */
#ifndef IPAMCTL_NAMES_H
#define IPAMCTL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct names {
	char **name;
	size_t n, room;
};
/* Those in any directory, added to what is there. */
int names_read(const char *path, bool directories, struct names *out);
void names_free(struct names *n);
/* "MESSAGE; did you mean 'NAME'?" where a name is near to what was said, or else MESSAGE and otherwise. CLI_REFUSED. */
int names_missing(const struct names *names, const char *name, const char *message, const char *otherwise);

#endif
