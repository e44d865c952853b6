/* export_shell — the tree as commands of a shell. */
#ifndef IPAMCTL_EXPORT_SHELL_H
#define IPAMCTL_EXPORT_SHELL_H

#include "view.h"

#include <stdbool.h>

int export_shell(const struct view *v, bool quiet);

#endif
