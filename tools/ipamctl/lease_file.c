#include "lease_file.h"

#include "base/cidr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Empty: it isn't there, or holds what no name or path does. */
static int get(int fd, const char *name, char out[LEASE_FILE_VALUE])
{
	ssize_t n = fgetxattr(fd, name, out, LEASE_FILE_VALUE - 1);

	if (n < 0 && errno != ENODATA)
		return -errno;
	out[n > 0 && memchr(out, 0, (size_t)n) == NULL ? n : 0] = 0;
	return 0;
}

static int read_text(int fd, struct lease_file *out)
{
	char text[256], *rest = text, *line;
	ssize_t n = read(fd, text, sizeof text - 1);

	if (n < 0)
		return -errno;
	text[n] = 0;
	while ((line = strsep(&rest, "\n")) != NULL) {
		uint8_t family, len;
		u128 addr;

		if (cidr_parse_host(line, strlen(line), &family, &addr, &len) == 0) {
			out->has[family] = true;
			out->addr[family] = addr;
		}
	}
	return 0;
}

static int read_lease(int fd, struct lease_file *out)
{
	char number[LEASE_FILE_VALUE];
	struct stat st;
	int rc = get(fd, "user.ipam.generation", number);

	/* First: whatever changes from here on makes it another. */
	out->generation = (uint32_t)strtoul(number, NULL, 10);
	if (rc == 0)
		rc = get(fd, "user.container-id", out->container);
	if (rc == 0)
		rc = get(fd, "user.ifname", out->ifname);
	if (rc == 0)
		rc = get(fd, "user.netns", out->netns);
	if (rc == 0)
		rc = get(fd, "user.network", out->network);
	if (rc == 0)
		rc = get(fd, "user.pod", out->pod);
	if (rc == 0)
		rc = read_text(fd, out);
	if (rc == 0 && fstat(fd, &st) < 0)
		rc = -errno;
	if (rc == 0) {
		out->id = st.st_ino;
		out->changed = st.st_mtime > st.st_ctime ? st.st_mtime : st.st_ctime;
	}
	return rc;
}

int lease_file_read(const struct target *t, const char *name, struct lease_file *out)
{
	char path[PATH_MAX];
	int fd, rc;

	memset(out, 0, sizeof *out);
	snprintf(path, sizeof path, "%s/%s", t->path, name);
	/* All of it by one descriptor: by its path it may be another lease at each look. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = read_lease(fd, out);
	close(fd);
	return rc;
}

void lease_file_addresses(const struct lease_file *l, char *out, size_t room)
{
	char text[CIDR_ADDR_TEXT];
	int used = 0;

	out[0] = 0;
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (l->has[f]) {
			cidr_print_addr(f, l->addr[f], text);
			used += snprintf(out + used, room - (size_t)used, "%s%s", used > 0 ? " " : "", text);
		}
}
