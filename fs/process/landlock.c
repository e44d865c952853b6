#include "fs/process/landlock.h"

#include "fs/process/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, https://docs.kernel.org/userspace-api/landlock.html: a header that is older than the kernel lacks half of
 * it. */
enum { PATH_BENEATH = 1, NET_PORT = 2, VERSION = 1 };
enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_CHAR = 1 << 6,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	MAKE_FIFO = 1 << 10,
	MAKE_BLOCK = 1 << 11,
	MAKE_SYM = 1 << 12,
	REFER = 1 << 13,     /* since version 2 */
	TRUNCATE = 1 << 14,  /* 3 */
	IOCTL_DEV = 1 << 15, /* 5 */
};
enum { BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };               /* 4 */
enum { SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* 6 */

struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
struct port_rule {
	uint64_t allowed, port;
};

enum { DNS = 53 };

/* What is refused unless a rule allows it, as far as this kernel knows it. */
static struct ruleset refused(int version)
{
	struct ruleset r = { .fs = EXECUTE | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK |
				   MAKE_FIFO | MAKE_BLOCK | MAKE_SYM };

	if (version >= 2)
		r.fs |= REFER;
	if (version >= 3)
		r.fs |= TRUNCATE;
	if (version >= 4)
		r.net = BIND_TCP | CONNECT_TCP;
	if (version >= 5)
		r.fs |= IOCTL_DEV;
	if (version >= 6)
		r.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	return r;
}

static int add_rule(int rules, int type, const void *rule)
{
	return syscall(SYS_landlock_add_rule, rules, type, rule, 0) < 0 ? -errno : 0;
}

/* A place that isn't there needs no right. */
static int allow_path(int rules, const struct ruleset *r, const char *path, uint64_t allowed)
{
	struct path_rule rule = { .allowed = allowed & r->fs, .fd = open(path, O_PATH | O_CLOEXEC) };
	int rc;

	if (rule.fd < 0)
		return errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -errno : 0;
	rc = add_rule(rules, PATH_BENEATH, &rule);
	close(rule.fd);
	return rc;
}

static int allow_files(int rules, const struct ruleset *r, const struct options *o)
{
	const uint64_t files = WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE;
	char *database = realpath(worker_database(o), NULL);
	int rc = database == NULL ? 0 : allow_path(rules, r, dirname(database), files);

	free(database);
	if (rc == 0)
		rc = allow_path(rules, r, o->spool, files);
	return rc == 0 ? allow_path(rules, r, "/dev/null", WRITE_FILE) : rc;
}

static int allow_port(int rules, const struct ruleset *r, unsigned port)
{
	const struct port_rule rule = { CONNECT_TCP, port };

	return r->net == 0 ? 0 : add_rule(rules, NET_PORT, &rule);
}

/* "HOST:PORT,...": what is none, the engine's client refuses. */
static int allow_engine(int rules, const struct ruleset *r, const char *endpoints)
{
	int rc = allow_port(rules, r, DNS);

	while (rc == 0 && *endpoints != 0) {
		size_t n = strcspn(endpoints, ",");
		const char *colon = memrchr(endpoints, ':', n);
		unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);

		if (port > 0 && port <= UINT16_MAX)
			rc = allow_port(rules, r, (unsigned)port);
		endpoints += n + (endpoints[n] != 0);
	}
	return rc;
}

int landlock_confine(const struct options *o)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION);
	struct ruleset r = refused((int)version);
	int rules, rc;

	if (version < 0)
		return -errno;
	rules = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
	if (rules < 0)
		return -errno;
	rc = allow_files(rules, &r, o);
	if (rc == 0 && o->endpoints != NULL)
		rc = allow_engine(rules, &r, o->endpoints);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		rc = -errno;
	close(rules);
	return rc;
}
