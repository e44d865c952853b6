/* floor_tree — the names of the bench's own filesystem: one hash table of (directory, name) under one mutex.
 *
 * An inode number says by itself whether it is a directory, so that attributes need no look-up. Numbers aren't reused.
 */
#ifndef FLOOR_TREE_H
#define FLOOR_TREE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TREE_ROOT = 1 };

struct tree_dir;
struct tree_entry;

struct tree {
	pthread_mutex_t mutex;
	struct tree_entry **bucket;
	size_t buckets, entries; /* buckets is a power of two */
	struct tree_dir **dir;   /* by the number in its inode number; NULL once removed */
	size_t dirs, dir_capacity;
	uint64_t files; /* numbers given to files */
};

/* 0 or -ENOMEM. */
int tree_init(struct tree *t);
void tree_close(struct tree *t);

bool tree_is_dir(uint64_t ino);
/* 0, -ENOENT. */
int tree_find(struct tree *t, uint64_t parent, const char *name, uint64_t *ino);
/* 0, -EEXIST, -ENOENT no such parent, -ENOMEM. */
int tree_add(struct tree *t, uint64_t parent, const char *name, bool is_dir, uint64_t *ino);
/* 0, -ENOENT, -ENOTDIR, -EISDIR, -ENOTEMPTY. */
int tree_remove(struct tree *t, uint64_t parent, const char *name, bool is_dir);
/* fn for each entry under the lock, until it returns other than 0, which is returned. -ENOENT. */
int tree_each(struct tree *t, uint64_t dir, int (*fn)(void *arg, const char *name, uint64_t ino), void *arg);

#endif
