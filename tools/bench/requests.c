#include "bench.h"
#include "commands.h"
#include "measure.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TARGETS = 4, COUNTERS = 64, TIMES = 1000 };

/* The lines "requests_NAME N" of a file. */
struct counts {
	unsigned n;
	struct counter {
		char name[24];
		long long value;
	} counter[COUNTERS];
};

static long long count_of(const struct counts *c, const char *name)
{
	for (unsigned i = 0; i < c->n; i++)
		if (strcmp(c->counter[i].name, name) == 0)
			return c->counter[i].value;
	return 0;
}

static int read_counts(const struct target *t, struct counts *out)
{
	char path[4096], line[256];
	FILE *in;

	snprintf(path, sizeof path, "%s/%s", t->path, t->kind->counts);
	in = fopen(path, "re");
	if (in == NULL)
		return bench_fail(-errno, "%s", path), -errno;
	out->n = 0;
	while (out->n < COUNTERS && fgets(line, sizeof line, in) != NULL) {
		struct counter *c = &out->counter[out->n];

		if (sscanf(line, "requests_%23s %lld", c->name, &c->value) == 2)
			out->n++;
	}
	fclose(in);
	if (out->n == 0)
		return bench_fail(0, "%s: no lines 'requests_NAME N'", path), -EINVAL;
	return 0;
}

/* Releases come after the close that asked for them; let them be counted. */
static int settled_counts(const struct target *t, struct counts *out)
{
	usleep(100000);
	return read_counts(t, out);
}

/* What TIMES operations added to each counter, less what reading the counters itself adds. */
static int count_op(struct target *t, enum op op, struct pass *pass, struct counts *out)
{
	const struct limits limits = { .count = TIMES, .ns = UINT64_MAX / 4 };
	struct counts before, empty, after;
	struct result result = { 0 };
	int rc = settled_counts(t, &before);

	if (rc == 0)
		rc = settled_counts(t, &empty);
	if (rc == 0)
		rc = measure(t, op, 1, &limits, pass, &result);
	result_close(&result);
	if (rc == 0)
		rc = settled_counts(t, &after);
	if (rc < 0)
		return rc;
	*out = after;
	for (unsigned i = 0; i < out->n; i++) {
		const char *name = out->counter[i].name;

		out->counter[i].value -= 2 * count_of(&empty, name) - count_of(&before, name);
	}
	return 0;
}

static void print(const char *op, const char *target, const struct counts *c, double *all)
{
	/* Inodes that the kernel lets go at its leisure belong to no operation in particular. */
	*all = 0;
	for (unsigned i = 0; i < c->n; i++)
		if (strncmp(c->counter[i].name, "forget", 6) != 0 && strcmp(c->counter[i].name, "batch_forget") != 0)
			*all += (double)c->counter[i].value / TIMES;
	printf("%-13s %-7s %6.2f", op, target, *all);
	for (unsigned i = 0; i < c->n; i++)
		if (c->counter[i].value * 100 >= TIMES)
			printf("   %s %.2f", c->counter[i].name, (double)c->counter[i].value / TIMES);
	putchar('\n');
}

static int run(struct target *target, int targets, FILE *record)
{
	struct pass *pass = calloc((size_t)targets, sizeof *pass);
	struct counts counts;
	double all;
	int rc = pass != NULL ? 0 : -ENOMEM;

	for (enum op op = 0; rc == 0 && op < OPS; op++) {
		for (int i = 0; rc == 0 && i < targets; i++) {
			rc = count_op(&target[i], op, &pass[i], &counts);
			if (rc < 0)
				break;
			print(i == 0 ? op_name[op] : "", target[i].kind->name, &counts, &all);
			bench_record(record, all, "requests.%s.%s", op_key[op], target[i].kind->name);
		}
	}
	for (int i = 0; pass != NULL && i < targets; i++)
		measure_clear(&target[i], &pass[i]);
	free(pass);
	return rc;
}

int cmd_requests(int argc, char **argv)
{
	static const struct option options[] = { { "record", required_argument, NULL, 'r' }, { 0 } };
	const struct target_options single = { .threads = 1 };
	static struct target target[TARGETS];
	const char *path = NULL;
	FILE *record = NULL;
	int targets = 0, c, rc = 0;

	while ((c = getopt_long(argc, argv, "r:", options, NULL)) == 'r')
		path = optarg;
	if (c != -1 || argc - optind < 1 || argc - optind > TARGETS) {
		fputs("usage: ipamfs-bench requests [-r FILE] KIND=PATH...\n", stderr);
		return 2;
	}
	if (path != NULL && (record = bench_record_open(path)) == NULL)
		return 1;
	while (rc == 0 && targets < argc - optind) {
		rc = target_open(&target[targets], argv[optind + targets], &single);
		if (rc == 0 && target[targets++].kind->counts == NULL)
			rc = (bench_fail(0, "%s: counts no requests", argv[optind + targets - 1]), -EINVAL);
	}
	if (rc == 0)
		rc = run(target, targets, record);
	while (targets > 0)
		target_close(&target[--targets]);
	bench_record_close(record);
	return rc < 0 ? 1 : 0;
}
