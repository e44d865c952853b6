#include "target.h"

#include "bench.h"
#include "target_sqlite.h"
#include "target_tree.h"

#include <errno.h>
#include <string.h>

const char *const op_name[OPS] = {
	[OP_CREATE] = "create+close", [OP_STAT] = "stat",     [OP_CAT] = "cat",
	[OP_READDIR] = "readdir",     [OP_UNLINK] = "unlink", [OP_MKDIR] = "mkdir+rmdir",
};

const char *const op_key[OPS] = {
	[OP_CREATE] = "create",   [OP_STAT] = "stat",     [OP_CAT] = "cat",
	[OP_READDIR] = "readdir", [OP_UNLINK] = "unlink", [OP_MKDIR] = "mkdir",
};

#define TREE                                                                                                                               \
	.max_threads = TARGET_THREADS, .open = tree_open, .renew = tree_renew, .close = tree_target_close,                                 \
	.op = { [OP_CREATE] = tree_create,   [OP_STAT] = tree_stat,     [OP_CAT] = tree_cat,                                               \
		[OP_READDIR] = tree_readdir, [OP_UNLINK] = tree_unlink, [OP_MKDIR] = tree_mkdir }

static const struct target_kind target_kinds[] = {
	{ .name = "ipamfs", .is_ipamfs = true, .counts = ".ipam/stats", TREE },
	{ .name = "floor", .counts = ".requests", TREE },
	{ .name = "disk", .fills = true, .fsyncs = true, TREE },
	{ .name = "tmpfs", .fills = true, TREE },
	/* One connection is what the daemon has; more would only queue for the write lock. */
	{ .name = "sqlite",
	  .max_threads = 1,
	  .open = sqlite_open,
	  .close = sqlite_target_close,
	  .op = { [OP_CREATE] = sqlite_insert, [OP_UNLINK] = sqlite_delete } },
	{ .name = NULL },
};

int target_open(struct target *t, const char *argument, const struct target_options *options)
{
	size_t n = strcspn(argument, "=");
	const struct target_kind *kind = target_kinds;
	int rc;

	while (kind->name != NULL && (strlen(kind->name) != n || memcmp(kind->name, argument, n) != 0))
		kind++;
	if (kind->name == NULL || argument[n] != '=') {
		bench_fail(0, "'%s': expected ipamfs, floor, disk, tmpfs or sqlite, and =PATH", argument);
		return -EINVAL;
	}
	*t = (struct target){ .kind = kind, .path = argument + n + 1, .options = *options, .top = -1 };
	rc = kind->open(t);
	if (rc < 0) {
		bench_fail(rc, "setting up %s", argument);
		kind->close(t);
		t->kind = NULL;
	}
	return rc;
}

int target_renew(struct target *t)
{
	int rc = t->kind->renew != NULL ? t->kind->renew(t) : 0;

	if (rc < 0)
		bench_fail(rc, "new directories in %s", t->path);
	return rc;
}

void target_close(struct target *t)
{
	if (t->kind != NULL)
		t->kind->close(t);
	t->kind = NULL;
}
