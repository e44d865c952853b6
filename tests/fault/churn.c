/* churn NODE-DIR THREADS LOG: threads make and remove leases as fast as they can, until the mount goes away. Each change
 * that was acknowledged is a line of LOG.<thread>: "+ NAME ADDRESSES" (blanks for newlines) or "- NAME"; "? NAME" says
 * that a change of it was under way when the end came, so that either outcome is right. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory, *log_path;

static void write_line(FILE *log, char sign, const char *name, char *content)
{
	for (char *p = content; *p != 0; p++)
		if (*p == '\n')
			*p = ' ';
	fprintf(log, "%c %s %s\n", sign, name, content);
	fflush(log);
}

/* false: the end. */
static int make(const char *path, const char *name, FILE *log)
{
	char content[256] = "";
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0644);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, content, sizeof content - 1);
	close(fd);
	if (n <= 0)
		return 0;
	content[n] = 0;
	write_line(log, '+', name, content);
	return 1;
}

static void *run(void *arg)
{
	int number = *(int *)arg;
	char name[64], path[512], file[512], none[] = "";
	FILE *log;

	snprintf(file, sizeof file, "%s.%d", log_path, number);
	log = fopen(file, "w");
	if (log == NULL)
		return NULL;
	for (int i = 0;; i++) {
		snprintf(name, sizeof name, "t%d-%d", number, i % 7 == 6 ? i - 3 : i);
		snprintf(path, sizeof path, "%s/%s", directory, name);
		/* Six are made, the seventh step removes one of them. */
		if (i % 7 == 6 ? unlink(path) < 0 : !make(path, name, log))
			break;
		if (i % 7 == 6)
			write_line(log, '-', name, none);
	}
	write_line(log, '?', name, none);
	fclose(log);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 3 ? atoi(argv[2]) : 0, number[64];
	pthread_t thread[64];

	if (threads < 1 || threads > 64)
		return 2;
	directory = argv[1];
	log_path = argv[3];
	for (int i = 0; i < threads; i++) {
		number[i] = i;
		pthread_create(&thread[i], NULL, run, &number[i]);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
