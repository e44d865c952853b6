/* commands — those of ipamctl, a source each. */
#ifndef IPAMCTL_COMMANDS_H
#define IPAMCTL_COMMANDS_H

#include "cli/command.h"

extern const struct command command_init, command_check, command_import, command_export, command_gc, command_history, command_du,
	command_find, command_backup, command_top, command_node, command_upgrade;

#endif
