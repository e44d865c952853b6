#include "usage.h"

#include "base/cidr.h"
#include "cli/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct usage_row *add_row(struct usage *u, const char *cluster, const char *node)
{
	size_t room = u->room == 0 ? 64 : u->room * 2;

	if (u->n == u->room) {
		struct usage_row *bigger = reallocarray(u->row, room, sizeof *bigger);

		if (bigger == NULL)
			return NULL;
		u->row = bigger;
		u->room = room;
	}
	u->row[u->n] = (struct usage_row){ .cluster = cluster, .node = strdup(node) };
	return u->row[u->n].node == NULL ? NULL : &u->row[u->n++];
}

/* ---- gathering -------------------------------------------------------------------------------------------------- */

static int add_block(void *arg, const struct view_block *b)
{
	struct usage *u = arg;
	struct usage_row *row = add_row(u, b->cluster, b->node);

	if (row == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	row->cidr = b->cidr;
	row->used[b->cidr.family] = b->used;
	row->total[b->cidr.family] = b->total;
	return CLI_DONE;
}

static int add_cluster(struct usage *u, const char *cluster)
{
	struct usage_row *row = add_row(u, cluster, "");
	char path[4096];
	struct statvfs st;

	snprintf(path, sizeof path, "%s/%s", u->view->mount, cluster);
	if (row == NULL || statvfs(path, &st) < 0)
		return cli_fail(CLI_REFUSED, "%s: %m", path);
	row->total[CIDR_V4] = (long double)st.f_files;
	row->used[CIDR_V4] = (long double)(st.f_files - st.f_ffree);
	return CLI_DONE;
}

static int by_node(const void *a, const void *b)
{
	const struct usage_row *x = a, *y = b;
	int order = strcmp(x->cluster, y->cluster);

	return order != 0 ? order : strcmp(x->node, y->node);
}

/* The blocks of a node become one row. */
static void join_nodes(struct usage *u)
{
	size_t kept = 0;

	if (u->n > 0)
		qsort(u->row, u->n, sizeof *u->row, by_node);
	for (size_t i = 0; i < u->n; i++) {
		if (kept == 0 || by_node(&u->row[kept - 1], &u->row[i]) != 0) {
			u->row[kept++] = u->row[i];
			continue;
		}
		for (unsigned f = 0; f < CIDR_FAMILIES; f++) {
			u->row[kept - 1].used[f] += u->row[i].used[f];
			u->row[kept - 1].total[f] += u->row[i].total[f];
		}
		free(u->row[i].node);
	}
	u->n = kept;
}

static void decide(struct usage_row *row)
{
	row->family = row->total[CIDR_V4] > 0 ? CIDR_V4 : CIDR_V6;
	if (row->total[CIDR_V4] > 0 && row->total[CIDR_V6] > 0 &&
	    row->total[CIDR_V6] - row->used[CIDR_V6] < row->total[CIDR_V4] - row->used[CIDR_V4])
		row->family = CIDR_V6;
	row->part = row->total[row->family] > 0 ? row->used[row->family] / row->total[row->family] : 0;
}

int usage_fullest(const void *a, const void *b)
{
	const struct usage_row *x = a, *y = b;
	int order = (x->part < y->part) - (x->part > y->part);

	if (order == 0)
		order = (x->used[x->family] < y->used[y->family]) - (x->used[x->family] > y->used[y->family]);
	if (order == 0)
		order = by_node(a, b);
	return order != 0 ? order : cidr_compare(&x->cidr, &y->cidr);
}

static void usage_forget(struct usage *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->row[i].node);
	u->n = 0;
}

void usage_free(struct usage *u)
{
	usage_forget(u);
	free(u->row);
	u->row = NULL;
	u->room = 0;
}

int usage_read(struct usage *u)
{
	int status = CLI_DONE;

	usage_forget(u);
	for (size_t i = 0; status == CLI_DONE && i < u->view->clusters.n; i++)
		status = u->by == USAGE_CLUSTER ? add_cluster(u, u->view->clusters.name[i]) :
						  view_blocks(u->view, u->view->clusters.name[i], add_block, u);
	if (u->by == USAGE_NODE)
		join_nodes(u);
	for (size_t i = 0; i < u->n; i++)
		decide(&u->row[i]);
	if (u->n > 0)
		qsort(u->row, u->n, sizeof *u->row, usage_fullest);
	return status;
}

/* ---- on a terminal ---------------------------------------------------------------------------------------------- */

int usage_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

/* As wide as it is; eighths of a cell where the terminal knows them. */
void usage_bar(long double part, int width, bool utf8)
{
	static const char *const eighth[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int eighths = (int)(part * (utf8 ? 8 : 1) * (long double)width + 0.5L), cells = utf8 ? eighths / 8 : eighths;

	for (int i = 0; i < cells; i++)
		fputs(utf8 ? "█" : "#", stdout);
	if (utf8)
		fputs(eighth[eighths % 8], stdout);
}

const char *usage_color(long double part)
{
	return part >= 0.95L ? "\033[31m" : part >= 0.8L ? "\033[33m" : "\033[32m";
}

size_t usage_length(const char *s)
{
	size_t n = 0;

	for (; *s != 0; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void usage_padded(const char *s, size_t width)
{
	cli_print(s);
	printf("%*s", (int)(width > usage_length(s) ? width - usage_length(s) : 0) + 2, "");
}
