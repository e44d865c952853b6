#include "commands.h"

#include <stddef.h>

int main(int argc, char **argv)
{
	static const struct command *const commands[] = {
		&command_init,   &command_find,   &command_du, &command_top,  &command_history, &command_check, &command_backup,
		&command_import, &command_export, &command_gc, &command_node, &command_upgrade, NULL,
	};
	static const struct program program = { "ipamctl", "usage: ipamctl COMMAND [ARGUMENT...]\n\n", commands };

	return cli_main(&program, argc, argv);
}
