/* du — how full clusters, nodes and blocks are, the fullest first. */
#include "base/cidr.h"
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "target.h"
#include "usage.h"

#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl du [--by cluster|node|block] [--top N] [--json] [--cluster NAME] [--node NAME]\n"
			    "           [--mount DIR]\n"
			    "\n"
			    "Shows how full each node is (or cluster, or block), the fullest first: the addresses in\n"
			    "use, of those that can be leased in its blocks. Of two families the one with the fewest\n"
			    "left counts. Of a cluster blocks are counted, as by 'df -i'.\n"
			    "\n"
			    "  --by WHAT   cluster, node (the default) or block\n"
			    "  --top N     the first N alone\n"
			    "  --json      an array of objects\n"
			    "\n"
			    "Exit status: 0 done, 1 refused, 2 usage.\n";

static const char *const by_name[] = { "cluster", "node", "block", NULL };

struct du {
	struct view view;
	struct usage usage;
	unsigned long top;
	bool json;
};

/* ---- showing ---------------------------------------------------------------------------------------------------- */

static size_t shown(const struct du *du)
{
	return du->top > 0 && du->top < du->usage.n ? du->top : du->usage.n;
}

static void row_name(const struct du *du, const struct usage_row *row, char out[CIDR_TEXT + 256])
{
	char text[CIDR_TEXT];

	cidr_print(&row->cidr, text);
	if (du->usage.by == USAGE_BLOCK)
		snprintf(out, CIDR_TEXT + 256, "%s %s", text, row->node);
	else
		snprintf(out, CIDR_TEXT + 256, "%s", row->node);
}

static void show_table(const struct du *du)
{
	static const char *const heading[] = { "CLUSTER", "NODE", "BLOCK NODE" };
	const char *second = du->usage.by == USAGE_CLUSTER ? "" : heading[du->usage.by];
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0, colors = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	size_t width[2] = { strlen(heading[0]), strlen(second) };
	char name[CIDR_TEXT + 256];
	int bar;

	for (size_t i = 0; i < shown(du); i++) {
		row_name(du, &du->usage.row[i], name);
		if (usage_length(du->usage.row[i].cluster) > width[0])
			width[0] = usage_length(du->usage.row[i].cluster);
		if (usage_length(name) > width[1])
			width[1] = usage_length(name);
	}
	bar = usage_width() - (int)(width[0] + 2 + (du->usage.by == USAGE_CLUSTER ? 0 : width[1] + 2)) - 35;
	if (bar < 10)
		bar = 10;
	usage_padded(heading[0], width[0]);
	if (du->usage.by != USAGE_CLUSTER)
		usage_padded(second, width[1]);
	printf("%10s %14s  %5s\n", "USED", "TOTAL", "USE%");
	for (size_t i = 0; i < shown(du); i++) {
		const struct usage_row *row = &du->usage.row[i];

		row_name(du, row, name);
		usage_padded(row->cluster, width[0]);
		if (du->usage.by != USAGE_CLUSTER)
			usage_padded(name, width[1]);
		if (row->total[row->family] < 1e12L)
			printf("%10.0Lf %14.0Lf  %4.0Lf%%  ", row->used[row->family], row->total[row->family], row->part * 100);
		else
			printf("%10.0Lf %14.3Lg  %4.0Lf%%  ", row->used[row->family], row->total[row->family], row->part * 100);
		if (colors)
			fputs(usage_color(row->part), stdout);
		usage_bar(row->part, bar, utf8);
		puts(colors ? "\033[0m" : "");
	}
}

static void show_json(const struct du *du)
{
	json_t *list = json_array();

	for (size_t i = 0; i < shown(du); i++) {
		const struct usage_row *row = &du->usage.row[i];
		json_t *o = json_pack("{s:o}", "cluster", json_text(row->cluster, strlen(row->cluster)));
		char text[CIDR_TEXT];

		if (du->usage.by != USAGE_CLUSTER)
			json_object_set_new(o, "node", json_text(row->node, strlen(row->node)));
		cidr_print(&row->cidr, text);
		if (du->usage.by == USAGE_BLOCK)
			json_object_set_new(o, "block", json_string(text));
		json_object_set_new(o, "used", view_number(row->used[row->family]));
		json_object_set_new(o, "total", view_number(row->total[row->family]));
		json_object_set_new(o, "percent", json_real((double)(long)(row->part * 10000 + 0.5L) / 100));
		json_array_append_new(list, o);
	}
	json_dumpf(list, stdout, JSON_ENSURE_ASCII | JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(list);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static bool take_by(const char *value, void *to)
{
	struct du *du = to;

	du->usage.by = USAGE_CLUSTER;
	while (du->usage.by <= USAGE_BLOCK && strcmp(by_name[du->usage.by], value) != 0)
		du->usage.by++;
	return du->usage.by <= USAGE_BLOCK;
}

static int parse(struct du *du, int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "by", .take = take_by, .to = du, .wrong = "--by %s? It is cluster, node or block" },
		{ "top", .take = cli_take_count, .to = &du->top, .wrong = "--top wants a number, not '%s'" },
		{ "json", .flag = &du->json },
		TARGET_OPTIONS(&du->view),
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (du->usage.by == USAGE_CLUSTER && du->view.node != NULL)
		return cli_fail(CLI_USAGE, "--node narrows nodes and blocks, not clusters");
	return argc == 1 ? CLI_DONE : cli_fail(CLI_USAGE, "'%s' is too much; 'ipamctl help du' tells more", argv[1]);
}

static int run(int argc, char **argv)
{
	struct du du = { .usage.by = USAGE_NODE };
	int status = parse(&du, argc, argv);

	setlocale(LC_CTYPE, "");
	du.usage.view = &du.view;
	if (status == CLI_DONE)
		status = view_open(&du.view);
	if (status == CLI_DONE)
		status = usage_read(&du.usage);
	if (status == CLI_DONE && du.json)
		show_json(&du);
	else if (status == CLI_DONE)
		show_table(&du);
	usage_free(&du.usage);
	view_close(&du.view);
	return status;
}

const struct command command_du = { "du", run, "how full clusters, nodes and blocks are", usage, false };
