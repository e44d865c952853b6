#include "site.h"

#include "cli/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 512 << 20 };

/* ---- where it is --------------------------------------------------------------------------------------------------------- */

static bool is_mount(const char *directory)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/.ipam/version", directory) < (int)sizeof path && access(path, F_OK) == 0;
}

/* Of the mount's own making, and no file beside them. */
static bool is_directory(DIR *d, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_name[0] == '.')
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int only_cluster(struct site *s)
{
	DIR *d = opendir(s->mount);
	const struct dirent *entry;
	int found = 0, rc;

	if (d == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", s->mount, strerror(errno));
	while ((errno = 0, entry = readdir(d)) != NULL)
		if (is_directory(d, entry) && found++ == 0)
			snprintf(s->name, sizeof s->name, "%s", entry->d_name);
	rc = errno;
	closedir(d);
	if (rc != 0)
		return cli_fail(CLI_REFUSED, "%s: %s", s->mount, strerror(rc));
	if (found == 0)
		return cli_fail(CLI_REFUSED, "%s has no cluster yet; mkdir makes one, and its .ipam/cidrs takes its CIDRs", s->mount);
	if (found != 1)
		return cli_fail(CLI_USAGE, "%s has several clusters; say which with --cluster", s->mount);
	s->cluster = s->name;
	return CLI_DONE;
}

int site_open(struct site *s, const char *mount, const char *cluster, bool make)
{
	int status = CLI_DONE;
	char text[512];

	*s = (struct site){ .mount = mount != NULL ? mount : getenv("IPAMFS_MOUNT"), .cluster = cluster };
	if (s->mount == NULL || *s->mount == 0)
		s->mount = "/run/ipamfs";
	if (cluster != NULL && (*cluster == 0 || *cluster == '.' || strchr(cluster, '/') != NULL))
		return cli_fail(CLI_USAGE, "'%s' is no name for a cluster", cluster);
	if (!is_mount(s->mount))
		return cli_fail(CLI_REFUSED, "%s: not where an ipamfs is mounted; say where with --mount or IPAMFS_MOUNT", s->mount);
	if (cluster == NULL)
		status = only_cluster(s);
	if (status == CLI_DONE && asprintf(&s->path, "%s/%s", s->mount, s->cluster) < 0) {
		s->path = NULL;
		status = cli_fail(CLI_REFUSED, "out of memory");
	}
	if (status == CLI_DONE) {
		int rc = site_check(s);

		if (rc < 0 && !(rc == -ENOENT && make))
			status = cli_fail(CLI_REFUSED, "%s", site_error(s, rc, text));
	}
	return status;
}

void site_close(struct site *s)
{
	free(s->path);
	s->path = NULL;
}

int site_check(const struct site *s)
{
	char path[PATH_MAX];
	struct stat st;

	if (!is_mount(s->mount))
		return -EHOSTDOWN;
	if (stat(s->path, &st) < 0)
		return -errno;
	if (snprintf(path, sizeof path, "%s/.ipam/delegate", s->path) >= (int)sizeof path)
		return -ENAMETOOLONG;
	return access(path, F_OK) == 0 ? 0 : errno == ENOENT ? -EOPNOTSUPP : -errno;
}

const char *site_error(const struct site *s, int rc, char out[512])
{
	switch (rc) {
	case -EHOSTDOWN:
		snprintf(out, 512, "%s: no ipamfs is mounted there", s->mount);
		break;
	case -ENOENT:
		snprintf(out, 512, "%s has no cluster '%s'; mkdir makes it", s->mount, s->cluster);
		break;
	case -EOPNOTSUPP:
		snprintf(out, 512, "%s: the ipamfs there is too old: it has no .ipam/delegate", s->path);
		break;
	default:
		snprintf(out, 512, "%s: %s", s->path, strerror(-rc));
	}
	return out;
}

int site_make(const struct site *s)
{
	/* Within the mount that was looked at, not in what lies beneath when it has gone meanwhile. */
	int fd = open(s->mount, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (faccessat(fd, ".ipam/version", F_OK, 0) != 0)
		rc = -EHOSTDOWN;
	else if (mkdirat(fd, s->cluster, 0755) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* ---- control files --------------------------------------------------------------------------------------------------------- */

static int control(const struct site *s, const char *node, const char *file, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s%s.ipam/%s", s->path, node == NULL ? "" : node, node == NULL ? "" : "/", file);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The mount answers for many Nodes at once, so it isn't asked more than needed: of a control file, what is shorter than was asked for
 * is the end. */
static int read_all(int fd, char **out)
{
	size_t n = 0, room = 4096;
	char *text = malloc(room + 1), *bigger;
	ssize_t got;

	while (text != NULL) {
		got = read(fd, text + n, room - n);
		if (got < 0) {
			int rc = -errno;

			free(text);
			return rc;
		}
		n += (size_t)got;
		if (n < room)
			break;
		bigger = room > TEXT_MAX ? NULL : realloc(text, room * 2 + 1);
		if (bigger == NULL)
			free(text);
		text = bigger;
		room *= 2;
	}
	if (text == NULL)
		return -ENOMEM;
	text[n] = 0;
	*out = text;
	return 0;
}

int site_read(const struct site *s, const char *node, const char *file, char **out)
{
	char path[PATH_MAX];
	int fd, rc = control(s, node, file, path);

	if (rc < 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = read_all(fd, out);
	close(fd);
	return rc;
}

/* answer: what can be read of it then, to be freed whatever is returned, NULL if nothing can; or NULL, where nobody asks. */
static int write_and_ask(const struct site *s, const char *node, const char *file, const char *text, int how, char **answer)
{
	char path[PATH_MAX];
	size_t n = strlen(text);
	int fd, rc = control(s, node, file, path);
	ssize_t written;

	if (answer != NULL)
		*answer = NULL;
	if (rc < 0)
		return rc;
	fd = open(path, (answer == NULL ? O_WRONLY : O_RDWR) | O_CLOEXEC | how);
	if (fd < 0 && errno == EACCES && answer != NULL)
		fd = open(path, O_WRONLY | O_CLOEXEC | how);
	if (fd < 0)
		return -errno;
	written = write(fd, text, n);
	if (written < 0)
		rc = -errno;
	else if ((size_t)written != n)
		rc = -EIO;
	else if (answer != NULL && lseek(fd, 0, SEEK_SET) == 0)
		read_all(fd, answer);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

int site_write(const struct site *s, const char *node, const char *file, const char *text, int how)
{
	return write_and_ask(s, node, file, text, how, NULL);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------ */

static int add_block(struct blocks *b, const char *s, size_t n)
{
	struct cidr c, *bigger;

	if (cidr_parse(s, n, &c) < 0)
		return -EPROTO;
	bigger = reallocarray(b->cidr, b->n + 1, sizeof *bigger);
	if (bigger == NULL)
		return -ENOMEM;
	b->cidr = bigger;
	b->cidr[b->n++] = c;
	return 0;
}

int site_blocks(const struct site *s, const char *node, struct blocks *out)
{
	char *text = NULL;
	int rc = site_read(s, node, "cidrs", &text);

	*out = (struct blocks){ 0 };
	for (const char *at = text; rc == 0 && *at != 0;) {
		size_t n = strcspn(at, "\n");

		if (n > 0)
			rc = add_block(out, at, n);
		at += n + (at[n] != 0);
	}
	free(text);
	if (rc < 0)
		blocks_free(out);
	return rc;
}

void blocks_free(struct blocks *b)
{
	free(b->cidr);
	*b = (struct blocks){ 0 };
}

char *site_line(const char *node, const char *labels, const struct pod_cidrs *cidrs)
{
	char text[NODE_CIDRS_TEXT], *line;

	if (asprintf(&line, "%s%s%s%s%s\n", node, *labels == 0 ? "" : " ", labels, cidrs == NULL ? "" : " ",
		     cidrs == NULL ? "" : pod_cidrs_text(cidrs, text)) < 0)
		return NULL;
	return line;
}

int site_write_lines(const struct site *s, const char *lines, char **made)
{
	int rc = write_and_ask(s, NULL, "delegate", lines, 0, made);

	return rc == -ENOENT ? -EHOSTDOWN : rc;
}

int site_made(const char **made, const char *node, struct blocks *out)
{
	const char *at = *made;
	size_t n = strlen(node);
	int rc = 0;

	*out = (struct blocks){ 0 };
	if (at == NULL || strncmp(at, node, n) != 0 || at[n] != ' ')
		return -ENOENT;
	for (at += n; rc == 0 && *at == ' '; at += n) {
		n = strcspn(++at, " \n");
		rc = add_block(out, at, n);
	}
	/* Of a line that was cut, as by a daemon that was replaced between two reads, what is there may look whole. */
	if (rc == 0 && *at != '\n')
		rc = -EPROTO;
	*made = at + (*at == '\n');
	if (rc < 0)
		blocks_free(out);
	return rc;
}

int site_delegate(const struct site *s, const char *node, const char *labels, const struct pod_cidrs *cidrs)
{
	char *line = site_line(node, labels, cidrs);
	int rc = line == NULL ? -ENOMEM : site_write_lines(s, line, NULL);

	free(line);
	return rc;
}

int site_exchange(const struct site *s, const char *node, const struct pod_cidrs *cidrs)
{
	char text[NODE_CIDRS_TEXT + 1];

	pod_cidrs_text(cidrs, text);
	for (char *p = text; *p != 0; p++)
		if (*p == ' ')
			*p = '\n';
	strcat(text, "\n");
	return site_write(s, node, "cidrs", text, O_TRUNC);
}

int site_remove(const struct site *s, const char *node)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", s->path, node) >= (int)sizeof path)
		return -ENAMETOOLONG;
	return rmdir(path) == 0 ? 0 : -errno;
}

int site_nodes(const struct site *s, void (*take)(void *arg, const char *name), void *arg)
{
	DIR *d = opendir(s->path);
	const struct dirent *entry;
	int rc = d == NULL ? -errno : 0;

	while (d != NULL && (errno = 0, entry = readdir(d)) != NULL)
		if (is_directory(d, entry))
			take(arg, entry->d_name);
	if (d != NULL) {
		rc = -errno;
		closedir(d);
	}
	return rc;
}

/* A line of `blocks`: CIDR NODE USED CAPACITY, and a node's name may have blanks. */
static bool read_block(char *line, struct pod_cidrs *out, const char **node)
{
	size_t n = strcspn(line, " ");

	*out = (struct pod_cidrs){ .n = 1 };
	if (line[n] == 0 || cidr_parse(line, n, &out->cidr[0]) < 0)
		return false;
	*node = line + n + 1;
	for (int i = 0; i < 2; i++) {
		char *blank = strrchr(line + n + 1, ' ');

		if (blank == NULL)
			return false;
		*blank = 0;
	}
	return true;
}

int site_holders(const struct site *s, const struct pod_cidrs *cidrs, void (*take)(void *arg, const char *name), void *arg)
{
	char *text = NULL, *rest, *line;
	int rc = site_read(s, NULL, "blocks", &text);

	for (rest = text; rc == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		struct pod_cidrs block;
		const char *node;

		if (read_block(line, &block, &node) && pod_cidrs_overlap(&block, cidrs))
			take(arg, node);
	}
	free(text);
	return rc;
}

int site_keys(const struct site *s, struct keys *out)
{
	char *text = NULL;
	int rc = site_read(s, NULL, "cidrs", &text);

	*out = (struct keys){ 0 };
	if (rc == 0)
		rc = keys_read(text, out);
	free(text);
	if (rc < 0)
		keys_free(out);
	return rc;
}
