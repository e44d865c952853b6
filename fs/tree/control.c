#include "fs/tree/control.h"

#include <string.h>
#include <time.h>

int control_find(const struct fs *fs, enum ipam_kind level, enum control_directory in, const char *name)
{
	for (unsigned i = 0; i < fs->controls; i++)
		if (fs->control[i].level == level && fs->control[i].in == in && strcmp(fs->control[i].name, name) == 0)
			return (int)i;
	return -1;
}

enum control_directory control_directory(const struct fs *fs, struct node_ref ref)
{
	return ref.type == NODE_FILE && ref.which < fs->controls ? fs->control[ref.which].directory : CONTROL_FILE;
}

bool control_generated(const struct fs *fs, struct node_ref ref)
{
	return ref.type == NODE_FILE && ref.which < fs->controls &&
	       (fs->control[ref.which].show != NULL || fs->control[ref.which].report != NULL);
}

int control_changed(struct fs *fs, unsigned row, uint64_t id, int64_t *out)
{
	struct timespec t;

	if (!fs->control[row].ages)
		return ipam_changed(fs->ipam, fs->control[row].level, id, out);
	clock_gettime(CLOCK_REALTIME, &t);
	*out = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	return 0;
}
