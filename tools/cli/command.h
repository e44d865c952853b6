/* command — a program of commands: their list, the help, and which one is run. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name; a status (say.h) */
	const char *summary;               /* a line for the list */
	const char *usage;                 /* whole, from "usage:" on */
	bool changes;                      /* what there is: not to be suggested to one who may only want to look */
};

struct program {
	const char *name;
	const char *usage;                    /* what stands before the list */
	const struct command *const *command; /* up to a NULL */
};

/* All of main(): the program's exit status. */
int cli_main(const struct program *p, int argc, char **argv);

#endif
