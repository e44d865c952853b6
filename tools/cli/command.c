#include "cli/command.h"

#include "base/streams.h"
#include "cli/say.h"
#include "cli/suggest.h"

#include <stdlib.h>
#include <string.h>

static const struct command *find(const struct program *p, const char *name)
{
	const struct command *const *c = p->command;

	while (*c != NULL && strcmp((*c)->name, name) != 0)
		c++;
	return *c;
}

static void usage(const struct program *p, FILE *to)
{
	size_t width = 0;

	for (const struct command *const *c = p->command; *c != NULL; c++)
		width = strlen((*c)->name) > width ? strlen((*c)->name) : width;
	fputs(p->usage, to);
	for (const struct command *const *c = p->command; *c != NULL; c++)
		fprintf(to, "  %-*s %s\n", (int)width + 1, (*c)->name, (*c)->summary);
	fprintf(to, "\n'%s help COMMAND' tells more.  Exit status: 0 done, 1 findings or refused, 2 usage.\n", p->name);
}

static int unknown(const struct program *p, const char *word)
{
	const char **words, *near = NULL;
	size_t n = 0;

	while (p->command[n] != NULL)
		n++;
	words = calloc(n + 2, sizeof *words);
	if (words != NULL) {
		n = 0;
		words[n++] = "help";
		for (const struct command *const *c = p->command; *c != NULL; c++)
			if (!(*c)->changes || cli_is_slip(word, (*c)->name))
				words[n++] = (*c)->name;
		near = cli_suggest(word, words);
		free(words);
	}
	if (near != NULL)
		return cli_fail(CLI_USAGE, "no command '%s'; did you mean '%s'?", word, near);
	return cli_fail(CLI_USAGE, "no command '%s'; '%s help' lists them", word, p->name);
}

static int help(const struct program *p, const char *name)
{
	const struct command *command = name == NULL ? NULL : find(p, name);

	if (name == NULL)
		usage(p, stdout);
	else if (command == NULL)
		return unknown(p, name);
	else
		fputs(command->usage, stdout);
	return CLI_DONE;
}

static int run(const struct program *p, int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		usage(p, stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(p, argv[2]);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("%s %s\n", p->name, IPAM_VERSION);
		return CLI_DONE;
	}
	command = find(p, argv[1]);
	if (command == NULL)
		return unknown(p, argv[1]);
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(p, argv[1]);
	return command->run(argc - 1, argv + 1);
}

int cli_main(const struct program *p, int argc, char **argv)
{
	int status;

	streams_guard();
	cli_call_program(p->name);
	status = run(p, argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_DONE)
		status = cli_fail(CLI_REFUSED, "the output can't be written");
	return status;
}
