#include "ctl.h"

#include "cidr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void get(const char *path, const char *name, char *out, size_t room)
{
	ssize_t n = lgetxattr(path, name, out, room - 1);

	out[n > 0 ? n : 0] = 0;
}

int lease_file_read(const struct target *t, const char *name, struct lease_file *out)
{
	char path[PATH_MAX], number[32], text[256] = "", *rest = text, *line;
	struct stat st;
	ssize_t n;
	int fd, rc;

	*out = (struct lease_file){ 0 };
	snprintf(path, sizeof path, "%s/%s", t->path, name);
	/* The generation first: whatever changes from here on makes it another. */
	n = lgetxattr(path, "user.ipam.generation", number, sizeof number - 1);
	if (n < 0)
		return -errno;
	number[n] = 0;
	out->generation = (uint32_t)strtoul(number, NULL, 10);
	get(path, "user.container-id", out->container, sizeof out->container);
	get(path, "user.ifname", out->ifname, sizeof out->ifname);
	get(path, "user.netns", out->netns, sizeof out->netns);
	get(path, "user.network", out->network, sizeof out->network);
	get(path, "user.pod", out->pod, sizeof out->pod);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	rc = n < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return rc;
	text[n] = 0;
	out->id = st.st_ino;
	out->changed = st.st_mtime > st.st_ctime ? st.st_mtime : st.st_ctime;
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
