#include "fs/base/bounds.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct user {
	uint32_t uid;
	uint64_t files;
};

struct bounds {
	pthread_mutex_t lock; /* what follows */
	void *users;          /* tree of struct user, by uid: those who have any */
	uint64_t files, most, most_each;
};

int bounds_new(struct bounds **out)
{
	struct bounds *b = calloc(1, sizeof *b);
	struct rlimit limit = { .rlim_cur = 1024 };

	if (b == NULL)
		return -ENOMEM;
	getrlimit(RLIMIT_NOFILE, &limit);
	b->most = limit.rlim_cur / 4 * 3;
	b->most_each = limit.rlim_cur / 8;
	pthread_mutex_init(&b->lock, NULL);
	*out = b;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = ((const struct user *)a)->uid, y = ((const struct user *)b)->uid;

	return x < y ? -1 : x > y;
}

void bounds_free(struct bounds *b)
{
	if (b == NULL)
		return;
	while (b->users != NULL) {
		struct user *u = *(struct user **)b->users;

		tdelete(u, &b->users, compare);
		free(u);
	}
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static bool is_counted(uint32_t uid)
{
	return uid != 0 && uid != geteuid();
}

static struct user *find(struct bounds *b, uint32_t uid)
{
	struct user **at = tfind(&(struct user){ .uid = uid }, &b->users, compare);

	return at == NULL ? NULL : *at;
}

static struct user *find_or_add(struct bounds *b, uint32_t uid)
{
	struct user *u = find(b, uid);

	if (u != NULL || (u = calloc(1, sizeof *u)) == NULL)
		return u;
	u->uid = uid;
	if (tsearch(u, &b->users, compare) != NULL)
		return u;
	free(u);
	return NULL;
}

static int take(struct bounds *b, uint32_t uid)
{
	struct user *u = find_or_add(b, uid);

	if (u == NULL)
		return -ENOMEM;
	u->files++;
	b->files++;
	return 0;
}

int bounds_take(struct bounds *b, uint32_t uid)
{
	const struct user *u;
	int rc;

	if (!is_counted(uid))
		return 0;
	pthread_mutex_lock(&b->lock);
	u = find(b, uid);
	rc = u != NULL && u->files >= b->most_each ? -EMFILE : b->files >= b->most ? -ENFILE : take(b, uid);
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void bounds_found(struct bounds *b, uint32_t uid)
{
	if (!is_counted(uid))
		return;
	pthread_mutex_lock(&b->lock);
	(void)take(b, uid); /* without memory it isn't counted */
	pthread_mutex_unlock(&b->lock);
}

void bounds_give(struct bounds *b, uint32_t uid)
{
	struct user *u;

	if (!is_counted(uid))
		return;
	pthread_mutex_lock(&b->lock);
	u = find(b, uid);
	if (u != NULL) {
		u->files--;
		b->files--;
	}
	if (u != NULL && u->files == 0) {
		tdelete(u, &b->users, compare);
		free(u);
	}
	pthread_mutex_unlock(&b->lock);
}
