/* engine — the check of what machines share. */
#ifndef IPAMCTL_CHECK_ENGINE_H
#define IPAMCTL_CHECK_ENGINE_H

#include "ipamctl/check/findings.h"

#include <stdbool.h>

/* Of a mount that shares an engine with other machines: where its rows are. */
bool check_state_file(const char *mount, char out[4096]);
/* What the engine has, against the mount. CLI_DONE: all of it was looked at, *said tells how much; CLI_REFUSED: it wasn't, *said
 * tells why. *said is the caller's to free, and may be NULL. */
int check_engine(struct check *c, const char *mount, char **said);

#endif
