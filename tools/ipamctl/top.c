/* top — what goes on: the mount's numbers and the fullest nodes, again and again. */
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "screen.h"
#include "target.h"
#include "usage.h"

#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] = "usage: ipamctl top [-d SECONDS] [-n ROUNDS] [--batch] [--json] [--cluster NAME] [--node NAME]\n"
				 "           [--mount DIR]\n"
				 "\n"
				 "Shows what goes on: leases made and released a second, commits, and the nodes, the fullest\n"
				 "first. On a terminal it is drawn anew each second; in a pipe, or with --batch, a round\n"
				 "follows the other as plain text.\n"
				 "\n"
				 "  -d SECONDS   between rounds (1)\n"
				 "  -n ROUNDS    then end (in a pipe: 1, where not said)\n"
				 "  --batch      plain text on a terminal too\n"
				 "  --json       a round is an object, on a line\n"
				 "\n"
				 "Keys: q ends; s sorts by use, by change, by name in turn; c shows the next cluster alone,\n"
				 "then all again; space looks at once.  NO_COLOR is respected.\n"
				 "\n"
				 "Exit status: 0 done, 1 refused, or the mount went away, 2 usage.\n";

enum sort { BY_USE, BY_CHANGE, BY_NAME, SORTS };
static const char *const sort_name[SORTS] = { "use", "change", "name" };

/* The numbers that only grow. */
enum counter { ALLOCATIONS, RELEASES, FAILURES, COMMITS, COUNTERS };
static const struct {
	const char *metric, *label;
} counters[COUNTERS] = {
	[ALLOCATIONS] = { "ipamfs_allocations_total", "allocated" },
	[RELEASES] = { "ipamfs_releases_total", "released" },
	[FAILURES] = { "ipamfs_allocation_failures_total", "failed" },
	[COMMITS] = { "ipamfs_commits_total", "commits" },
};

/* What a node had in the round before. */
struct was {
	char *key; /* cluster, NUL-free separator, node */
	long double used;
};

struct top {
	struct view view;
	struct usage usage;
	double seconds;
	unsigned long rounds;
	bool batch, json, live, colors, utf8;
	enum sort sort;
	size_t only; /* 1 + the index of the cluster shown alone; 0: all */
	char health[80];
	uint64_t counter[COUNTERS], counter_before[COUNTERS];
	uint64_t clusters, nodes, leases;
	struct timespec at, before;
	bool has_before;
	struct was *was;
	size_t wases;
};

/* ---- gathering -------------------------------------------------------------------------------------------------- */

static int take_metric(void *arg, char *line)
{
	struct top *t = arg;

	for (int i = 0; i < COUNTERS; i++) {
		size_t n = strlen(counters[i].metric);
		const char *value = strrchr(line, ' ');

		if (strncmp(line, counters[i].metric, n) == 0 && (line[n] == ' ' || line[n] == '{') && value != NULL)
			t->counter[i] += strtoull(value + 1, NULL, 10);
	}
	return CLI_DONE;
}

static int take_stat(void *arg, char *line)
{
	struct top *t = arg;

	if (sscanf(line, "clusters %lu", &t->clusters) != 1 && sscanf(line, "nodes %lu", &t->nodes) != 1)
		sscanf(line, "leases %lu", &t->leases);
	return CLI_DONE;
}

static int take_health(void *arg, char *line)
{
	struct top *t = arg;

	if (t->health[0] == 0)
		snprintf(t->health, sizeof t->health, "%s", line);
	return CLI_DONE;
}

static int gather(struct top *t)
{
	int status;

	memcpy(t->counter_before, t->counter, sizeof t->counter);
	memset(t->counter, 0, sizeof t->counter);
	t->health[0] = 0;
	t->before = t->at;
	clock_gettime(CLOCK_MONOTONIC, &t->at);
	view_close(&t->view);
	status = view_open(&t->view); /* clusters come and go */
	if (status == CLI_DONE)
		status = view_lines(&t->view, ".", "metrics/ipamfs.prom", take_metric, t);
	if (status == CLI_DONE)
		status = view_lines(&t->view, ".", "stats", take_stat, t);
	if (status == CLI_DONE)
		status = view_lines(&t->view, ".", "health", take_health, t);
	return status == CLI_DONE ? usage_read(&t->usage) : status;
}

static double passed(const struct top *t)
{
	return (double)(t->at.tv_sec - t->before.tv_sec) + (double)(t->at.tv_nsec - t->before.tv_nsec) / 1e9;
}

static double rate(const struct top *t, enum counter i)
{
	/* A daemon that was started anew counts from 0. */
	if (!t->has_before || t->counter[i] < t->counter_before[i] || passed(t) <= 0)
		return 0;
	return (double)(t->counter[i] - t->counter_before[i]) / passed(t);
}

/* ---- what changed since the round before -------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct was *)a)->key, ((const struct was *)b)->key);
}

static char *key_of(const struct usage_row *row)
{
	char *key = NULL;

	return asprintf(&key, "%s/%s", row->cluster, row->node) < 0 ? NULL : key;
}

/* row->part of the nodes stays what it is; the change is given in leases. */
static long double change(const struct top *t, const struct usage_row *row)
{
	struct was wanted = { .key = key_of(row) };
	const struct was *was = NULL;

	if (wanted.key != NULL && t->wases > 0)
		was = bsearch(&wanted, t->was, t->wases, sizeof *t->was, by_key);
	free(wanted.key);
	return was == NULL ? 0 : row->used[row->family] - was->used;
}

static void forget(struct top *t)
{
	for (size_t i = 0; i < t->wases; i++)
		free(t->was[i].key);
	free(t->was);
	t->was = NULL;
	t->wases = 0;
}

static void remember(struct top *t)
{
	forget(t);
	t->was = calloc(t->usage.n + 1, sizeof *t->was);
	for (size_t i = 0; t->was != NULL && i < t->usage.n; i++) {
		char *key = key_of(&t->usage.row[i]);

		if (key != NULL)
			t->was[t->wases++] = (struct was){ key, t->usage.row[i].used[t->usage.row[i].family] };
	}
	if (t->wases > 0)
		qsort(t->was, t->wases, sizeof *t->was, by_key);
	t->has_before = true;
}

/* ---- showing ------------------------------------------------------------------------------------------------------- */

static const struct top *sorting; /* qsort tells its callback nothing else */

static int compare(const void *a, const void *b)
{
	const struct usage_row *x = a, *y = b;
	long double dx, dy;
	int order = 0;

	if (sorting->sort == BY_CHANGE) {
		dx = change(sorting, x);
		dy = change(sorting, y);
		dx = dx < 0 ? -dx : dx;
		dy = dy < 0 ? -dy : dy;
		order = (dx < dy) - (dx > dy);
	} else if (sorting->sort == BY_NAME) {
		order = strcmp(x->cluster, y->cluster);
		if (order == 0)
			order = strcmp(x->node, y->node);
	}
	return order != 0 ? order : usage_fullest(a, b);
}

static bool wanted(const struct top *t, const struct usage_row *row)
{
	return t->only == 0 || t->only > t->view.clusters.n || strcmp(t->view.clusters.name[t->only - 1], row->cluster) == 0;
}

static void end_line(const struct top *t)
{
	fputs(t->live ? "\033[K\n" : "\n", stdout);
}

static void show_heading(const struct top *t)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[16];

	localtime_r(&now, &tm);
	strftime(text, sizeof text, "%H:%M:%S", &tm);
	cli_say(stdout, "ipamfs %s  %s  ", t->view.mount, text);
	cli_print(t->health);
	if (t->live)
		printf("  (by %s%s%s)", sort_name[t->sort], t->only > 0 && t->only <= t->view.clusters.n ? ", " : "",
		       t->only > 0 && t->only <= t->view.clusters.n ? t->view.clusters.name[t->only - 1] : "");
	end_line(t);
	printf("%lu clusters, %lu nodes, %lu leases; a second:", t->clusters, t->nodes, t->leases);
	for (int i = 0; i < COUNTERS; i++)
		printf(" %s %.1f%s", counters[i].label, rate(t, i), i + 1 < COUNTERS ? "," : "");
	end_line(t);
	end_line(t);
}

static void show_rows(const struct top *t, int columns, int rows)
{
	size_t width[2] = { strlen("CLUSTER"), strlen("NODE") };
	int bar, left = rows;

	for (size_t i = 0; i < t->usage.n; i++) {
		if (usage_length(t->usage.row[i].cluster) > width[0])
			width[0] = usage_length(t->usage.row[i].cluster);
		if (usage_length(t->usage.row[i].node) > width[1])
			width[1] = usage_length(t->usage.row[i].node);
	}
	for (int i = 0; i < 2; i++)
		if (width[i] > 40)
			width[i] = 40;
	bar = columns - (int)(width[0] + width[1] + 4) - 41;
	usage_padded("CLUSTER", width[0]);
	usage_padded("NODE", width[1]);
	printf("%8s %12s  %5s  %6s", "USED", "TOTAL", "USE%", "+/-");
	end_line(t);
	for (size_t i = 0; i < t->usage.n && left > 0; i++) {
		const struct usage_row *row = &t->usage.row[i];
		long double d = change(t, row);

		if (!wanted(t, row))
			continue;
		left--;
		usage_padded(row->cluster, width[0]);
		usage_padded(row->node, width[1]);
		printf(row->total[row->family] < 1e12L ? "%8.0Lf %12.0Lf  %4.0Lf%%  " : "%8.0Lf %12.3Lg  %4.0Lf%%  ",
		       row->used[row->family], row->total[row->family], row->part * 100);
		if (d != 0)
			printf("%+6.0Lf  ", d);
		else
			printf("%6s  ", "");
		if (t->colors)
			fputs(usage_color(row->part), stdout);
		if (bar > 4)
			usage_bar(row->part, bar, t->utf8);
		if (t->colors)
			fputs("\033[0m", stdout);
		end_line(t);
	}
}

static void show_json(const struct top *t)
{
	json_t *nodes = json_array(), *o = json_object();

	json_object_set_new(o, "time", json_integer((json_int_t)time(NULL)));
	json_object_set_new(o, "health", json_string(t->health));
	json_object_set_new(o, "clusters", json_integer((json_int_t)t->clusters));
	json_object_set_new(o, "nodes", json_integer((json_int_t)t->nodes));
	json_object_set_new(o, "leases", json_integer((json_int_t)t->leases));
	for (int i = 0; i < COUNTERS; i++) {
		char key[32];

		snprintf(key, sizeof key, "%sPerSecond", counters[i].label);
		json_object_set_new(o, key, json_real(rate(t, i)));
	}
	for (size_t i = 0; i < t->usage.n; i++) {
		const struct usage_row *row = &t->usage.row[i];

		json_array_append_new(nodes,
				      json_pack("{s:o,s:o,s:o,s:o,s:o}", "cluster", json_text(row->cluster, strlen(row->cluster)), "node",
						json_text(row->node, strlen(row->node)), "used", view_number(row->used[row->family]),
						"total", view_number(row->total[row->family]), "change", view_number(change(t, row))));
	}
	json_object_set_new(o, "usage", nodes);
	json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(o);
}

static void show(struct top *t)
{
	int columns, rows;

	sorting = t;
	if (t->usage.n > 0)
		qsort(t->usage.row, t->usage.n, sizeof *t->usage.row, compare);
	if (t->json) {
		show_json(t);
	} else {
		screen_size(&columns, &rows);
		if (t->live)
			fputs("\033[H", stdout);
		show_heading(t);
		show_rows(t, columns, t->live ? rows - 5 : (int)t->usage.n);
		if (t->live)
			fputs("\033[J", stdout);
		else
			putchar('\n');
	}
	fflush(stdout);
}

/* ---- rounds ---------------------------------------------------------------------------------------------------------- */

/* What was pressed until the next round: false ends. */
static bool wait_live(struct top *t)
{
	struct timespec begun, now;
	int left = (int)(t->seconds * 1000);

	clock_gettime(CLOCK_MONOTONIC, &begun);
	while (left > 0) {
		int key = screen_key(left);

		if (key < 0 || key == 'q' || key == 'Q')
			return false;
		if (key == ' ')
			return true;
		if (key == 's')
			t->sort = (t->sort + 1) % SORTS;
		if (key == 'c')
			t->only = t->only >= t->view.clusters.n ? 0 : t->only + 1;
		show(t); /* a key, or another size */
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (int)(t->seconds * 1000) - (int)((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000);
	}
	return true;
}

static int rounds(struct top *t)
{
	int status = CLI_DONE;

	for (unsigned long i = 0; status == CLI_DONE && (t->rounds == 0 || i < t->rounds); i++) {
		if (i > 0 && t->live && !wait_live(t))
			break;
		if (i > 0 && !t->live)
			poll(NULL, 0, (int)(t->seconds * 1000));
		status = gather(t);
		if (status == CLI_DONE) {
			show(t);
			if (ferror(stdout))
				break; /* who read it has gone */
			remember(t);
		}
	}
	return status;
}

static bool take_seconds(const char *value, void *to)
{
	double *seconds = to;
	char *end;

	*seconds = strtod(value, &end);
	return *end == 0 && *seconds >= 0.1 && *seconds <= 86400;
}

static int parse(struct top *t, int argc, char **argv)
{
	const struct cli_option options[] = {
		{ "batch", .flag = &t->batch },
		{ "json", .flag = &t->json },
		{ "delay", .letter = 'd', .take = take_seconds, .to = &t->seconds, .wrong = "-d wants seconds, from 0.1 on, not '%s'" },
		{ "rounds", .letter = 'n', .take = cli_take_count, .to = &t->rounds, .wrong = "-n wants a number, not '%s'" },
		TARGET_OPTIONS(&t->view),
		{ 0 },
	};
	int status;

	t->seconds = 1;
	status = cli_options(&argc, argv, options);
	if (status != CLI_DONE)
		return status;
	t->batch |= t->json;
	return argc == 1 ? CLI_DONE : cli_fail(CLI_USAGE, "'%s' is too much; 'ipamctl help top' tells more", argv[1]);
}

static int run(int argc, char **argv)
{
	struct top t = { .usage.by = USAGE_NODE };
	int status = parse(&t, argc, argv);

	if (status != CLI_DONE)
		return status;
	setlocale(LC_CTYPE, "");
	t.usage.view = &t.view;
	t.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	status = view_open(&t.view); /* so that what is wrong is told before the screen is taken */
	if (status == CLI_DONE) {
		t.live = !t.batch && screen_begin();
		t.colors = t.live && getenv("NO_COLOR") == NULL;
		if (!t.live && !t.batch && t.rounds == 0)
			t.rounds = 1;
		status = rounds(&t);
		screen_end();
		if (t.live && status != CLI_DONE) /* what was said of it stood on the page that is gone */
			cli_fail(status, "%s: gone, or not to be read any more", t.view.mount);
	}
	forget(&t);
	usage_free(&t.usage);
	view_close(&t.view);
	return status;
}

const struct command command_top = { "top", run, "what goes on, live", usage_text, false };
