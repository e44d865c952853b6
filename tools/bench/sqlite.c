#include "bench.h"
#include "commands.h"
#include "db.h"

#include <getopt.h>
#include <unistd.h>

static const unsigned batches[] = { 1, 16, 64 };

enum { BATCHES = sizeof batches / sizeof *batches };

/* Insert transactions of `batch` rows for a while: rows a second. */
static int insert(struct bench_db *b, unsigned batch, uint64_t ns, double *rate)
{
	static unsigned long row; /* names stay new from one measurement to the next */
	uint64_t begin = bench_now(), now = begin;
	unsigned long rows = 0;
	char name[32];
	int rc = 0;

	while (rc == 0 && now - begin < ns) {
		if (batch > 1)
			rc = bench_db_exec(b, "BEGIN IMMEDIATE");
		for (unsigned i = 0; rc == 0 && i < batch; i++) {
			snprintf(name, sizeof name, "row-%09lu", row++);
			rc = bench_db_insert(b, name);
		}
		if (rc == 0 && batch > 1)
			rc = bench_db_exec(b, "COMMIT");
		rows += batch;
		now = bench_now();
	}
	*rate = (double)rows * 1e9 / (double)(now - begin);
	return rc;
}

static int run(const char *path, uint64_t ns, FILE *record)
{
	struct bench_db *b = NULL;
	int rc = bench_db_open(path, &b);

	if (rc < 0)
		return 1;
	rc = bench_db_add_node(b);
	printf("%-20s", "rows a transaction");
	for (int i = 0; i < BATCHES; i++)
		printf("%10u", batches[i]);
	putchar('\n');
	for (int full = 1; rc == 0 && full >= 0; full--) {
		rc = bench_db_as_daemon(b, full);
		printf("%-20s", full ? "synchronous=FULL" : "synchronous=NORMAL");
		for (int i = 0; rc == 0 && i < BATCHES; i++) {
			char cell[BENCH_CELL];
			double rate;

			rc = insert(b, batches[i], ns, &rate);
			if (rc < 0)
				break;
			printf("%10s", bench_print_rate(rate, cell));
			fflush(stdout);
			bench_record(record, rate, "sqlite.%s.%u", full ? "full" : "normal", batches[i]);
		}
		printf("  rows/s\n");
	}
	bench_db_close(b);
	unlink(path);
	return rc < 0 ? 1 : 0;
}

int cmd_sqlite(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "record", required_argument, NULL, 'r' },
		{ 0 },
	};
	const char *path = NULL;
	FILE *record = NULL;
	double seconds = 1;
	int c, rc;

	while ((c = getopt_long(argc, argv, "s:r:", options, NULL)) != -1) {
		if (c == 'r')
			path = optarg;
		else if (c != 's' || bench_number("--seconds", optarg, 0.01, 60, &seconds) < 0)
			return 2;
	}
	if (argc - optind != 1) {
		fputs("usage: ipamfs-bench sqlite [-s SECONDS] [-r FILE] FILE\n", stderr);
		return 2;
	}
	if (path != NULL && (record = bench_record_open(path)) == NULL)
		return 1;
	rc = run(argv[optind], (uint64_t)(seconds * 1e9), record);
	bench_record_close(record);
	return rc;
}
