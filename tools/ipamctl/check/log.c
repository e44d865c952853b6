#include "ipamctl/check/log.h"

#include "store/store_mark.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool check_log_exists(const char *path)
{
	char log[4300];

	snprintf(log, sizeof log, "%s-wal", path);
	return access(log, F_OK) == 0;
}

int check_log(const char *path, struct ipam_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_SH | LOCK_NB) == 0)
		rc = store_verify_log(path, NULL, error);
	if (fd >= 0)
		close(fd);
	return rc;
}
