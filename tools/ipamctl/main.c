#include "ctl.h"
#include "streams.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
	&command_init,   &command_find,   &command_du,     &command_top, &command_history, &command_check,
	&command_backup, &command_import, &command_export, &command_gc,  &command_node,    &command_upgrade,
};

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
	fputs("usage: ipamctl COMMAND [ARGUMENT...]\n\n", to);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n'ipamctl help COMMAND' tells more.  Exit status: 0 done, 1 findings or refused, 2 usage.\n", to);
}

static int unknown(const char *word)
{
	const char *words[COMMANDS + 2] = { "help" };
	const char *near;
	int n = 1;

	for (int i = 0; i < COMMANDS; i++)
		if (!commands[i]->changes || ctl_is_slip(word, commands[i]->name))
			words[n++] = commands[i]->name;
	near = ctl_suggest(word, words);
	if (near != NULL)
		return ctl_fail(CTL_USAGE, "no command '%s'; did you mean '%s'?", word, near);
	return ctl_fail(CTL_USAGE, "no command '%s'; 'ipamctl help' lists them", word);
}

static int help(const char *name)
{
	const struct command *command = name == NULL ? NULL : find(name);

	if (name == NULL)
		usage(stdout);
	else if (command == NULL)
		return unknown(name);
	else
		fputs(command->usage, stdout);
	return CTL_DONE;
}

static int run(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		usage(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(argv[2]);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("ipamctl %s\n", IPAM_VERSION);
		return CTL_DONE;
	}
	command = find(argv[1]);
	if (command == NULL)
		return unknown(argv[1]);
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(argv[1]);
	return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status;

	streams_guard();
	status = run(argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_DONE)
		status = ctl_fail(CTL_REFUSED, "the output can't be written");
	return status;
}
