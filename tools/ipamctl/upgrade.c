/* upgrade — the program that is installed now takes over a mount, while its clients go on. */
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "target.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] = "usage: ipamctl upgrade [--timeout SECONDS] [--json] [--mount DIR]\n"
			    "\n"
			    "The ipamfs that is installed now takes over a mount from the one that serves it. Nobody has to\n"
			    "let go of it: what is open stays open, and calls that come meanwhile wait for their answer.\n"
			    "Says how long that was, as its own calls saw it. A program that can't take over is refused, and\n"
			    "the one that runs goes on.\n"
			    "\n"
			    "  --timeout SECONDS   how long to wait for it (60)\n"
			    "  --json              the same as JSON\n"
			    "\n"
			    "Exit status: 0 done, 1 refused or not in time, 2 usage.\n";

struct server {
	uint64_t supervisor, worker, workers;
	char version[64];
};

static int read_word(const char *mount, const char *name, char *out, size_t room)
{
	char path[4352];
	FILE *f;

	snprintf(path, sizeof path, "%s/.ipam/%s", mount, name);
	f = fopen(path, "re");
	if (f == NULL || fgets(out, (int)room, f) == NULL) {
		if (f != NULL)
			fclose(f);
		return -1;
	}
	fclose(f);
	out[strcspn(out, "\n")] = 0;
	return 0;
}

/* Who serves it; a call like any client's, which waits while nobody does. */
static int look(const char *mount, struct server *s)
{
	char path[4352], line[256];
	FILE *f;

	*s = (struct server){ 0 };
	snprintf(path, sizeof path, "%s/.ipam/stats", mount);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	while (fgets(line, sizeof line, f) != NULL) {
		sscanf(line, "supervisor_pid %" SCNu64, &s->supervisor);
		sscanf(line, "worker_pid %" SCNu64, &s->worker);
		sscanf(line, "workers_started %" SCNu64, &s->workers);
	}
	fclose(f);
	return read_word(mount, "version", s->version, sizeof s->version);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

/* Calls without pause, until another worker answers: the longest of them. */
static int wait_for_next(const char *mount, const struct server *before, double timeout, struct server *after, double *longest)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	double begun = now_ms(), quiet = 0;

	*longest = 0;
	do {
		double at = now_ms(), took;

		if (look(mount, after) < 0)
			return -1;
		took = now_ms() - at;
		if (took > *longest)
			*longest = took;
		if (after->workers != before->workers && quiet == 0)
			quiet = now_ms();
		nanosleep(&pause, NULL);
	} while (now_ms() - begun < timeout * 1000 && (quiet == 0 || now_ms() - quiet < 100));
	return quiet == 0 ? 1 : 0;
}

static void report(const struct server *before, const struct server *after, double longest, bool json)
{
	if (json) {
		json_t *o = json_pack("{s:s, s:s, s:I, s:f}", "from", before->version, "to", after->version, "worker",
				      (json_int_t)after->worker, "longest_call_ms", longest);

		json_dumpf(o, stdout, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(o);
	} else {
		cli_say(stdout, "version %s took over from %s; the longest call took %.0f ms\n", after->version, before->version, longest);
	}
}

static int upgrade(const char *mount, double timeout, bool json)
{
	struct server before, after;
	double longest;
	int rc;

	if (look(mount, &before) < 0)
		return cli_fail(CLI_REFUSED, "%s: no ipamfs is mounted there", mount);
	if (before.supervisor <= 1)
		return cli_fail(CLI_REFUSED, "%s: nobody supervises it here; it is another machine's, or another namespace's", mount);
	if (kill((pid_t)before.supervisor, SIGHUP) < 0)
		return cli_fail(CLI_REFUSED, "process %" PRIu64 ": %s", before.supervisor, strerror(errno));
	rc = wait_for_next(mount, &before, timeout, &after, &longest);
	if (rc < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", mount, strerror(errno));
	if (rc > 0)
		return cli_fail(CLI_REFUSED, "%s: the one that runs goes on; its log says why", mount);
	report(&before, &after, longest, json);
	return CLI_DONE;
}

static bool take_seconds(const char *value, void *to)
{
	double *seconds = to;
	char *end;

	*seconds = strtod(value, &end);
	return end != value && *end == 0 && *seconds > 0 && *seconds <= 86400;
}

static int run(int argc, char **argv)
{
	const char *mount = NULL;
	double timeout = 60;
	bool json = false;
	const struct cli_option options[] = {
		{ "timeout", .take = take_seconds, .to = &timeout, .wrong = "--timeout: '%s' is no number of seconds" },
		{ "json", .flag = &json },
		{ "mount", .text = &mount },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 1)
		return cli_fail(CLI_USAGE, "'%s': nothing is wanted here but options", argv[1]);
	return upgrade(target_mount(mount), timeout, json);
}

const struct command command_upgrade = { "upgrade", run, "let the ipamfs that is installed now take over a mount", usage, true };
