#include "ipamctl/repair/report.h"

#include "cli/say.h"
#include "ipamctl/repair/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const word[TELLS] = { "kept", "lost", "uncertain" };

void repair_tell(struct repair *r, enum tell how, const char *format, ...)
{
	char *line = NULL, **bigger;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&line, format, ap) < 0)
		abort();
	va_end(ap);
	if (r->report != NULL)
		fprintf(r->report, "%s: %s\n", word[how], line);
	if (!r->json) {
		printf("%s: ", word[how]);
		cli_print(line);
		putchar('\n');
	}
	bigger = reallocarray(r->line[how], r->told[how] + 1, sizeof *bigger);
	if (bigger == NULL)
		abort();
	r->line[how] = bigger;
	bigger[r->told[how]++] = line;
}
