#include "cli/say.h"

#include "base/printable.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *program = "ipamfs";

void cli_call_program(const char *name)
{
	program = name;
}

const char *cli_program(void)
{
	return program;
}

/* The line's own end is the format's; any other is somebody's who would make two of it. */
static void print_line(FILE *to, const char *begin, const char *kind, const char *format, va_list ap)
{
	bool ends = format[0] != 0 && format[strlen(format) - 1] == '\n';
	char *text;
	int n = vasprintf(&text, format, ap);

	if (n < 0)
		return; /* no memory: whoever asked has more to say of that */
	printable(text, text, (size_t)(n - ends));
	fprintf(to, "%s%s%s%s%s%s", begin, *begin == 0 ? "" : ": ", kind, *kind == 0 ? "" : ": ", text, ends || *begin != 0 ? "\n" : "");
	free(text);
}

int cli_fail(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print_line(stderr, program, "", format, ap);
	va_end(ap);
	return status;
}

void cli_log(int priority, const char *format, ...)
{
	static const char *const name[] = { "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug" };
	va_list ap;

	va_start(ap, format);
	print_line(stderr, program, name[priority & 7], format, ap);
	va_end(ap);
}

void cli_say(FILE *to, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print_line(to, "", "", format, ap);
	va_end(ap);
}

void cli_print(const char *s)
{
	cli_say(stdout, "%s", s);
}
