#include "find_show.h"

#include "cli/say.h"

#include <stdio.h>
#include <string.h>

const char *find_text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void print_path(json_t *o)
{
	static const char *const part[] = { "cluster", "node", "name" };

	for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
		const char *s = find_text(o, part[i]);

		if (s != NULL && i > 0)
			putchar('/');
		if (s != NULL)
			cli_print(s);
	}
}

static void print_found(json_t *o)
{
	const char *kind = find_text(o, "kind"), *key, *block = find_text(o, "block");
	json_t *value;
	size_t i;

	cli_say(stdout, "%-7s  ", kind);
	print_path(o);
	json_array_foreach(json_object_get(o, "addresses"), i, value)
		cli_say(stdout, "%s%s", i == 0 ? "  " : " ", json_string_value(value));
	if (strcmp(kind, "address") == 0)
		cli_say(stdout, "  %s  %s", find_text(o, "address"), find_text(o, "state"));
	if (block != NULL)
		cli_say(stdout, "  %s%s", strcmp(kind, "address") == 0 ? "in " : "", block);
	if (strcmp(kind, "block") == 0)
		printf("  %.0f of %.0f", json_number_value(json_object_get(o, "used")), json_number_value(json_object_get(o, "total")));
	json_object_foreach(json_object_get(o, "attributes"), key, value) {
		printf("  ");
		cli_print(key);
		putchar('=');
		cli_print(json_is_string(value) ? json_string_value(value) : "");
	}
	if (find_text(o, "created") != NULL)
		cli_say(stdout, "  since %s", find_text(o, "created"));
	putchar('\n');
}

void find_show(json_t *found, bool json)
{
	json_t *o;
	size_t i;

	if (json) {
		json_dumpf(found, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2));
		putchar('\n');
		return;
	}
	json_array_foreach(found, i, o)
		print_found(o);
}
