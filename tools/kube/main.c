#include "kube.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = { &command_controller, &command_agent };

enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void usage(FILE *to)
{
	fputs("usage: ipamkube COMMAND [OPTION...]\n\nJoins an ipamfs mount to a Kubernetes API server.\n\n", to);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n'ipamkube help COMMAND' tells more.  Exit status: 0 done, 1 findings or refused, 2 usage.\n", to);
}

static int help(const char *name)
{
	const struct command *command = name == NULL ? NULL : find(name);

	if (name == NULL)
		usage(stdout);
	else if (command == NULL)
		return fail(KUBE_USAGE, "no command '%s'; 'ipamkube help' lists them", name);
	else
		fputs(command->usage, stdout);
	return KUBE_DONE;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int status;

	if (argc < 2) {
		usage(stderr);
		return KUBE_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(argv[2]);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("ipamkube %s\n", IPAM_VERSION);
		return KUBE_DONE;
	}
	command = find(argv[1]);
	if (command == NULL)
		return fail(KUBE_USAGE, "no command '%s'; 'ipamkube help' lists them", argv[1]);
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(argv[1]);
	status = command->run(argc - 1, argv + 1);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == KUBE_DONE)
		status = fail(KUBE_REFUSED, "the output can't be written");
	return status;
}
