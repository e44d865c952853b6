/* ADD and DEL as container runtimes see them: whole processes, ours and host-local's in turn, at several numbers of leases
 * held already. Both keep what they know on the same disk. */
#include "bench.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1000, TOGETHER = 16, IPV4_BASE = 0x0af40000 /* 10.244.0.0 */ };

static const unsigned levels[] = { 0, 250, 10000 };
enum { LEVELS = sizeof levels / sizeof *levels };

enum side { OURS, THEIRS, SIDES };
static const char *const side_name[SIDES] = { "ipamfs", "host-local" };
enum { ADD, DEL, COMMANDS };
static const char *const command_name[COMMANDS] = { "ADD", "DEL" };

struct bench {
	const char *plugin[SIDES], *mount, *data;
	char conf[SIDES][512]; /* files */
	unsigned rounds, serial;
	uint32_t *us[COMMANDS][SIDES];
	long rss[SIDES]; /* KiB */
	FILE *record;
};

/* ---- one process ------------------------------------------------------------------------------------------------------ */

static int start(const struct bench *b, enum side side, int command, unsigned id, pid_t *pid)
{
	char container[64], name[64];
	char *argv[] = { (char *)b->plugin[side], NULL };
	char *env[] = { name, container, "CNI_NETNS=/run/netns/bench", "CNI_IFNAME=eth0", "CNI_PATH=/usr/lib/cni", NULL };
	posix_spawn_file_actions_t actions;
	int rc;

	snprintf(name, sizeof name, "CNI_COMMAND=%s", command_name[command]);
	snprintf(container, sizeof container, "CNI_CONTAINERID=bench%u", id);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, b->conf[side], O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	rc = -posix_spawn(pid, b->plugin[side], &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return rc < 0 ? bench_fail(rc, "%s", b->plugin[side]) : 0;
}

static int run(struct bench *b, enum side side, int command, unsigned id, uint32_t *us)
{
	uint64_t begun = bench_now();
	int status;
	pid_t pid;

	if (start(b, side, command, id, &pid) != 0)
		return 1;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return bench_fail(0, "%s: %s failed", side_name[side], command_name[command]);
	*us = (uint32_t)((bench_now() - begun) / 1000);
	return 0;
}

/* What an ADD needs of memory. Forked, not spawned: a process begins with the peak of what it shared its memory with. */
static int weigh(struct bench *b, enum side side)
{
	unsigned id = b->serial++;
	char container[64];
	struct rusage usage;
	uint32_t ignored;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char *argv[] = { (char *)b->plugin[side], NULL };
		char *env[] = {
			"CNI_COMMAND=ADD", container, "CNI_NETNS=/run/netns/bench", "CNI_IFNAME=eth0", "CNI_PATH=/usr/lib/cni", NULL
		};
		int conf = open(b->conf[side], O_RDONLY), null = open("/dev/null", O_WRONLY);

		snprintf(container, sizeof container, "CNI_CONTAINERID=bench%u", id);
		if (dup2(conf, 0) == 0 && dup2(null, 1) == 1)
			execve(argv[0], argv, env);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0 || status != 0)
		return bench_fail(0, "%s: ADD failed", side_name[side]);
	b->rss[side] = usage.ru_maxrss;
	return run(b, side, DEL, id, &ignored);
}

/* ---- leases that are there already --------------------------------------------------------------------------------------- */

static int write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool good = f != NULL && fputs(text, f) >= 0;

	if (f != NULL && fclose(f) != 0)
		good = false;
	return good ? 0 : bench_fail(-errno, "%s", path);
}

static void address(unsigned i, char out[32])
{
	unsigned addr = IPV4_BASE + 2 + i;

	snprintf(out, 32, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
}

/* The files as host-local writes them. */
static int fill_theirs(const struct bench *b, unsigned from, unsigned to)
{
	char path[4096 + 64], text[64], addr[32] = "";
	int rc = 0;

	for (unsigned i = from; rc == 0 && i < to; i++) {
		address(i, addr);
		snprintf(path, sizeof path, "%s/net/%s", b->data, addr);
		snprintf(text, sizeof text, "filled%u\r\neth0", i);
		rc = write_file(path, text);
	}
	snprintf(path, sizeof path, "%s/net/last_reserved_ip.0", b->data);
	return rc == 0 && to > from ? write_file(path, addr) : rc;
}

static int fill_ours(const struct bench *b, unsigned from, unsigned to)
{
	char path[4096 + 64], addr[32];
	FILE *f;
	int rc = 0;

	snprintf(path, sizeof path, "%s/prod/.ipam/import", b->mount);
	f = fopen(path, "r+");
	if (f == NULL)
		return bench_fail(-errno, "%s", path);
	for (unsigned i = from; i < to; i++) {
		address(i, addr);
		fprintf(f,
			"{\"node\":\"n1\",\"name\":\"filled%u.eth0\",\"addresses\":[\"%s\"],\"attributes\":{\"container-id\":"
			"\"filled%u\",\"ifname\":\"eth0\",\"network\":\"net\"}}\n",
			i, addr, i);
	}
	if (fflush(f) != 0 || fsync(fileno(f)) < 0)
		rc = bench_fail(-errno, "%s", path);
	fclose(f);
	return rc;
}

/* ---- a level --------------------------------------------------------------------------------------------------------------- */

static int pair_of(struct bench *b, unsigned round)
{
	unsigned id = b->serial++;

	for (int command = 0; command < COMMANDS; command++)
		for (int i = 0; i < SIDES; i++) {
			enum side side = (enum side)((i + (int)round) % SIDES); /* each goes first as often */

			if (run(b, side, command, id, &b->us[command][side][round]) != 0)
				return 1;
		}
	return 0;
}

static int measure(struct bench *b, unsigned level)
{
	double us[COMMANDS][SIDES];
	char cell[3][BENCH_CELL];

	for (unsigned r = 0; r < b->rounds; r++)
		if (pair_of(b, r) != 0)
			return 1;
	for (int command = 0; command < COMMANDS; command++) {
		for (int side = 0; side < SIDES; side++) {
			us[command][side] = bench_percentile(b->us[command][side], b->rounds, 0.5);
			bench_record(b->record, us[command][side], "cni.%s.%u.%s", command_name[command], level, side_name[side]);
		}
		printf("%7u  %-7s %9s %11s %7s\n", level, command_name[command], bench_print_us(us[command][OURS] * 1000, cell[0]),
		       bench_print_us(us[command][THEIRS] * 1000, cell[1]),
		       bench_print_ratio(us[command][THEIRS] / us[command][OURS], cell[2]));
	}
	bench_record(b->record, (us[ADD][THEIRS] + us[DEL][THEIRS]) / (us[ADD][OURS] + us[DEL][OURS]), "cni.ratio.%u", level);
	bench_record(b->record, us[ADD][OURS], "cni.flat.%u", level);
	return 0;
}

/* The slowest of many ADDs at once, over one alone. */
static int together(struct bench *b, enum side side)
{
	uint64_t begun[TOGETHER], slowest = 0;
	pid_t pid[TOGETHER];
	uint32_t alone[TOGETHER];
	unsigned first = b->serial;
	int rc = 0;

	for (int i = 0; rc == 0 && i < TOGETHER; i++)
		rc = run(b, side, ADD, b->serial++, &alone[i]);
	for (int i = 0; rc == 0 && i < TOGETHER; i++) {
		begun[i] = bench_now();
		rc = start(b, side, ADD, b->serial++, &pid[i]);
	}
	for (int left = TOGETHER; rc == 0 && left > 0; left--) {
		int status;
		pid_t done = wait(&status);

		for (int i = 0; i < TOGETHER; i++)
			if (pid[i] == done && bench_now() - begun[i] > slowest)
				slowest = bench_now() - begun[i];
		if (status != 0)
			rc = bench_fail(0, "one of %d ADDs at once failed", TOGETHER);
	}
	for (uint32_t ignored; rc == 0 && first < b->serial; first++)
		rc = run(b, side, DEL, first, &ignored);
	if (rc == 0) {
		double ratio = (double)slowest / 1000 / bench_percentile(alone, TOGETHER, 0.5);

		printf("%d ADDs at once, %s: the slowest takes %.1f times one alone\n", TOGETHER, side_name[side], ratio);
		bench_record(b->record, ratio, "cni.together.%s", side_name[side]);
	}
	return rc;
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------- */

static int set_up(struct bench *b)
{
	static const char *const ipam[SIDES] = {
		"{\"cniVersion\":\"1.0.0\",\"name\":\"net\",\"type\":\"bridge\",\"ipam\":{\"type\":\"ipamfs\",\"mount\":\"%s\","
		"\"cluster\":\"prod\",\"node\":\"n1\"}}",
		"{\"cniVersion\":\"1.0.0\",\"name\":\"net\",\"type\":\"bridge\",\"ipam\":{\"type\":\"host-local\",\"subnet\":"
		"\"10.244.0.0/16\",\"dataDir\":\"%s\"}}",
	};
	char path[4096], text[8192];
	int rc = 0;

	snprintf(path, sizeof path, "%s/net", b->data);
	if (mkdir(b->data, 0755) < 0 || mkdir(path, 0755) < 0)
		return bench_fail(-errno, "%s", path);
	for (int side = 0; rc == 0 && side < SIDES; side++) {
		snprintf(b->conf[side], sizeof b->conf[side], "%s.%s.json", b->data, side_name[side]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof text, ipam[side], side == OURS ? b->mount : b->data);
#pragma GCC diagnostic pop
		rc = write_file(b->conf[side], text);
	}
	snprintf(path, sizeof path, "%s/prod", b->mount);
	if (rc == 0 && mkdir(path, 0755) < 0)
		return bench_fail(-errno, "%s", path);
	snprintf(path, sizeof path, "%s/prod/.ipam/cidrs", b->mount);
	if (rc == 0)
		rc = write_file(path, "10.244.0.0/16 16\n");
	snprintf(path, sizeof path, "%s/prod/n1", b->mount);
	if (rc == 0 && mkdir(path, 0755) < 0)
		return bench_fail(-errno, "%s", path);
	return rc;
}

static int run_levels(struct bench *b)
{
	unsigned have = 0;
	int rc = 0;

	for (int side = 0; rc == 0 && side < SIDES; side++)
		rc = together(b, (enum side)side);
	printf("%7s  %-7s %9s %11s %7s   (microseconds, medians of %u)\n", "leases", "command", side_name[OURS], side_name[THEIRS], "ratio",
	       b->rounds);
	for (unsigned i = 0; rc == 0 && i < LEVELS; i++) {
		rc = fill_ours(b, have, levels[i]);
		if (rc == 0)
			rc = fill_theirs(b, have, levels[i]);
		have = levels[i];
		if (rc == 0)
			rc = measure(b, levels[i]);
	}
	for (int side = 0; rc == 0 && side < SIDES; side++)
		rc = weigh(b, (enum side)side);
	printf("memory: %ld KiB, host-local %ld KiB\n", b->rss[OURS], b->rss[THEIRS]);
	bench_record(b->record, (double)b->rss[OURS] / (double)b->rss[THEIRS], "cni.memory");
	return rc;
}

int cmd_cni(int argc, char **argv)
{
	struct bench b = { .rounds = 21, .serial = 1 };
	const char *record = NULL;
	double number;
	int c, rc = 0;

	while ((c = getopt(argc, argv, "r:n:")) != -1) {
		if (c == 'r')
			record = optarg;
		else if (c == 'n' && bench_number("rounds", optarg, 1, ROUNDS_MAX, &number) == 0)
			b.rounds = (unsigned)number;
		else
			return 2;
	}
	if (argc - optind != 4)
		return bench_fail(0, "IPAMFS-CNI HOST-LOCAL MOUNT DATA-DIR are wanted") + 1;
	b.plugin[OURS] = argv[optind];
	b.plugin[THEIRS] = argv[optind + 1];
	b.mount = argv[optind + 2];
	b.data = argv[optind + 3];
	b.record = bench_record_open(record);
	for (int i = 0; i < COMMANDS * SIDES; i++) {
		b.us[i / SIDES][i % SIDES] = calloc(ROUNDS_MAX, sizeof(uint32_t));
		rc |= b.us[i / SIDES][i % SIDES] == NULL;
	}
	rc = rc != 0 ? bench_fail(-ENOMEM, "samples") : set_up(&b);
	if (rc == 0)
		rc = run_levels(&b);
	for (int i = 0; i < COMMANDS * SIDES; i++)
		free(b.us[i / SIDES][i % SIDES]);
	bench_record_close(b.record);
	return rc;
}
