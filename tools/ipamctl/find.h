/* find — what is found, as an array of objects. */
#ifndef IPAMCTL_FIND_H
#define IPAMCTL_FIND_H

#include "view.h"

/* A string of an object, or NULL. */
const char *find_text(json_t *object, const char *key);
/* On stdout, for people or as JSON. */
void find_show(json_t *found, bool json);

#endif
