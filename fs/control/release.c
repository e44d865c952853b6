#include "fs/control/release.h"

#include "fs/tree/forget.h"
#include "fs/tree/inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char **s, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(*s, &end, 10);
	if (**s < '0' || **s > '9' || errno != 0 || *out == 0 || *out > max)
		return false;
	*s = end;
	return true;
}

/* "INODE GENERATION [unused]", one line: release that lease unless it has changed since. By the inode, which no lease after it ever
 * has: under the same name a new one may have come to the same generation. */
void release_store(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
		   void *arg)
{
	struct ipam_object object;
	uint64_t lease = 0;
	const char *s;
	uint64_t ino = 0, generation = 0;
	char line[56] = "";
	bool unused = false;
	int rc = -EINVAL;

	(void)append;
	if (size < sizeof line && memchr(text, 0, size) == NULL) {
		memcpy(line, text, size);
		line[size] = 0;
		line[strcspn(line, "\n")] = 0;
		s = line;
		if (parse_number(&s, UINT64_MAX, &ino) && *s++ == ' ' && parse_number(&s, UINT32_MAX, &generation)) {
			unused = strcmp(s, " unused") == 0;
			rc = (unused || *s == 0) && strlen(line) + 1 >= size ? 0 : -EINVAL;
		}
	}
	if (rc == 0)
		rc = node_numbered_lease(ino, &lease) ? ipam_get(fs->ipam, IPAM_LEASE, lease, &object) : -ENOENT;
	if (rc == 0 && object.parent != ref.id)
		rc = -ENOENT;
	if (rc < 0)
		done(arg, rc, NULL);
	else
		fs_release_unchanged(fs, lease, (uint32_t)generation, unused, by, done, arg);
}

/* "force": the node is taken from its machine, which is dead; the directory goes with it. */
void remove_store(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
		  void *arg)
{
	char name[IPAM_NAME_MAX + 1];
	struct ipam_object object;
	int rc;

	(void)append;
	while (size > 0 && text[size - 1] == '\n')
		size--;
	rc = size == 5 && memcmp(text, "force", 5) == 0 ? ipam_get(fs->ipam, IPAM_NODE, ref.id, &object) : -EINVAL;
	if (rc == 0)
		rc = ipam_name(fs->ipam, IPAM_NODE, ref.id, name);
	if (rc < 0)
		done(arg, rc, NULL);
	else
		ipam_remove_force(fs->ipam, object.parent, name, by, done, arg);
}

/* "engine": it isn't the one that this machine knew, and is taken as it is. */
void accept_store(struct fs *fs, struct node_ref ref, const char *text, size_t size, bool append, struct ipam_by by, ipam_done *done,
		  void *arg)
{
	(void)ref, (void)append, (void)by;
	while (size > 0 && text[size - 1] == '\n')
		size--;
	done(arg, size == 6 && memcmp(text, "engine", 6) == 0 ? ipam_accept_engine(fs->ipam) : -EINVAL, NULL);
}
