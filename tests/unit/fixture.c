#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct ipam_owner root = { 0, 0, 0644 };

void open_db(struct fixture *f, enum ipam_sync sync)
{
	struct ipam_options options = { .size = sizeof options, .sync = sync, .create = true };
	struct ipam_error error;
	int rc = ipam_open(f->path, &options, &f->ipam, &error);

	if (rc < 0)
		print_error("%s\n", error.text);
	assert_int_equal(rc, 0);
}

void reopen(struct fixture *f)
{
	ipam_close(f->ipam);
	open_db(f, IPAM_SYNC_NORMAL);
}

int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->dir, "/tmp/test_ipam.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	open_db(f, IPAM_SYNC_NORMAL);
	*state = f;
	return 0;
}

int tear_down(void **state)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };
	struct fixture *f = *state;

	ipam_close(f->ipam);
	for (size_t i = 0; i < 3; i++) {
		char path[128];

		snprintf(path, sizeof path, "%s%s", f->path, suffix[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

/* ---- the changes, waited for --------------------------------------------------------------------------------- */

int make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, uint64_t *id)
{
	struct ipam_wait *w = ipam_wait_new();
	struct ipam_object object = { 0 };
	int rc;

	ipam_make(ipam, kind, parent, name, IPAM_EXCLUSIVE, &root, ipam_by_self(), ipam_wait_done, w);
	rc = ipam_wait(w, &object);
	if (rc == 0 && id != NULL)
		*id = object.id;
	return rc;
}

int take_away(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_remove(ipam, kind, parent, name, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

int put(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text, bool append)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_write(ipam, what, id, text, strlen(text), append, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

int rename_to(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *from, const char *to)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_rename(ipam, kind, parent, from, parent, to, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}

uint64_t make_cluster(struct ipam *ipam, const char *cidrs)
{
	uint64_t cluster = 0;

	assert_int_equal(make(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "c", &cluster), 0);
	assert_int_equal(put(ipam, IPAM_CLUSTER_CIDRS, cluster, cidrs, false), 0);
	return cluster;
}

void assert_text(struct ipam *ipam, uint64_t lease, const char *wanted)
{
	char text[IPAM_LEASE_TEXT];

	assert_true(ipam_lease_text(ipam, lease, text) > 0);
	assert_string_equal(text, wanted);
}
