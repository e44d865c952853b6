#include "commands.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	bench_command *run;
	const char *arguments, *help;
} commands[] = {
	{ "alloc", cmd_alloc, "[-s SECONDS] DIRECTORY...", "leases made and released a second, a thread a directory" },
	{ "claim-last", cmd_claim_last, "[-r FILE] [MOUNT]", "what it costs to claim the last free address of a /12" },
	{ "cni", cmd_cni, "[-n ROUNDS] [-r FILE] OURS THEIRS MOUNT DIR", "ADD and DEL of two CNI plugins in turn" },
	{ "delay", cmd_delay, "PORT TO-PORT MILLISECONDS", "a TCP proxy that SIGUSR1 makes slow, SIGUSR2 quick" },
	{ "floor", cmd_floor, "[-o OPTIONS] MOUNTPOINT", "serve the smallest filesystem in memory, until SIGTERM" },
	{ "generate", cmd_generate, "[OPTIONS] FILE", "fill a database with a cluster of nodes and leases" },
	{ "join", cmd_join, "[OPTIONS] ENDPOINTS PREFIX DIR...", "nodes made at once by mounts that share an etcd" },
	{ "ops", cmd_ops, "[OPTIONS] KIND=PATH...", "time file operations on several targets in turn" },
	{ "reports", cmd_reports, "[-r FILE] MOUNT/CLUSTER", "what long reports do to those who allocate" },
	{ "requests", cmd_requests, "[-r FILE] KIND=PATH...", "count the requests that each operation makes" },
	{ "scale", cmd_scale, "[OPTIONS] IPAMFS DIR", "mount time and memory of a large database" },
	{ "sqlite", cmd_sqlite, "[-s SECONDS] [-r FILE] FILE", "plain inserts into the same schema" },
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *to)
{
	fputs("usage: ipamfs-bench COMMAND [ARGUMENT...]\n\n", to);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %-28s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
	fputs("\nKIND is ipamfs, floor, disk, tmpfs (directories) or sqlite (a file to be made). -r appends\n"
	      "results to a file as lines 'KEY VALUE'. `make bench` runs it all.\n",
	      to);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0))
		return usage(stdout);
	for (int i = 0; argc >= 2 && i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return usage(stderr);
}
