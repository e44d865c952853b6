/* du — how full clusters, nodes and blocks are, the fullest first. */
#include "view.h"

#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char usage[] =
	"usage: ipamctl du [--by cluster|node|block] [--top N] [--json] [--cluster NAME] [--mount DIR]\n"
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

enum by { BY_CLUSTER, BY_NODE, BY_BLOCK };
static const char *const by_name[] = { "cluster", "node", "block", NULL };

struct row {
	const char *cluster; /* the view's */
	char *node;
	struct cidr cidr;    /* of a block */
	long double used[CIDR_FAMILIES], total[CIDR_FAMILIES];
	long double part;    /* 0 to 1 */
	unsigned family;     /* the one that decides */
};

struct du {
	struct view view;
	enum by by;
	unsigned long top;
	bool json;
	struct row *row;
	size_t n, room;
};

static struct row *add_row(struct du *du, const char *cluster, const char *node)
{
	size_t room = du->room == 0 ? 64 : du->room * 2;

	if (du->n == du->room) {
		struct row *bigger = reallocarray(du->row, room, sizeof *bigger);

		if (bigger == NULL)
			return NULL;
		du->row = bigger;
		du->room = room;
	}
	du->row[du->n] = (struct row){ .cluster = cluster, .node = strdup(node) };
	return du->row[du->n].node == NULL ? NULL : &du->row[du->n++];
}

/* ---- gathering -------------------------------------------------------------------------------------------------- */

static int add_block(void *arg, const struct view_block *b)
{
	struct du *du = arg;
	struct row *row = add_row(du, b->cluster, b->node);

	if (row == NULL)
		return ctl_fail(CTL_REFUSED, "out of memory");
	row->cidr = b->cidr;
	row->used[b->cidr.family] = b->used;
	row->total[b->cidr.family] = b->total;
	return CTL_DONE;
}

static int add_cluster(struct du *du, const char *cluster)
{
	struct row *row = add_row(du, cluster, "");
	char path[4096];
	struct statvfs st;

	snprintf(path, sizeof path, "%s/%s", du->view.mount, cluster);
	if (row == NULL || statvfs(path, &st) < 0)
		return ctl_fail(CTL_REFUSED, "%s: %m", path);
	row->total[CIDR_V4] = (long double)st.f_files;
	row->used[CIDR_V4] = (long double)(st.f_files - st.f_ffree);
	return CTL_DONE;
}

static int by_node(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->cluster, y->cluster);

	return order != 0 ? order : strcmp(x->node, y->node);
}

/* The blocks of a node become one row. */
static void join_nodes(struct du *du)
{
	size_t kept = 0;

	if (du->n > 0)
		qsort(du->row, du->n, sizeof *du->row, by_node);
	for (size_t i = 0; i < du->n; i++) {
		if (kept == 0 || by_node(&du->row[kept - 1], &du->row[i]) != 0) {
			du->row[kept++] = du->row[i];
			continue;
		}
		for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
			du->row[kept - 1].used[f] += du->row[i].used[f];
			du->row[kept - 1].total[f] += du->row[i].total[f];
		}
		free(du->row[i].node);
	}
	du->n = kept;
}

static void decide(struct row *row)
{
	row->family = row->total[CIDR_V4] > 0 ? CIDR_V4 : CIDR_V6;
	if (row->total[CIDR_V4] > 0 && row->total[CIDR_V6] > 0 &&
	    row->total[CIDR_V6] - row->used[CIDR_V6] < row->total[CIDR_V4] - row->used[CIDR_V4])
		row->family = CIDR_V6;
	row->part = row->total[row->family] > 0 ? row->used[row->family] / row->total[row->family] : 0;
}

static int fullest(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = (x->part < y->part) - (x->part > y->part);

	if (order == 0)
		order = (x->used[x->family] < y->used[y->family]) - (x->used[x->family] > y->used[y->family]);
	if (order == 0)
		order = by_node(a, b);
	return order != 0 ? order : cidr_compare(&x->cidr, &y->cidr);
}

static int gather(struct du *du)
{
	int status = CTL_DONE;

	for (size_t i = 0; status == CTL_DONE && i < du->view.clusters.n; i++)
		status = du->by == BY_CLUSTER ? add_cluster(du, du->view.clusters.name[i]) :
						view_blocks(&du->view, du->view.clusters.name[i], add_block, du);
	if (du->by == BY_NODE)
		join_nodes(du);
	for (size_t i = 0; i < du->n; i++)
		decide(&du->row[i]);
	if (du->n > 0)
		qsort(du->row, du->n, sizeof *du->row, fullest);
	return status;
}

/* ---- showing ---------------------------------------------------------------------------------------------------- */

static int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

/* As wide as it is; eighths of a cell where the terminal knows them. */
static void print_bar(long double part, int width, bool utf8)
{
	static const char *const eighth[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int eighths = (int)(part * (utf8 ? 8 : 1) * (long double)width + 0.5L), cells = utf8 ? eighths / 8 : eighths;

	for (int i = 0; i < cells; i++)
		fputs(utf8 ? "█" : "#", stdout);
	if (utf8)
		fputs(eighth[eighths % 8], stdout);
}

static const char *color(long double part)
{
	return part >= 0.95L ? "\033[31m" : part >= 0.8L ? "\033[33m" : "\033[32m";
}

static size_t length(const char *s)
{
	size_t n = 0;

	for (; *s != 0; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_padded(const char *s, size_t width)
{
	ctl_print(s);
	printf("%*s", (int)(width > length(s) ? width - length(s) : 0) + 2, "");
}

static void row_name(const struct du *du, const struct row *row, char out[CIDR_TEXT + 256])
{
	char text[CIDR_TEXT];

	cidr_print(&row->cidr, text);
	if (du->by == BY_BLOCK)
		snprintf(out, CIDR_TEXT + 256, "%s %s", text, row->node);
	else
		snprintf(out, CIDR_TEXT + 256, "%s", row->node);
}

static void show_table(const struct du *du)
{
	static const char *const heading[] = { "CLUSTER", "NODE", "BLOCK NODE" };
	const char *second = du->by == BY_CLUSTER ? "" : heading[du->by];
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0, colors = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	size_t width[2] = { strlen(heading[0]), strlen(second) };
	char name[CIDR_TEXT + 256];
	int bar;

	for (size_t i = 0; i < du->n; i++) {
		row_name(du, &du->row[i], name);
		if (length(du->row[i].cluster) > width[0])
			width[0] = length(du->row[i].cluster);
		if (length(name) > width[1])
			width[1] = length(name);
	}
	bar = terminal_width() - (int)(width[0] + 2 + (du->by == BY_CLUSTER ? 0 : width[1] + 2)) - 35;
	if (bar < 10)
		bar = 10;
	print_padded(heading[0], width[0]);
	if (du->by != BY_CLUSTER)
		print_padded(second, width[1]);
	printf("%10s %14s  %5s\n", "USED", "TOTAL", "USE%");
	for (size_t i = 0; i < du->n; i++) {
		const struct row *row = &du->row[i];

		row_name(du, row, name);
		print_padded(row->cluster, width[0]);
		if (du->by != BY_CLUSTER)
			print_padded(name, width[1]);
		if (row->total[row->family] < 1e12L)
			printf("%10.0Lf %14.0Lf  %4.0Lf%%  ", row->used[row->family], row->total[row->family], row->part * 100);
		else
			printf("%10.0Lf %14.3Lg  %4.0Lf%%  ", row->used[row->family], row->total[row->family], row->part * 100);
		if (colors)
			fputs(color(row->part), stdout);
		print_bar(row->part, bar, utf8);
		puts(colors ? "\033[0m" : "");
	}
}

/* A whole number, where JSON's readers take it as that. */
static json_t *number(long double n)
{
	return n < 0x1p53L ? json_integer((json_int_t)n) : json_real((double)n);
}

static void show_json(const struct du *du)
{
	json_t *list = json_array();

	for (size_t i = 0; i < du->n; i++) {
		const struct row *row = &du->row[i];
		json_t *o = json_pack("{s:o}", "cluster", json_text(row->cluster, strlen(row->cluster)));
		char text[CIDR_TEXT];

		if (du->by != BY_CLUSTER)
			json_object_set_new(o, "node", json_text(row->node, strlen(row->node)));
		cidr_print(&row->cidr, text);
		if (du->by == BY_BLOCK)
			json_object_set_new(o, "block", json_string(text));
		json_object_set_new(o, "used", number(row->used[row->family]));
		json_object_set_new(o, "total", number(row->total[row->family]));
		json_object_set_new(o, "percent", json_real((double)(long)(row->part * 10000 + 0.5L) / 100));
		json_array_append_new(list, o);
	}
	json_dumpf(list, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(list);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static int parse(struct du *du, int argc, char **argv)
{
	enum { BY = 1, TOP, JSON };
	static const struct option longs[] = {
		{ "by", required_argument, NULL, BY },
		{ "top", required_argument, NULL, TOP },
		{ "json", no_argument, NULL, JSON },
		{ "mount", required_argument, NULL, TARGET_MOUNT },
		{ "cluster", required_argument, NULL, TARGET_CLUSTER },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = ctl_option(argc, argv, longs)) != -1)
		switch (c) {
		case BY:
			for (du->by = BY_CLUSTER; du->by <= BY_BLOCK && strcmp(by_name[du->by], optarg) != 0; du->by++)
				;
			if (du->by > BY_BLOCK)
				return ctl_fail(CTL_USAGE, "--by %s? It is cluster, node or block", optarg);
			break;
		case TOP:
			du->top = strtoul(optarg, &end, 10);
			if (*end != 0 || *optarg < '0' || *optarg > '9' || du->top == 0)
				return ctl_fail(CTL_USAGE, "--top wants a number, not '%s'", optarg);
			break;
		case JSON:
			du->json = true;
			break;
		case TARGET_MOUNT:
			du->view.mount = optarg;
			break;
		case TARGET_CLUSTER:
			du->view.cluster = optarg;
			break;
		default:
			return CTL_USAGE;
		}
	return optind == argc ? CTL_DONE : ctl_fail(CTL_USAGE, "'%s' is too much; 'ipamctl help du' tells more", argv[optind]);
}

static int run(int argc, char **argv)
{
	struct du du = { .by = BY_NODE };
	int status = parse(&du, argc, argv);
	size_t all;

	setlocale(LC_CTYPE, "");
	if (status == CTL_DONE)
		status = view_open(&du.view);
	if (status == CTL_DONE)
		status = gather(&du);
	all = du.n;
	if (du.top > 0 && du.top < du.n)
		du.n = du.top;
	if (status == CTL_DONE && du.json)
		show_json(&du);
	else if (status == CTL_DONE)
		show_table(&du);
	for (size_t i = 0; i < all; i++)
		free(du.row[i].node);
	free(du.row);
	view_close(&du.view);
	return status;
}

const struct command command_du = { "du", run, "how full clusters, nodes and blocks are", usage };
