/* commands — those of ipamkube, a source each. */
#ifndef IPAMKUBE_COMMANDS_H
#define IPAMKUBE_COMMANDS_H

#include "cli/command.h"

extern const struct command command_controller, command_agent;

#endif
