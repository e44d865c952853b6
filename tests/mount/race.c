/* race NODE-DIR THREADS COUNT: threads race for the names s0..sCOUNT-1 (O_CREAT | O_EXCL), with names of their own that
 * come and go in between. Prints how many names were won; any errno that isn't EEXIST or ENOSPC ends it with status 1. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory;
static int count;
static atomic_int won, full, bad;

static void complain(const char *what, const char *path)
{
	fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
	atomic_fetch_add(&bad, 1);
}

static int claim(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -errno : 0;
}

static void *run(void *arg)
{
	int number = *(int *)arg;
	char path[512], other[512];

	for (int i = 0; i < count; i++) {
		int rc;

		snprintf(path, sizeof path, "%s/s%d", directory, i);
		rc = claim(path);
		if (rc == 0)
			atomic_fetch_add(&won, 1);
		else if (rc == -ENOSPC)
			atomic_fetch_add(&full, 1);
		else if (rc != -EEXIST)
			complain("claim", path);
		if (i % 8 != number % 8)
			continue;
		snprintf(path, sizeof path, "%s/own%d", directory, number);
		snprintf(other, sizeof other, "%s/new%d", directory, number);
		rc = claim(path);
		if (rc == -ENOSPC)
			continue;
		if (rc < 0 || rename(path, other) < 0 || unlink(other) < 0)
			complain("own", path);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 3 ? atoi(argv[2]) : 0, number[256];
	pthread_t thread[256];

	if (threads < 1 || threads > 256)
		return 2;
	directory = argv[1];
	count = atoi(argv[3]);
	for (int i = 0; i < threads; i++) {
		number[i] = i;
		pthread_create(&thread[i], NULL, run, &number[i]);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("%d\n", atomic_load(&won));
	return atomic_load(&bad) > 0;
}
