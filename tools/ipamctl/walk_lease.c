/* A lease by its file. */
#include "walk_lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { VALUE_MAX = 4096, LIST_MAX = 65536 };

void walk_lease_free(struct walk_lease *l)
{
	for (size_t i = 0; i < l->attributes; i++) {
		free(l->attribute[i].name);
		free(l->attribute[i].value);
	}
	free(l->attribute);
	l->attribute = NULL;
	l->attributes = 0;
}

int walk_lease_add(struct walk_lease *l, const char *name, const void *value, size_t size)
{
	struct walk_attribute *bigger = reallocarray(l->attribute, l->attributes + 1, sizeof *bigger), *a;

	if (bigger == NULL)
		return -ENOMEM;
	l->attribute = bigger;
	a = &l->attribute[l->attributes];
	*a = (struct walk_attribute){ strdup(name), malloc(size + 1), size };
	l->attributes++;
	if (a->name == NULL || a->value == NULL)
		return -ENOMEM;
	memcpy(a->value, value, size);
	a->value[size] = 0;
	return 0;
}

static int compare_attributes(const void *a, const void *b)
{
	return strcmp(((const struct walk_attribute *)a)->name, ((const struct walk_attribute *)b)->name);
}

void walk_lease_sort(struct walk_lease *l)
{
	if (l->attributes > 0)
		qsort(l->attribute, l->attributes, sizeof *l->attribute, compare_attributes);
}

static int add_attribute(int fd, const char *name, struct walk_lease *l)
{
	char value[VALUE_MAX];
	ssize_t n = fgetxattr(fd, name, value, sizeof value);

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	return walk_lease_add(l, name + strlen("user."), value, (size_t)n);
}

static int read_attributes(int fd, struct walk_lease *l)
{
	char *list = malloc(LIST_MAX);
	ssize_t n = list == NULL ? -1 : flistxattr(fd, list, LIST_MAX);
	int rc = n < 0 ? -errno : 0;

	for (const char *name = list; rc == 0 && name < list + n; name += strlen(name) + 1)
		if (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.ipam.", 10) != 0)
			rc = add_attribute(fd, name, l);
	walk_lease_sort(l);
	free(list);
	return rc;
}

static int read_all(int fd, struct walk_lease *l)
{
	ssize_t n = read(fd, l->text, sizeof l->text - 1), created;

	if (n < 0 || fstat(fd, &l->st) < 0)
		return -errno;
	l->text[n] = 0;
	created = fgetxattr(fd, "user.ipam.created", l->created, sizeof l->created - 1);
	l->created[created > 0 ? created : 0] = 0;
	return read_attributes(fd, l);
}

int walk_lease_read(const char *path, struct walk_lease *l)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? -errno : read_all(fd, l);

	if (fd >= 0)
		close(fd);
	return rc;
}
