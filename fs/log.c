#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

static atomic_int to_stderr = 1;

void log_open(const char *program, int foreground)
{
	if (!foreground)
		openlog(program, LOG_PID | LOG_CONS, LOG_DAEMON);
	atomic_store(&to_stderr, foreground);
}

void log_write(void *unused, int priority, const char *message)
{
	static const char *const name[] = { "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug" };

	(void)unused;
	if (atomic_load(&to_stderr))
		fprintf(stderr, "ipamfs: %s: %s\n", name[priority & 7], message);
	else
		syslog(priority, "%s", message);
}
