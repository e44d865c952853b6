#include "floor.h"

#include "bench.h"
#include "commands.h"
#include "floor_ops.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 8 }; /* as ipamfs has; they stay, since making one costs more than a request */

static int serve(struct floor *f, struct fuse_session *session, const char *mountpoint)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	if (config == NULL)
		return bench_fail(-ENOMEM, "floor");
	fuse_loop_cfg_set_max_threads(config, THREADS);
	fuse_loop_cfg_set_idle_threads(config, THREADS);
	if (fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, mountpoint) != 0) {
		fuse_loop_cfg_destroy(config);
		return bench_fail(0, "floor: can't mount on %s", mountpoint);
	}
	clock_gettime(CLOCK_REALTIME, &f->born);
	rc = fuse_session_loop_mt(session, config);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_loop_cfg_destroy(config);
	return rc < 0 ? bench_fail(rc, "floor: serving %s", mountpoint) : 0;
}

static int run(const char *options, const char *mountpoint)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session = NULL;
	struct floor *f = calloc(1, sizeof *f);
	int rc = f != NULL ? tree_init(&f->tree) : -ENOMEM;

	if (rc < 0) {
		free(f);
		return bench_fail(rc, "floor");
	}
	rc = 1;
	if (fuse_opt_add_arg(&args, "ipamfs-bench") == 0 && fuse_opt_add_arg(&args, "-o") == 0 && fuse_opt_add_arg(&args, options) == 0)
		session = fuse_session_new(&args, &floor_ops, sizeof floor_ops, f);
	if (session != NULL) {
		rc = serve(f, session, mountpoint);
		fuse_session_destroy(session);
	}
	fuse_opt_free_args(&args);
	tree_close(&f->tree);
	free(f);
	return rc;
}

int cmd_floor(int argc, char **argv)
{
	const char *options = "default_permissions,fsname=floor,subtype=floor"; /* as ipamfs, always */
	int c;

	while ((c = getopt(argc, argv, "o:")) == 'o')
		options = optarg;
	if (c != -1 || argc - optind != 1) {
		fputs("usage: ipamfs-bench floor [-o OPTIONS] MOUNTPOINT\n", stderr);
		return 2;
	}
	return run(options, argv[optind]);
}
