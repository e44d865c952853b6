#include "hostlocal.h"

#include "cli/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int skip(struct hl_directory *d, const char *file, const char *why)
{
	struct hl_skipped *bigger = reallocarray(d->skipped, d->skips + 1, sizeof *bigger);

	if (bigger == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	d->skipped = bigger;
	bigger[d->skips] = (struct hl_skipped){ .file = strdup(file), .why = why };
	if (bigger[d->skips].file == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	d->skips++;
	return CLI_DONE;
}

static int add(struct hl_directory *d, uint8_t family, u128 addr, const char *id, const char *ifname)
{
	struct hl_entry *e;

	/* Doubling by powers of two. */
	if ((d->entries & (d->entries - 1)) == 0) {
		e = reallocarray(d->entry, d->entries == 0 ? 1 : d->entries * 2, sizeof *e);
		if (e == NULL)
			return cli_fail(CLI_REFUSED, "out of memory");
		d->entry = e;
	}
	e = &d->entry[d->entries];
	*e = (struct hl_entry){ family, addr, strdup(id), ifname == NULL ? NULL : strdup(ifname) };
	d->entries++;
	return e->id == NULL || (ifname != NULL && e->ifname == NULL) ? cli_fail(CLI_REFUSED, "out of memory") : CLI_DONE;
}

/* Cuts blanks off both ends. */
static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r\n");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
		s[--n] = 0;
	return s;
}

bool hl_is_word(const char *s)
{
	const char *p = s;

	while ((unsigned char)*p > 0x20 && *p != 0x7f && *p != '/')
		p++;
	return p > s && *p == 0;
}

int hl_take(struct hl_directory *d, const char *file, uint8_t family, u128 addr, char *text, size_t size)
{
	char *rest, *id, *ifname;

	if (strlen(text) != size || size == HL_CONTENT_MAX)
		return cli_fail(CLI_REFUSED, "%s holds what host-local never wrote", file);
	rest = trim(text);
	id = trim(strsep(&rest, "\n"));
	ifname = rest == NULL ? NULL : trim(rest);
	if (*id == 0 && (ifname == NULL || *ifname == 0))
		return skip(d, file, "empty: a crash left it, and nobody's");
	if (ifname != NULL && *ifname == 0)
		ifname = NULL;
	/* host-local takes the address for held, whatever stands there: so it is not passed over. */
	if (!hl_is_word(id) || (ifname != NULL && !hl_is_word(ifname)))
		return cli_fail(CLI_REFUSED,
				"%s holds neither a container's id nor an id and an interface's name; remove it if it is "
				"nobody's",
				file);
	return add(d, family, addr, id, ifname);
}

static int take_file(struct hl_directory *d, int dir, const char *file)
{
	char text[HL_CONTENT_MAX + 1];
	struct stat st;
	uint8_t family;
	u128 addr;
	ssize_t n, have = 0;
	int fd;

	if (strcmp(file, "lock") == 0 || strncmp(file, "last_reserved_ip.", 17) == 0)
		return skip(d, file, "host-local's own note");
	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return skip(d, file, "no file");
	if (cidr_parse_addr(file, strlen(file), &family, &addr) < 0)
		return skip(d, file, "its name is no address");
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	do {
		n = fd < 0 ? -1 : read(fd, text + have, (size_t)(HL_CONTENT_MAX - have));
		have += n > 0 ? n : 0;
	} while (n > 0 && have < HL_CONTENT_MAX);
	if (fd >= 0)
		close(fd);
	if (n < 0) /* it may be somebody's: rather nothing than not all */
		return cli_fail(CLI_REFUSED, "%s: %s", file, strerror(errno));
	text[have] = 0;
	return hl_take(d, file, family, addr, text, (size_t)have);
}

const char *hl_ifname(const struct hl_entry *e)
{
	return e->ifname != NULL ? e->ifname : "eth0";
}

static int by_owner(const void *a, const void *b)
{
	const struct hl_entry *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	if (order == 0)
		order = strcmp(hl_ifname(x), hl_ifname(y));
	if (order == 0)
		order = x->family != y->family ? x->family - y->family : x->addr < y->addr ? -1 : x->addr > y->addr;
	return order;
}

/* Without a lock file host-local was never there; any other trouble with it is one. */
static int take_lock(const char *path, int dir, struct hl_directory *d)
{
	struct stat st;

	d->lock = openat(dir, "lock", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (d->lock < 0)
		return errno == ENOENT && fstatat(dir, "lock", &st, AT_SYMLINK_NOFOLLOW) < 0 ?
			       CLI_DONE :
			       cli_fail(CLI_REFUSED, "%s/lock: %s", path, strerror(errno));
	if (fstat(d->lock, &st) < 0 || !S_ISREG(st.st_mode))
		return cli_fail(CLI_REFUSED, "%s/lock is no file", path);
	if (flock(d->lock, LOCK_EX | LOCK_NB) == 0)
		return CLI_DONE;
	cli_say(stderr, "ipamctl: waiting for whoever holds %s/lock\n", path);
	return flock(d->lock, LOCK_EX) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "%s/lock: %s", path, strerror(errno));
}

int hl_read(const char *path, struct hl_directory *out)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = CLI_DONE;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	*out = (struct hl_directory){ .lock = -1 };
	if (d == NULL)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	status = take_lock(path, dirfd(d), out);
	while (errno = 0, status == CLI_DONE && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			status = take_file(out, dirfd(d), entry->d_name);
	if (status == CLI_DONE && errno != 0)
		status = cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	closedir(d);
	if (out->entries > 0)
		qsort(out->entry, out->entries, sizeof *out->entry, by_owner);
	return status;
}

void hl_free(struct hl_directory *d)
{
	for (size_t i = 0; i < d->entries; i++) {
		free(d->entry[i].id);
		free(d->entry[i].ifname);
	}
	for (size_t i = 0; i < d->skips; i++)
		free(d->skipped[i].file);
	free(d->entry);
	free(d->skipped);
	if (d->lock >= 0)
		close(d->lock);
}
