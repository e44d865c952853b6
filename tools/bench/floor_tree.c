#include "floor_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Odd inode numbers are directories (the root, 1, among them), even ones files. */
struct tree_entry {
	struct tree_entry *next;           /* in the bucket */
	struct tree_entry *before, *after; /* in the directory */
	uint64_t parent, ino;
	uint32_t hash;
	char name[];
};

struct tree_dir {
	struct tree_entry *first;
};

bool tree_is_dir(uint64_t ino)
{
	return ino & 1;
}

static struct tree_dir *dir_of(const struct tree *t, uint64_t ino)
{
	return tree_is_dir(ino) && ino >> 1 < t->dirs ? t->dir[ino >> 1] : NULL;
}

/* FNV-1a, begun with the directory so that equal names in different ones spread. */
static uint32_t hash_of(uint64_t parent, const char *name)
{
	uint32_t h = 2166136261u ^ (uint32_t)(parent * 2654435761u);

	for (; *name != 0; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h ^ h >> 15;
}

static int new_dir(struct tree *t, uint64_t *ino)
{
	if (t->dirs == t->dir_capacity) {
		size_t capacity = t->dir_capacity == 0 ? 64 : t->dir_capacity * 2;
		struct tree_dir **bigger = reallocarray(t->dir, capacity, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		t->dir = bigger;
		t->dir_capacity = capacity;
	}
	t->dir[t->dirs] = calloc(1, sizeof **t->dir);
	if (t->dir[t->dirs] == NULL)
		return -ENOMEM;
	*ino = (uint64_t)t->dirs++ << 1 | 1;
	return 0;
}

static int resize(struct tree *t, size_t buckets)
{
	struct tree_entry **table = calloc(buckets, sizeof *table);

	if (table == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < t->buckets; i++) {
		for (struct tree_entry *e = t->bucket[i], *next; e != NULL; e = next) {
			next = e->next;
			e->next = table[e->hash & (buckets - 1)];
			table[e->hash & (buckets - 1)] = e;
		}
	}
	free(t->bucket);
	t->bucket = table;
	t->buckets = buckets;
	return 0;
}

int tree_init(struct tree *t)
{
	uint64_t root;
	int rc;

	*t = (struct tree){ .mutex = PTHREAD_MUTEX_INITIALIZER };
	rc = resize(t, 1024);
	if (rc == 0)
		rc = new_dir(t, &root); /* the first number given is TREE_ROOT */
	if (rc < 0)
		tree_close(t);
	return rc;
}

void tree_close(struct tree *t)
{
	for (size_t i = 0; i < t->buckets; i++) {
		for (struct tree_entry *e = t->bucket[i], *next; e != NULL; e = next) {
			next = e->next;
			free(e);
		}
	}
	for (size_t i = 0; i < t->dirs; i++)
		free(t->dir[i]);
	free(t->bucket);
	free(t->dir);
	pthread_mutex_destroy(&t->mutex);
}

/* The link that points at the entry, or the NULL at the end of its bucket. */
static struct tree_entry **find(const struct tree *t, uint64_t parent, const char *name, uint32_t hash)
{
	struct tree_entry **link = &t->bucket[hash & (t->buckets - 1)];

	while (*link != NULL && ((*link)->hash != hash || (*link)->parent != parent || strcmp((*link)->name, name) != 0))
		link = &(*link)->next;
	return link;
}

int tree_find(struct tree *t, uint64_t parent, const char *name, uint64_t *ino)
{
	uint32_t hash = hash_of(parent, name);
	struct tree_entry *e;

	pthread_mutex_lock(&t->mutex);
	e = *find(t, parent, name, hash);
	if (e != NULL)
		*ino = e->ino;
	pthread_mutex_unlock(&t->mutex);
	return e != NULL ? 0 : -ENOENT;
}

static int add(struct tree *t, struct tree_entry *e, bool is_dir)
{
	struct tree_dir *parent = dir_of(t, e->parent);
	struct tree_entry **link;
	int rc = 0;

	if (parent == NULL)
		return -ENOENT;
	if (*find(t, e->parent, e->name, e->hash) != NULL)
		return -EEXIST;
	if (t->entries >= t->buckets)
		rc = resize(t, t->buckets * 2);
	if (rc == 0 && is_dir)
		rc = new_dir(t, &e->ino);
	if (rc < 0)
		return rc;
	if (!is_dir)
		e->ino = ++t->files << 1;
	link = &t->bucket[e->hash & (t->buckets - 1)];
	e->next = *link;
	*link = e;
	e->after = parent->first;
	if (e->after != NULL)
		e->after->before = e;
	parent->first = e;
	t->entries++;
	return 0;
}

int tree_add(struct tree *t, uint64_t parent, const char *name, bool is_dir, uint64_t *ino)
{
	size_t size = strlen(name) + 1;
	struct tree_entry *e = calloc(1, sizeof *e + size);
	int rc;

	if (e == NULL)
		return -ENOMEM;
	e->parent = parent;
	e->hash = hash_of(parent, name);
	memcpy(e->name, name, size);
	pthread_mutex_lock(&t->mutex);
	rc = add(t, e, is_dir);
	if (rc == 0)
		*ino = e->ino;
	pthread_mutex_unlock(&t->mutex);
	if (rc < 0)
		free(e);
	return rc;
}

static int take_out(struct tree *t, struct tree_entry **link, bool is_dir)
{
	struct tree_entry *e = *link;

	if (e == NULL)
		return -ENOENT;
	if (tree_is_dir(e->ino) != is_dir)
		return is_dir ? -ENOTDIR : -EISDIR;
	if (is_dir) {
		if (dir_of(t, e->ino)->first != NULL)
			return -ENOTEMPTY;
		free(t->dir[e->ino >> 1]);
		t->dir[e->ino >> 1] = NULL;
	}
	*link = e->next;
	if (e->after != NULL)
		e->after->before = e->before;
	if (e->before != NULL)
		e->before->after = e->after;
	else
		dir_of(t, e->parent)->first = e->after;
	t->entries--;
	return 0;
}

int tree_remove(struct tree *t, uint64_t parent, const char *name, bool is_dir)
{
	uint32_t hash = hash_of(parent, name);
	struct tree_entry **link, *e;
	int rc;

	pthread_mutex_lock(&t->mutex);
	link = find(t, parent, name, hash);
	e = *link;
	rc = take_out(t, link, is_dir);
	pthread_mutex_unlock(&t->mutex);
	if (rc == 0)
		free(e);
	return rc;
}

int tree_each(struct tree *t, uint64_t dir, int (*fn)(void *arg, const char *name, uint64_t ino), void *arg)
{
	struct tree_dir *d;
	int rc = 0;

	pthread_mutex_lock(&t->mutex);
	d = dir_of(t, dir);
	if (d == NULL)
		rc = -ENOENT;
	else
		for (struct tree_entry *e = d->first; rc == 0 && e != NULL; e = e->after)
			rc = fn(arg, e->name, e->ino);
	pthread_mutex_unlock(&t->mutex);
	return rc;
}
