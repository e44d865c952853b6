/* node — what concerns other machines' nodes: taking one from a machine that is dead. */
#include "cli/options.h"
#include "cli/say.h"
#include "commands.h"
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: ipamctl node remove --force NODE [--cluster NAME] [--mount DIR]\n"
			    "\n"
			    "Where many machines share an engine (etcd), takes a node from a machine that is dead: the\n"
			    "node goes, with what it published of its leases, and its blocks rest for the node's\n"
			    "block-quarantine (an hour) before they are delegated again.\n"
			    "\n"
			    "A machine that is there, or was within half a minute, is refused. See that a machine is\n"
			    "really dead, or its network cut: one that isn't goes on by its blocks until it reaches the\n"
			    "engine again. It stops allocating then, and keeps what runs.\n"
			    "\n"
			    "A node of one's own, or of nobody's, is removed with rmdir.\n"
			    "\n"
			    "Exit status: 0 done, 1 refused, 2 usage.\n";

static int force(const struct target *t)
{
	static const char word[] = "force\n";
	char *path = NULL;
	int fd = -1, status = CLI_DONE;

	if (asprintf(&path, "%s/.ipam/remove", t->path) < 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, word, sizeof word - 1) < 0) {
		switch (errno) {
		case EBUSY:
			status = cli_fail(CLI_REFUSED, "%s: its machine is there, or was half a minute ago; nothing is taken from it",
					  t->path);
			break;
		case EOPNOTSUPP:
			status = cli_fail(CLI_REFUSED, "%s: no other machine shares this mount's database; use rmdir", t->path);
			break;
		default:
			status = cli_fail(CLI_REFUSED, "%s: %s", t->path, strerror(errno));
		}
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return status;
}

static int run(int argc, char **argv)
{
	struct target t = { 0 };
	bool forced = false;
	const struct cli_option options[] = {
		{ "force", .flag = &forced, .changes = true },
		{ "mount", .text = &t.mount },
		{ "cluster", .text = &t.cluster },
		{ 0 },
	};
	int status = cli_options(&argc, argv, options);

	if (status != CLI_DONE)
		return status;
	if (argc != 3 || strcmp(argv[1], "remove") != 0)
		return cli_fail(CLI_USAGE, "say what: ipamctl node remove --force NODE");
	if (!forced)
		return cli_fail(CLI_USAGE, "a node of one's own is removed with rmdir; --force takes one from a dead machine");
	t.node = argv[2];
	status = target_find(&t);
	if (status == CLI_DONE)
		status = force(&t);
	if (status == CLI_DONE)
		cli_say(stdout, "%s/%s: removed; its blocks rest\n", t.cluster, t.node);
	target_free(&t);
	return status;
}

const struct command command_node = { "node", run, "take a node from a machine that is dead", usage, true };
