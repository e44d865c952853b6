/* Writing what is to be imported, in one transaction: what the mount refuses is left out and the rest is written again,
 * until it takes. */
#include "ipamctl/kube/store.h"

#include "cli/say.h"
#include "ipamctl/kube/arena.h"
#include "ipamctl/kube/parse.h"
#include "ipamctl/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 10, BUFFER = 1 << 20 };

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* ---- the cluster itself ------------------------------------------------------------------------------------------ */

static int write_once(const char *path, const char *text, int flags)
{
	size_t size = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size)
		rc = -errno;
	close(fd);
	return rc;
}

static char *hint_text(const struct kube *k)
{
	char *text = NULL, cidr[CIDR_TEXT];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; f != NULL && i < k->hint.n; i++) {
		cidr_print(&k->hint.list[i].cidr, cidr);
		fprintf(f, "%s %u\n", cidr, k->hint.list[i].mask);
	}
	if (f != NULL)
		fclose(f);
	return text;
}

/* With --create: the cluster and the CIDRs that it lacks. */
static int create(struct kube *k)
{
	char *text = hint_text(k);
	int status = CLI_DONE, rc;

	if (!k->has_cluster && mkdir(k->path, 0755) < 0) {
		status = cli_fail(CLI_REFUSED, "%s: %s", k->path, strerror(errno));
	} else if (k->hint.n > 0) {
		rc = text == NULL ? -ENOMEM : write_once(kube_format(k, "%s/.ipam/cidrs", k->path), text, O_APPEND);
		if (rc < 0)
			status = cli_fail(CLI_REFUSED, "%s/.ipam/cidrs: %s", k->path, strerror(-rc));
		if (rc < 0 && !k->has_cluster)
			rmdir(k->path);
	}
	free(text);
	return status;
}

static void uncreate(struct kube *k)
{
	int rc = 0;

	if (!k->has_cluster)
		rc = rmdir(k->path) < 0 ? -errno : 0;
	else if (k->hint.n > 0)
		rc = write_once(kube_format(k, "%s/.ipam/cidrs", k->path), k->cidrs_text == NULL ? "\n" : k->cidrs_text, O_TRUNC);
	if (rc < 0)
		cli_fail(CLI_REFUSED, "%s stays as it was made: %s", k->path, strerror(-rc));
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* All names are Kubernetes' and need no escapes. */
static void put_node(FILE *f, const struct kube_node *n)
{
	char text[CIDR_TEXT];

	fprintf(f, "{\"node\":\"%s\",\"cidrs\":[", n->name);
	for (unsigned i = 0; i < n->cidrs; i++) {
		cidr_print(&n->cidr[i], text);
		fprintf(f, "%s\"%s\"", i > 0 ? "," : "", text);
	}
	fputs("]}\n", f);
}

static void put_pod(FILE *f, const struct kube_pod *p)
{
	char text[CIDR_ADDR_TEXT];
	const char *comma = "";

	fprintf(f, "{\"node\":\"%s\",\"name\":\"%s\",\"addresses\":[", p->node, p->lease);
	for (unsigned family = 0; family < CIDR_FAMILIES; family++)
		if (p->has[family]) {
			cidr_print_addr(family, p->addr[family], text);
			fprintf(f, "%s\"%s\"", comma, text);
			comma = ",";
		}
	fprintf(f, "],\"attributes\":{\"pod\":\"%s\"", p->pod);
	if (*p->uid != 0)
		fprintf(f, ",\"pod-uid\":\"%s\"", p->uid);
	fputs("}}\n", f);
}

/* How many objects, or -errno. */
static ssize_t put_all(struct kube *k, int fd)
{
	struct progress progress;
	int copy = dup(fd), error;
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
	ssize_t n = 0;

	if (f == NULL) {
		error = errno;
		if (copy >= 0)
			close(copy);
		return -error;
	}
	setvbuf(f, NULL, _IOFBF, BUFFER);
	progress_begin(&progress, "writing", k->nodes.n + k->pods.n, !k->quiet && !k->json);
	for (size_t i = 0; i < k->nodes.n && !interrupted; i++, progress_step(&progress))
		if (k->nodes.list[i].state == KUBE_NEW) {
			put_node(f, &k->nodes.list[i]);
			n++;
		}
	for (size_t i = 0; i < k->pods.n && !interrupted; i++, progress_step(&progress))
		if (k->pods.list[i].state == KUBE_NEW) {
			put_pod(f, &k->pods.list[i]);
			n++;
		}
	progress_end(&progress);
	errno = EIO;
	error = fflush(f) != 0 || ferror(f) ? errno : 0;
	fclose(f);
	if (interrupted)
		error = EINTR;
	return error != 0 ? -error : n;
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static bool drop_node(struct kube *k, const char *name, const char *address, const char *why)
{
	struct kube_node *n = kube_find_node(k, name);

	if (n == NULL || n->state != KUBE_NEW)
		return false;
	n->state = KUBE_OUT;
	kube_conflict(k, n->name, NULL, address, why);
	for (size_t i = 0; i < k->pods.n; i++) {
		struct kube_pod *p = &k->pods.list[i];

		if (p->state != KUBE_NEW || strcmp(p->node, name) != 0)
			continue;
		p->state = KUBE_OUT;
		kube_conflict(k, kube_format(k, "%s/%s", p->node, p->lease), p->pod, "-", "its node was left out");
	}
	return true;
}

static bool drop_pod(struct kube *k, const char *node, const char *lease, const char *address, const char *why)
{
	struct kube_pod *p = kube_find_pod(k, node, lease);

	if (p == NULL || p->state != KUBE_NEW)
		return false;
	p->state = KUBE_OUT;
	kube_conflict(k, kube_format(k, "%s/%s", node, lease), p->pod, address, why);
	return true;
}

/* A line of what the mount refused: NODE or NODE/NAME, an address or a block, a message. Whether something was left
 * out. */
static bool take_refusal(struct kube *k, char *line, char *general, size_t room)
{
	char *rest = line, *who = strsep(&rest, "\t"), *address = strsep(&rest, "\t"), *why = rest, *slash;

	if (why == NULL)
		return false;
	why[strcspn(why, "\n")] = 0;
	slash = strchr(who, '/');
	if (strcmp(who, "-") == 0)
		snprintf(general, room, "%s", why);
	if (slash == NULL)
		return drop_node(k, who, address, why);
	*slash = 0;
	return drop_pod(k, who, slash + 1, address, why);
}

/* Leaves out what was refused: how many. */
static size_t take_refusals(struct kube *k, int fd, char *general, size_t room)
{
	int copy = lseek(fd, 0, SEEK_SET) == 0 ? dup(fd) : -1;
	FILE *f = copy < 0 ? NULL : fdopen(copy, "r");
	char *line = NULL;
	size_t size = 0, n = 0;

	while (f != NULL && getline(&line, &size, f) > 0)
		n += take_refusal(k, line, general, room);
	free(line);
	if (f != NULL)
		fclose(f);
	return n;
}

/* ---- the transaction --------------------------------------------------------------------------------------------- */

enum outcome { STORED, AGAIN, FAILED, UNKNOWN };

/* One call, of which nobody can say how far it is. */
static int commit(const struct kube *k, int fd, size_t n)
{
	bool shown = !k->quiet && !k->json && isatty(STDERR_FILENO);
	int error;

	if (shown)
		fprintf(stderr, "committing %zu nodes and leases ...", n);
	error = fsync(fd) < 0 ? errno : 0;
	if (shown)
		fputs("\r\033[K", stderr);
	return error;
}

static enum outcome try(struct kube *k, int fd, const char *path)
{
	char general[512] = "";
	ssize_t n = put_all(k, fd);
	int error;

	if (n < 0) {
		cli_fail(CLI_REFUSED, "%s: %s; nothing was imported", path, strerror((int)-n));
		return FAILED;
	}
	error = n == 0 ? 0 : commit(k, fd, (size_t)n);
	if (error == 0) {
		k->stored = n > 0;
		return STORED;
	}
	if (mountpoint_ended(-error) || error == EINTR) {
		cli_fail(CLI_REFUSED, "%s: %s; whether it was imported isn't known: run it again", path, strerror(error));
		return UNKNOWN;
	}
	if (take_refusals(k, fd, general, sizeof general) > 0)
		return k->strict ? STORED : AGAIN;
	cli_fail(CLI_REFUSED, "%s: %s; nothing was imported", path, general[0] != 0 ? general : strerror(error));
	return FAILED;
}

int kube_store(struct kube *k)
{
	const char *path = kube_format(k, "%s/.ipam/import", k->path);
	enum outcome outcome = AGAIN;
	int fd, status = CLI_DONE;

	/* What has been made has to be taken back. */
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	sigaction(SIGHUP, &(struct sigaction){ .sa_handler = interrupt }, NULL);
	if (k->create)
		status = create(k);
	if (status != CLI_DONE)
		return status;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		cli_fail(CLI_REFUSED, "%s: %s; nothing was imported", path, strerror(errno));
		outcome = FAILED;
	}
	for (int i = 0; i < TRIES && outcome == AGAIN; i++)
		outcome = try(k, fd, path);
	if (outcome == AGAIN)
		cli_fail(CLI_REFUSED, "%s changes too fast; nothing was imported: run it again", k->path);
	if (fd >= 0)
		close(fd);
	if (k->create && !k->stored && outcome != UNKNOWN)
		uncreate(k);
	return outcome == STORED ? CLI_DONE : CLI_REFUSED;
}
