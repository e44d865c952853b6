/* history — what happened to an address, and who held it when. */
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "holds.h"
#include "past.h"
#include "when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const char usage[] = "usage: ipamctl history [ADDRESS|BLOCK] [--at TIME] [--since TIME] [--until TIME] [--json]\n"
			    "           [--cluster NAME] [--mount DIR | --database FILE]\n"
			    "\n"
			    "Shows the events of an address (10.244.0.7), of a delegated block (10.244.0.0/24), or all\n"
			    "there are, the oldest first. They are found by an index of the database, however long the\n"
			    "past is; who may not read the database gets them from the mount's .ipam/history.\n"
			    "\n"
			    "  --at TIME         who held the address then\n"
			    "  --since, --until  only events from then on, before then\n"
			    "  --database FILE   of this database, mounted or not\n"
			    "  --json            an array of events, or of who held it\n"
			    "\n" WHEN_HELP "\n"
			    "Exit status: 0 something found, 1 nothing found, or refused, 2 usage.\n";

struct history {
	const char *address, *cluster, *mount, *database;
	bool at_given, json;
	int64_t at, since, until;
	char text[CIDR_TEXT]; /* the address as it is written in the history */
	struct holds holds;
	size_t found;
};

static bool wanted(const struct history *h, json_t *event)
{
	const char *cluster = json_string_value(json_object_get(event, "cluster"));

	return h->cluster == NULL || (cluster != NULL && strcmp(cluster, h->cluster) == 0);
}

/* ---- events ----------------------------------------------------------------------------------------------- */

static void print_value(json_t *value)
{
	json_t *item;
	const char *key;
	size_t i;

	if (json_is_string(value))
		cli_print(json_string_value(value));
	else if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	json_array_foreach(value, i, item) {
		if (i > 0)
			putchar(' ');
		print_value(item);
	}
	i = 0;
	json_object_foreach(value, key, item) {
		cli_say(stdout, "%s%s=", i++ > 0 ? " " : "", key);
		print_value(item);
	}
}

/* "TIME EVENT CLUSTER/NODE/NAME", and what else there is. */
static void print_event(json_t *event)
{
	static const char *const path[] = { "cluster", "node", "name" };
	static const char *const shown[] = { "time", "event", "cluster", "node", "name", NULL };
	const char *time = json_string_value(json_object_get(event, "time"));
	const char *kind = json_string_value(json_object_get(event, "event")), *key;
	json_t *value;

	cli_say(stdout, "%.19sZ  %-10s  ", time != NULL ? time : "-", kind != NULL ? kind : "-");
	for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
		value = json_object_get(event, path[i]);
		if (value != NULL && i > 0)
			putchar('/');
		print_value(value);
	}
	json_object_foreach(event, key, value) {
		size_t i = 0;

		while (shown[i] != NULL && strcmp(shown[i], key) != 0)
			i++;
		if (shown[i] != NULL)
			continue;
		if (json_is_object(value) || strcmp(key, "addresses") == 0 || strcmp(key, "block") == 0 || strcmp(key, "reason") == 0)
			printf("  ");
		else
			cli_say(stdout, "  %s ", key);
		print_value(value);
	}
	putchar('\n');
}

static int show_event(void *arg, json_t *event)
{
	struct history *h = arg;
	const char *time = json_string_value(json_object_get(event, "time"));
	char *dump;
	int64_t t;

	if (!wanted(h, event) || (h->since != 0 && time != NULL && when_parse(time, &t) && t < h->since))
		return CLI_DONE;
	if (!h->json) {
		print_event(event);
	} else {
		dump = json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("%s\n%s", h->found > 0 ? "," : "", dump != NULL ? dump : "null");
		free(dump);
	}
	h->found++;
	return CLI_DONE;
}

static int show_events(struct history *h, struct past *past)
{
	int status;

	if (h->json)
		putchar('[');
	status = past_each(past, h->address != NULL ? h->text : NULL, h->until, show_event, h);
	if (h->json)
		puts("\n]");
	return status;
}

/* ---- who held it ------------------------------------------------------------------------------------------ */

static int add_event(void *arg, json_t *event)
{
	struct history *h = arg;

	if (!wanted(h, event))
		return CLI_DONE;
	return holds_add(&h->holds, event) < 0 ? cli_fail(CLI_REFUSED, "out of memory") : CLI_DONE;
}

static int show_holders(struct history *h, struct past *past)
{
	json_t *list = json_array();
	int status = past_each(past, h->text, 0, add_event, h);

	if (status == CLI_DONE)
		status = past_present(past, h->text, add_event, h);
	for (size_t i = 0; status == CLI_DONE && i < h->holds.n; i++) {
		const struct hold *hold = &h->holds.hold[i];

		if (hold->since > h->at || (hold->until != 0 && hold->until <= h->at))
			continue;
		h->found++;
		if (h->json)
			json_array_append_new(list, hold_json(hold));
		else
			hold_print(hold);
	}
	if (status == CLI_DONE && h->json) {
		json_dumpf(list, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(list);
	holds_free(&h->holds);
	return status;
}

/* ---- the command ------------------------------------------------------------------------------------------ */

static bool parse_subject(struct history *h)
{
	struct cidr cidr;
	uint8_t family;
	u128 addr;

	if (strchr(h->address, '/') != NULL) {
		if (cidr_parse(h->address, strlen(h->address), &cidr) < 0)
			return false;
		cidr_print(&cidr, h->text);
		return true;
	}
	if (cidr_parse_addr(h->address, strlen(h->address), &family, &addr) < 0)
		return false;
	cidr_print_addr(family, addr, h->text);
	return true;
}

static bool take_time(const char *value, void *to)
{
	return when_parse(value, to);
}

static int parse(struct history *h, int argc, char **argv)
{
	static const char no_time[] = "'%s' is no time. " WHEN_HELP;
	const struct cli_option options[] = {
		{ "at", .flag = &h->at_given, .take = take_time, .to = &h->at, .wrong = no_time },
		{ "since", .take = take_time, .to = &h->since, .wrong = no_time },
		{ "until", .take = take_time, .to = &h->until, .wrong = no_time },
		{ "database", .text = &h->database },
		{ "json", .flag = &h->json },
		{ "mount", .text = &h->mount },
		{ "cluster", .text = &h->cluster },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc > 2)
		return cli_fail(CLI_USAGE, "one address is wanted; 'ipamctl help history' tells more");
	h->address = argv[1];
	if (h->address != NULL && !parse_subject(h))
		return cli_fail(CLI_USAGE, "'%s' is neither an address nor a block; for a name, grep the mount's .ipam/history",
				h->address);
	if (h->at_given && (h->address == NULL || strchr(h->text, '/') != NULL))
		return cli_fail(CLI_USAGE, "--at wants an address");
	return CLI_DONE;
}

static int run(int argc, char **argv)
{
	struct history h = { 0 };
	struct past past = { 0 };
	int status = parse(&h, argc, argv);

	if (status == CLI_DONE)
		status = past_open(&past, h.mount, h.database);
	if (status == CLI_DONE)
		status = h.at_given ? show_holders(&h, &past) : show_events(&h, &past);
	if (status == CLI_DONE && h.found == 0)
		status = h.json ? CLI_REFUSED :
				  cli_fail(CLI_REFUSED, h.at_given ? "nobody is known to have held it then" : "no such event is known");
	past_close(&past);
	return status;
}

const struct command command_history = { "history", run, "what happened to an address, and who held it when", usage, false };
