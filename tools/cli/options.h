/* options — the options of a command, as a table.
 *
 * An option is spelt whole: one that began as another does would otherwise be that one, and change what it wasn't asked to.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>

/* It takes a value where there is text or take. */
struct cli_option {
	const char *name;  /* "dry-run", for --dry-run; a table ends with NULL */
	char letter;       /* 'n', for -n; or 0 */
	bool changes;      /* what there is: not to be suggested to one who may only want to look */
	bool optional;     /* the value: NULL where none is said, which is only after a = */
	bool *flag;        /* set where the option is said; or NULL */
	const char **text; /* gets the value, which lives as long as the arguments; or NULL */
	/* Gets the value; false: it can't be that. Or NULL. */
	bool (*take)(const char *value, void *to);
	void *to;
	const char *wrong; /* what is said then, with a %s for the value; NULL: "--NAME can't be 'VALUE'" */
};

/* Takes the options out of the arguments, of which argv[0] is the command's name: what stays is argv[1] on, up to a NULL at *argc. A status
 * (say.h); what is wrong has been said, with what may have been meant. */
int cli_options(int *argc, char **argv, const struct cli_option *options);
/* For `take`: a number from 1 on, to an unsigned long. */
bool cli_take_count(const char *value, void *to);

#endif
