/* say — what a program tells people: printable whatever is in it (core's printable.h), and a line in one write. Thread-safe. */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stdio.h>
#include <syslog.h>

/* What a command and a program end with. */
enum { CLI_DONE = 0, CLI_REFUSED = 1, CLI_USAGE = 2 };

/* Of "%llu lease%s". */
#define CLI_COUNT(n) (unsigned long long)(n), (n) == 1 ? "" : "s"

/* What the program is called in what it tells, from now on: a text that stays. */
void cli_call_program(const char *name);
const char *cli_program(void);

/* "PROGRAM: ..." on stderr, of what ends a command; returns the status given. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of a log there, "PROGRAM: warning: ..."; the priority is syslog's. */
void cli_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As fprintf(3), of a line or a part of one. What others wrote goes through this, or is JSON in ASCII. */
void cli_say(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A text that may hold anything, on stdout. */
void cli_print(const char *s);

#endif
