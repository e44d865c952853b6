/* System calls that the shell has no word for: sys CALL ARGUMENT... An error goes to stderr as strerror says it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_file(const char *path, int flags)
{
	int fd = open(path, O_CREAT | O_WRONLY | flags, 0666);

	return fd < 0 ? -1 : close(fd);
}

/* Make files, PREFIX0 and on, until one is refused or there are so many; print how many. */
static int fill(const char *prefix, int most)
{
	char path[4096];
	int made = 0, rc = 0;

	for (; rc == 0 && made < most; made += rc == 0) {
		snprintf(path, sizeof path, "%s%d", prefix, made);
		rc = make_file(path, O_EXCL);
	}
	printf("%d\n", made);
	return rc;
}

/* Print those of the names that could be made in a directory. */
static int make_any(const char *directory, char **names)
{
	char path[4096];

	for (; *names != NULL; names++) {
		snprintf(path, sizeof path, "%s/%s", directory, *names);
		if (make_file(path, O_EXCL) == 0)
			puts(path);
	}
	return 0;
}

static int sync_file(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 || fsync(fd) < 0 ? -1 : close(fd);
}

/* Make a file, say so, and keep it open until killed. */
static int hold_file(const char *path)
{
	if (open(path, O_CREAT | O_RDWR | O_EXCL, 0666) < 0)
		return -1;
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

/* Wait until the file can be read, by poll(2); then print what is there. */
static int poll_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buffer[65536];
	ssize_t n;

	if (fd < 0)
		return -1;
	puts("polling");
	fflush(stdout);
	if (poll(&p, 1, 20000) < 1 || !(p.revents & POLLIN))
		return -1;
	n = read(fd, buffer, sizeof buffer);
	if (n < 0)
		return -1;
	fwrite(buffer, (size_t)n, 1, stdout);
	return close(fd);
}

/* What it gives, as it comes, until killed; a line first, once it is open. */
static int stream_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	char buffer[65536];
	ssize_t n;

	if (fd < 0)
		return -1;
	puts("listening");
	fflush(stdout);
	while ((n = read(fd, buffer, sizeof buffer)) > 0) {
		fwrite(buffer, (size_t)n, 1, stdout);
		fflush(stdout);
	}
	return n < 0 ? -1 : close(fd);
}

/* Open it so many times, say so, and never read, until killed. */
static int never_read(const char *path, int times)
{
	for (int i = 0; i < times; i++)
		if (open(path, O_RDONLY) < 0)
			return -1;
	puts("open");
	fflush(stdout);
	for (;;)
		pause();
}

/* Write the text, fsync; what the file says of a refusal goes to stdout. */
static int import_text(const char *path, const char *text)
{
	int fd = open(path, O_RDWR);
	char buffer[65536];
	ssize_t n;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -1;
	if (fsync(fd) == 0)
		return close(fd);
	n = pread(fd, buffer, sizeof buffer, 0);
	if (n > 0)
		fwrite(buffer, (size_t)n, 1, stdout);
	return close(fd);
}

/* Write the texts, one by one; then what the file says of them through the same descriptor, twice, byte by byte and as a whole. */
static int ask(const char *path, char *const *text)
{
	int fd = open(path, O_RDWR);
	char buffer[65536];
	ssize_t n;
	off_t at = 0;

	for (; fd >= 0 && *text != NULL; text++)
		if (write(fd, *text, strlen(*text)) < 0)
			return -1;
	while (fd >= 0 && (n = pread(fd, buffer, 1, at)) > 0) {
		putchar(buffer[0]);
		at++;
	}
	n = fd < 0 ? -1 : pread(fd, buffer, sizeof buffer, 0);
	if (n < 0 || n != at)
		return -1;
	fwrite(buffer, (size_t)n, 1, stdout);
	return close(fd);
}

int main(int argc, char **argv)
{
	const char *call = argc > 2 ? argv[1] : "", *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : "";
	int rc;

	if (strcmp(call, "ask") == 0)
		rc = ask(a, argv + 3);
	else if (strcmp(call, "poll") == 0)
		rc = poll_file(a);
	else if (strcmp(call, "stream") == 0)
		rc = stream_file(a);
	else if (strcmp(call, "unread") == 0)
		rc = never_read(a, atoi(b));
	else if (strcmp(call, "rename") == 0)
		rc = rename(a, b);
	else if (strcmp(call, "link") == 0)
		rc = link(a, b);
	else if (strcmp(call, "symlink") == 0)
		rc = symlink(a, b);
	else if (strcmp(call, "mkfifo") == 0)
		rc = mkfifo(a, 0666);
	else if (strcmp(call, "mknod") == 0)
		rc = mknod(a, S_IFREG | 0644, 0);
	else if (strcmp(call, "mkchar") == 0)
		rc = mknod(a, S_IFCHR | 0644, 0x103);
	else if (strcmp(call, "mkdir") == 0)
		rc = mkdir(a, 0777);
	else if (strcmp(call, "rmdir") == 0)
		rc = rmdir(a);
	else if (strcmp(call, "unlink") == 0)
		rc = unlink(a);
	else if (strcmp(call, "creat") == 0)
		rc = make_file(a, 0);
	else if (strcmp(call, "excl") == 0)
		rc = make_file(a, O_EXCL);
	else if (strcmp(call, "fill") == 0)
		rc = fill(a, atoi(b));
	else if (strcmp(call, "any") == 0)
		rc = make_any(a, argv + 3);
	else if (strcmp(call, "fsync") == 0)
		rc = sync_file(a);
	else if (strcmp(call, "hold") == 0)
		rc = hold_file(a);
	else if (strcmp(call, "import") == 0)
		rc = import_text(a, b);
	else {
		fprintf(stderr, "usage: sys CALL PATH [PATH]\n");
		return 2;
	}
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", call, strerror(errno));
	return rc < 0;
}
