#include "commands.h"

#include <stddef.h>

int main(int argc, char **argv)
{
	static const struct command *const commands[] = { &command_controller, &command_agent, NULL };
	static const struct program program = {
		"ipamkube", "usage: ipamkube COMMAND [OPTION...]\n\nJoins an ipamfs mount to a Kubernetes API server.\n\n", commands
	};

	return cli_main(&program, argc, argv);
}
