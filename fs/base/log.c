#include "fs/base/log.h"

#include "base/printable.h"

#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
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

	size_t n = strnlen(message, LINE_MAX);
	char text[LINE_MAX + 1];

	(void)unused;
	printable(text, message, n); /* names, and what servers say, may hold anything */
	if (atomic_load(&to_stderr))
		fprintf(stderr, "ipamfs: %s: %s\n", name[priority & 7], text);
	else
		syslog(priority, "%s", text);
}

void log_print(int priority, const char *format, ...)
{
	char text[640];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	log_write(NULL, priority, text);
}
