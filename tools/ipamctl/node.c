/* node — what concerns other machines' nodes: taking one from a machine that is dead. */
#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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
	int fd = -1, status = CTL_DONE;

	if (asprintf(&path, "%s/.ipam/remove", t->path) < 0)
		return ctl_fail(CTL_REFUSED, "out of memory");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, word, sizeof word - 1) < 0) {
		switch (errno) {
		case EBUSY:
			status = ctl_fail(CTL_REFUSED, "%s: its machine is there, or was half a minute ago; nothing is taken from it",
					  t->path);
			break;
		case EOPNOTSUPP:
			status = ctl_fail(CTL_REFUSED, "%s: no other machine shares this mount's database; use rmdir", t->path);
			break;
		default:
			status = ctl_fail(CTL_REFUSED, "%s: %s", t->path, strerror(errno));
		}
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return status;
}

static int run(int argc, char **argv)
{
	enum { FORCE = 1 };
	static const struct option longs[] = {
		{ "force", no_argument, NULL, FORCE },
		{ "mount", required_argument, NULL, TARGET_MOUNT },
		{ "cluster", required_argument, NULL, TARGET_CLUSTER },
		{ NULL, 0, NULL, 0 },
	};
	struct target t = { 0 };
	bool forced = false;
	int c, status;

	while ((c = ctl_option(argc, argv, longs)) != -1)
		if (c == FORCE)
			forced = true;
		else if (!target_option(&t, c, optarg))
			return CTL_USAGE;
	if (argc - optind != 2 || strcmp(argv[optind], "remove") != 0)
		return ctl_fail(CTL_USAGE, "say what: ipamctl node remove --force NODE");
	if (!forced)
		return ctl_fail(CTL_USAGE, "a node of one's own is removed with rmdir; --force takes one from a dead machine");
	t.node = argv[optind + 1];
	status = target_find(&t);
	if (status == CTL_DONE)
		status = force(&t);
	if (status == CTL_DONE)
		ctl_say(stdout, "%s/%s: removed; its blocks rest\n", t.cluster, t.node);
	target_free(&t);
	return status;
}

const struct command command_node = { "node", run, "take a node from a machine that is dead", usage, true };
