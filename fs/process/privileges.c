#include "fs/process/privileges.h"

#include "fs/base/log.h"
#include "fs/base/spool.h"
#include "fs/process/filter.h"
#include "fs/process/landlock.h"
#include "fs/process/worker.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

static int keep_capabilities(const unsigned *keep, size_t n)
{
	bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, keep[i]);
	return capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/* What it has of these: none by a user's own mount. */
static size_t only_what_there_is(unsigned *list, size_t n)
{
	size_t have = 0;

	capng_get_caps_process();
	for (size_t i = 0; i < n; i++)
		if (capng_have_capability(CAPNG_PERMITTED, list[i]))
			list[have++] = list[i];
	return have;
}

int privileges_of_supervisor(void)
{
	/* SETPCAP: for its workers, which give up more; SYS_RESOURCE: to hold many files. */
	unsigned keep[] = { CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP, CAP_SYS_RESOURCE };
	size_t n = only_what_there_is(keep, sizeof keep / sizeof *keep);

	return geteuid() == 0 ? keep_capabilities(keep, n) : 0; /* a user's own has none, and needs a setuid fusermount3 */
}

/* ---- a worker ---------------------------------------------------------------------------------------------- */

static bool may_open(const char *path, int flags)
{
	int fd = path == NULL ? -1 : open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool refused = fd < 0 && path != NULL && errno == EACCES;

	if (fd >= 0)
		close(fd);
	return !refused;
}

/* Without any capability: a database that is its own, as is its directory, needs none, nor do keys that are root's. */
static size_t what_is_needed(const struct options *o, unsigned keep[2])
{
	const char *read[] = { o->tls_ca, o->tls_cert, o->tls_key, o->password_file };
	char *path = realpath(worker_database(o), NULL);
	bool writes = path != NULL ? may_open(path, o->read_only ? O_RDONLY : O_RDWR) : errno != EACCES, reads = true;
	size_t n = 0;

	if (path != NULL && writes && !o->read_only)
		writes = may_open(dirname(path), O_TMPFILE | O_RDWR);
	for (size_t i = 0; i < sizeof read / sizeof *read; i++)
		reads = reads && may_open(read[i], O_RDONLY);
	free(path);
	if (!writes)
		keep[n++] = CAP_DAC_OVERRIDE;
	if (!reads)
		keep[n++] = CAP_DAC_READ_SEARCH;
	return n;
}

/* Capabilities are a thread's own: before there are others. */
static int give_up_capabilities(const struct options *o)
{
	unsigned keep[2];
	size_t n;

	capng_get_caps_process();
	capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, -1);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	n = what_is_needed(o, keep);
	n = only_what_there_is(keep, n);
	return keep_capabilities(keep, n);
}

static void warn(const char *what, int rc, const char *then)
{
	char text[256];

	snprintf(text, sizeof text, "%s: %s; %s", what, strerror(-rc), then);
	log_write(NULL, LOG_WARNING, text);
}

int privileges_of_worker(const struct options *o)
{
	int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0, walls, calls;

	if (rc == 0)
		rc = give_up_capabilities(o);
	walls = landlock_confine(o);
	if (walls < 0)
		warn("Landlock", walls, "while it opens the database a worker could write outside of its directory (Linux 5.13 has it)");
	calls = filter_from_start(o);
	return rc < 0 ? rc : calls;
}

int privileges_when_open(const struct options *o)
{
	return filter_when_open(!spool_knows_nameless(o->spool));
}
