#include "cli/options.h"

#include "cli/say.h"
#include "cli/suggest.h"

#include <stdlib.h>
#include <string.h>

static bool wants_value(const struct cli_option *o)
{
	return o->text != NULL || o->take != NULL;
}

/* Not the one that changes something, unless it is all but spelt. */
static const char *meant(const struct cli_option *options, const char *said)
{
	const char *word = said + strspn(said, "-"), **words, *near = NULL;
	size_t n = 0;

	for (const struct cli_option *o = options; o->name != NULL; o++, n++)
		if (o->changes && cli_is_slip(word, o->name))
			return o->name;
	words = strncmp(said, "--", 2) == 0 ? calloc(n + 1, sizeof *words) : NULL;
	if (words == NULL)
		return NULL;
	n = 0;
	for (const struct cli_option *o = options; o->name != NULL; o++)
		if (!o->changes)
			words[n++] = o->name;
	near = cli_suggest(word, words);
	free(words);
	return near;
}

static int unknown(const char *command, const struct cli_option *options, const char *given)
{
	char *said = strndup(given, strcspn(given, "=")); /* without its value */
	const char *near = said == NULL ? NULL : meant(options, said);

	if (near != NULL && strcmp(near, said + strspn(said, "-")) != 0)
		cli_fail(CLI_USAGE, "no option '%s' here; did you mean '--%s'?", said, near);
	else if (near != NULL && strchr(given, '=') != NULL)
		cli_fail(CLI_USAGE, "'--%s' takes no value", near);
	else
		cli_fail(CLI_USAGE, "no option '%s' here; '%s help %s' lists them", given, cli_program(), command);
	free(said);
	return CLI_USAGE;
}

static int take(const char *command, const struct cli_option *o, const char *value)
{
	if (o->flag != NULL)
		*o->flag = true;
	if (o->text != NULL)
		*o->text = value;
	if (o->take == NULL || o->take(value, o->to))
		return CLI_DONE;
	if (o->wrong != NULL)
		return cli_fail(CLI_USAGE, o->wrong, value);
	return cli_fail(CLI_USAGE, "--%s can't be '%s'; '%s help %s' tells more", o->name, value == NULL ? "" : value, cli_program(),
			command);
}

/* The arguments that are still to be looked at. */
struct arguments {
	const char *command;
	char **next; /* up to a NULL */
	const struct cli_option *options;
};

/* Its value is the argument that comes next. */
static int take_next(struct arguments *a, const struct cli_option *o, const char *given)
{
	if (*a->next == NULL)
		return cli_fail(CLI_USAGE, "'%s' wants a value; '%s help %s' tells more", given, cli_program(), a->command);
	return take(a->command, o, *a->next++);
}

/* --NAME, --NAME=VALUE or --NAME VALUE */
static int take_long(struct arguments *a, const char *given)
{
	size_t n = strcspn(given + 2, "=");
	const char *value = given[2 + n] == '=' ? given + 2 + n + 1 : NULL;
	const struct cli_option *o = a->options;

	while (o->name != NULL && (strlen(o->name) != n || memcmp(o->name, given + 2, n) != 0))
		o++;
	if (o->name == NULL || (value != NULL && !wants_value(o)))
		return unknown(a->command, a->options, given);
	return value == NULL && wants_value(o) && !o->optional ? take_next(a, o, given) : take(a->command, o, value);
}

/* -LETTER, several of them, -LETTER VALUE or -LETTERVALUE */
static int take_letters(struct arguments *a, const char *given)
{
	int status = CLI_DONE;

	for (const char *p = given + 1; status == CLI_DONE && *p != 0; p++) {
		const struct cli_option *o = a->options;

		while (o->name != NULL && o->letter != *p)
			o++;
		if (o->name == NULL)
			return unknown(a->command, a->options, given);
		if (wants_value(o) && !o->optional)
			return p[1] == 0 ? take_next(a, o, given) : take(a->command, o, p + 1);
		status = take(a->command, o, NULL);
	}
	return status;
}

int cli_options(int *argc, char **argv, const struct cli_option *options)
{
	struct arguments a = { argv[0], argv + 1, options };
	int status = CLI_DONE, kept = 1;
	bool ended = false;

	while (status == CLI_DONE && *a.next != NULL) {
		char *given = *a.next++;

		if (ended || given[0] != '-' || given[1] == 0)
			argv[kept++] = given;
		else if (strcmp(given, "--") == 0)
			ended = true;
		else
			status = given[1] == '-' ? take_long(&a, given) : take_letters(&a, given);
	}
	if (status == CLI_DONE)
		argv[kept] = NULL;
	*argc = kept;
	return status;
}

bool cli_take_count(const char *value, void *to)
{
	unsigned long *count = to;
	char *end;

	*count = strtoul(value, &end, 10);
	return *end == 0 && *value >= '0' && *value <= '9' && *count > 0;
}
