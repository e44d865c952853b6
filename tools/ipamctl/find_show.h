/* find_show — what was found, for people or as JSON. */
#ifndef IPAMCTL_FIND_SHOW_H
#define IPAMCTL_FIND_SHOW_H

#include <jansson.h>
#include <stdbool.h>

/* A string of an object, or NULL. */
const char *find_text(json_t *object, const char *key);
/* On stdout, for people or as JSON. */
void find_show(json_t *found, bool json);

#endif
