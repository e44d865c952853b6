/* A stand-in for a disk that fails or is slow, where device mapper's can't be had: preloaded into the daemon, it makes writes and
 * syncs fail, or writes wait.
 *
 * FAULTS names a file with lines "write SUFFIX" and "sync SUFFIX": what is asked of a file whose name ends so gets EIO; and
 * "slow MS SUFFIX": each write waits so long, "slow-sync MS SUFFIX": each sync, "slow-read MS SUFFIX": each read. "crash TEXT": who writes that anywhere falls. "abort
 * fuse": an unmount by force meets each reader of requests in the middle of one. "broken fuse": no request can be read. The file is read each time, so that a disk fails and is
 * mended while the daemon runs. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static bool ends(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* What a line says of this file now: its number, 1 where it has none; 0: no line does. */
static int told(const char *what, int fd)
{
	const char *faults = getenv("FAULTS");
	char link[64], name[4096], text[512] = "", *line, *rest = text;
	int f, number = 0;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = faults == NULL ? -1 : readlink(link, name, sizeof name - 1);
	f = n < 0 ? -1 : open(faults, O_RDONLY | O_CLOEXEC);
	if (f < 0)
		return 0;
	name[n] = 0;
	n = read(f, text, sizeof text - 1);
	text[n < 0 ? 0 : n] = 0;
	close(f);
	while (number == 0 && (line = strsep(&rest, "\n")) != NULL) {
		char suffix[64];

		if (strncmp(line, what, strlen(what)) != 0 || line[strlen(what)] != ' ')
			continue;
		line += strlen(what);
		if (sscanf(line, "%d %63s", &number, suffix) != 2)
			number = sscanf(line, "%63s", suffix);
		if (number != 0 && !ends(name, suffix))
			number = 0;
	}
	return number;
}

/* What nobody could write and live. */
static void crash(const void *data, size_t size)
{
	const char *faults = getenv("FAULTS");
	int fd = faults == NULL ? -1 : open(faults, O_RDONLY | O_CLOEXEC);
	char text[512], pill[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "crash %63s", pill) == 1 && memmem(data, size, pill, strlen(pill)) != NULL)
			raise(SIGSEGV);
	}
}

static bool fails(const char *what, int fd)
{
	bool hit = told(what, fd) != 0;

	if (hit)
		errno = EIO;
	return hit;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	static ssize_t (*next)(int, const void *, size_t, off64_t);

	if (next == NULL)
		next = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
	poll(NULL, 0, told("slow", fd));
	crash(data, size);
	return fails("write", fd) ? -1 : next(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at)
{
	static ssize_t (*next)(int, void *, size_t, off64_t);

	if (next == NULL)
		next = (ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
	poll(NULL, 0, told("slow-read", fd));
	return next(fd, data, size, at);
}

int fdatasync(int fd)
{
	static int (*next)(int);

	if (next == NULL)
		next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	poll(NULL, 0, told("slow-sync", fd));
	return fails("sync", fd) ? -1 : next(fd);
}

int fsync(int fd)
{
	static int (*next)(int);

	if (next == NULL)
		next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	return fails("sync", fd) ? -1 : next(fd);
}

ssize_t read(int fd, void *data, size_t size)
{
	static ssize_t (*next)(int, void *, size_t);
	ssize_t n;

	if (next == NULL)
		next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	if (size > 65536 && told("broken", fd) != 0) { /* as libfuse asks for requests */
		errno = EIO;
		return -1;
	}
	n = next(fd, data, size);
	if (n < 0 && errno == ENODEV)
		errno = told("abort", fd) != 0 ? ECONNABORTED : ENODEV;
	return n;
}
