/* commands — the subcommands of ipamfs-bench, a source each. */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

/* A subcommand: argv[0] is its name. Returns the exit code: 0 done, 1 failed, 2 usage. */
typedef int bench_command(int argc, char **argv);
bench_command cmd_alloc, cmd_claim_last, cmd_cni, cmd_delay, cmd_floor, cmd_generate, cmd_join, cmd_ops, cmd_reports, cmd_requests,
	cmd_scale, cmd_sqlite;

#endif
