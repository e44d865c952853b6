#include "bench.h"
#include "commands.h"
#include "table.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
	struct target_options target;
	unsigned long count;
	uint64_t ns;
	unsigned rounds;
	unsigned ops; /* bits by enum op */
	const char *label, *record;
};

/* How many operations of each kind make a comparable stretch of time. */
static struct limits limits_of(const struct settings *s, enum op op)
{
	unsigned long count = s->count;

	if (op == OP_STAT)
		count *= 5;
	else if (op == OP_READDIR || op == OP_MKDIR)
		count /= 4;
	return (struct limits){ .count = count > 0 ? count : 1, .ns = s->ns };
}

static void progress(const struct settings *s, unsigned threads, unsigned round, enum op op)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%s: %u threads, round %u of %u, %s\033[K", s->label, threads, round + 1, s->rounds, op_name[op]);
}

/* Operation by operation, each on all targets one after the other, so that what the machine does besides hits all. */
static int run_round(const struct settings *s, struct target *target, struct table *t, unsigned column, unsigned round)
{
	struct pass *pass = calloc(t->targets, sizeof *pass);
	int rc = pass != NULL ? 0 : -ENOMEM;

	for (unsigned i = 0; rc == 0 && i < t->targets; i++) {
		pass[i].number = column * s->rounds + round;
		rc = target_renew(&target[i]);
	}
	for (enum op op = 0; rc == 0 && op < OPS; op++) {
		struct limits limits = limits_of(s, op);

		/* What others need isn't left out. */
		if (!(s->ops & 1u << op) && op != OP_CREATE)
			continue;
		progress(s, t->threads[column], round, op);
		for (unsigned i = 0; rc == 0 && i < t->targets; i++) {
			rc = measure(&target[i], op, t->threads[column], &limits, &pass[i], &t->result[op][i][column]);
			if (rc == 0 && op == OP_CREATE)
				rc = measure_fill(&target[i], &pass[i]);
		}
	}
	for (unsigned i = 0; pass != NULL && i < t->targets; i++)
		measure_clear(&target[i], &pass[i]);
	free(pass);
	return rc;
}

static int run(const struct settings *s, struct table *t, char **arguments)
{
	struct target *target = calloc(t->targets, sizeof *target);
	FILE *record = NULL;
	int rc = target != NULL ? 0 : -ENOMEM;
	unsigned opened = 0;

	while (rc == 0 && opened < t->targets) {
		rc = target_open(&target[opened], arguments[opened], &s->target);
		if (rc == 0) {
			t->target[opened] = target[opened].kind->name;
			opened++;
		}
	}
	for (unsigned c = 0; rc == 0 && c < t->columns; c++)
		for (unsigned round = 0; rc == 0 && round < s->rounds; round++)
			rc = run_round(s, target, t, c, round);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	while (opened > 0)
		target_close(&target[--opened]);
	free(target);
	if (rc < 0)
		return 1;
	table_print(t);
	if (s->record != NULL) {
		record = bench_record_open(s->record);
		if (record == NULL)
			return 1;
		table_record(t, record, s->label);
		bench_record_close(record);
	}
	return 0;
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

static int parse_threads(struct settings *s, struct table *t, char *list)
{
	char *save = NULL;
	double n;

	t->columns = 0;
	s->target.threads = 0;
	for (char *word = strtok_r(list, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		if (t->columns == TABLE_COLUMNS)
			return bench_fail(0, "--threads: at most %d numbers", TABLE_COLUMNS), -EINVAL;
		if (bench_number("--threads", word, 1, TARGET_THREADS, &n) < 0)
			return -EINVAL;
		t->threads[t->columns++] = (unsigned)n;
		if (n > s->target.threads)
			s->target.threads = (unsigned)n;
	}
	return t->columns > 0 ? 0 : -EINVAL;
}

static int parse_ops(struct settings *s, char *list)
{
	char *save = NULL;

	s->ops = 0;
	for (char *word = strtok_r(list, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		enum op op = 0;

		while (op < OPS && strcmp(op_key[op], word) != 0)
			op++;
		if (op == OPS)
			return bench_fail(0, "--only '%s': no such operation", word), -EINVAL;
		s->ops |= 1u << op;
	}
	return 0;
}

static int parse_option(struct settings *s, struct table *t, int c)
{
	double n = 0;
	int rc = 0;

	switch (c) {
	case 't':
		return parse_threads(s, t, optarg);
	case 's':
		rc = bench_number("--seconds", optarg, 0.01, 60, &n);
		s->ns = (uint64_t)(n * 1e9);
		return rc;
	case 'n':
		rc = bench_number("--count", optarg, 1, 1e6, &n);
		s->count = (unsigned long)n;
		return rc;
	case 'R':
		rc = bench_number("--rounds", optarg, 1, 1000, &n);
		s->rounds = (unsigned)n;
		return rc;
	case 'o':
		return parse_ops(s, optarg);
	case 'd':
		s->target.durable = true;
		return 0;
	case 'p':
		s->target.per_node = true;
		return 0;
	case 'l':
		s->label = optarg;
		return 0;
	case 'r':
		s->record = optarg;
		return 0;
	default:
		return -EINVAL;
	}
}

static int usage(void)
{
	fputs("usage: ipamfs-bench ops [OPTION...] KIND=PATH...\n"
	      "The first target is compared with the others.\n"
	      "  -t, --threads N[,N...]  numbers of threads, at most four (1,4,16,64)\n"
	      "  -n, --count N           creates of a round at most, by all threads; others in proportion (10000)\n"
	      "  -s, --seconds S         time for each operation of a round, at most (0.5)\n"
	      "  -R, --rounds N          how often to go through all targets and operations (2)\n"
	      "      --only OP[,OP...]   create, stat, cat, readdir, unlink, mkdir\n"
	      "      --durable           disk: fsync file and directory after each change; sqlite: synchronous=FULL\n"
	      "      --per-node          a directory for each thread, not one for all\n"
	      "  -l, --label WORD        first part of the keys in the record (ops)\n"
	      "  -r, --record FILE       append the results as lines 'KEY VALUE'\n",
	      stderr);
	return 2;
}

int cmd_ops(int argc, char **argv)
{
	static const struct option options[] = {
		{ "threads", required_argument, NULL, 't' }, { "count", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' }, { "rounds", required_argument, NULL, 'R' },
		{ "only", required_argument, NULL, 'o' },    { "durable", no_argument, NULL, 'd' },
		{ "per-node", no_argument, NULL, 'p' },      { "label", required_argument, NULL, 'l' },
		{ "record", required_argument, NULL, 'r' },  { 0 },
	};
	struct settings s = { .count = 10000, .ns = 500000000, .rounds = 2, .ops = ~0u, .label = "ops" };
	struct table *t = calloc(1, sizeof *t);
	char threads[] = "1,4,16,64";
	int c, rc;

	if (t == NULL)
		return bench_fail(-ENOMEM, "ops");
	rc = parse_threads(&s, t, threads);
	while (rc == 0 && (c = getopt_long(argc, argv, "t:n:s:R:l:r:", options, NULL)) != -1)
		rc = parse_option(&s, t, c);
	if (rc == 0 && (argc - optind < 1 || argc - optind > TABLE_TARGETS))
		rc = -EINVAL;
	if (rc < 0) {
		rc = usage();
	} else {
		t->targets = (unsigned)(argc - optind);
		rc = run(&s, t, argv + optind);
	}
	table_close(t);
	free(t);
	return rc;
}
