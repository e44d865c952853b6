#include "table.h"

#include "bench.h"

static double rate(const struct result *r)
{
	return r->wall_ns > 0 ? (double)r->n * 1e9 / (double)r->wall_ns : 0;
}

static void print_head(const struct table *t, enum op op)
{
	char title[32];

	printf("%-12s", op_name[op]);
	for (unsigned c = 0; c < t->columns; c++) {
		snprintf(title, sizeof title, "%u thread%s", t->threads[c], t->threads[c] == 1 ? "" : "s");
		/* In the middle of its columns, whose first lie below the operation's name. */
		printf("%*s", c > 0 ? 25 : 12, title);
	}
	printf("\n%-7s", "");
	for (unsigned c = 0; c < t->columns; c++)
		printf("  %5s %5s %5s %5s", "ops/s", "p50", "p99", "ratio");
	putchar('\n');
}

static void print_cells(struct result *r, const struct result *subject)
{
	char ops[BENCH_CELL], p50[BENCH_CELL], p99[BENCH_CELL], ratio[BENCH_CELL];

	if (r->n == 0) {
		printf("  %5s %5s %5s %5s", "-", "-", "-", "-");
		return;
	}
	if (r != subject && subject->n > 0)
		bench_print_ratio(rate(subject) / rate(r), ratio);
	else
		snprintf(ratio, sizeof ratio, "-");
	bench_print_rate(rate(r), ops);
	bench_print_us(bench_percentile(r->ns, r->n, 0.5), p50);
	bench_print_us(bench_percentile(r->ns, r->n, 0.99), p99);
	printf("  %5s %5s %5s %5s", ops, p50, p99, ratio);
}

void table_print(struct table *t)
{
	for (enum op op = 0; op < OPS; op++) {
		size_t all = 0;

		for (unsigned i = 0; i < t->targets; i++)
			for (unsigned c = 0; c < t->columns; c++)
				all += t->result[op][i][c].n;
		if (all == 0)
			continue;
		print_head(t, op);
		for (unsigned i = 0; i < t->targets; i++) {
			size_t line = 0;

			for (unsigned c = 0; c < t->columns; c++)
				line += t->result[op][i][c].n;
			if (line == 0)
				continue;
			printf("%-7s", t->target[i]);
			for (unsigned c = 0; c < t->columns; c++)
				print_cells(&t->result[op][i][c], &t->result[op][0][c]);
			putchar('\n');
		}
		putchar('\n');
	}
}

static void record_result(struct result *r, FILE *record, const char *key)
{
	if (r->n == 0)
		return;
	bench_record(record, rate(r), "%s.rate", key);
	bench_record(record, bench_percentile(r->ns, r->n, 0.5) / 1e3, "%s.p50", key);
	bench_record(record, bench_percentile(r->ns, r->n, 0.99) / 1e3, "%s.p99", key);
}

void table_record(struct table *t, FILE *record, const char *label)
{
	char key[128];

	for (enum op op = 0; op < OPS; op++) {
		for (unsigned i = 0; i < t->targets; i++) {
			for (unsigned c = 0; c < t->columns; c++) {
				snprintf(key, sizeof key, "%s.%s.%u.%s", label, op_key[op], t->threads[c], t->target[i]);
				record_result(&t->result[op][i][c], record, key);
			}
		}
	}
}

void table_close(struct table *t)
{
	for (enum op op = 0; op < OPS; op++)
		for (unsigned i = 0; i < t->targets; i++)
			for (unsigned c = 0; c < t->columns; c++)
				result_close(&t->result[op][i][c]);
}
