#include "ctl.h"
#include "printable.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The line's own end is the format's; any other is somebody's who would make two of it. */
static void print_line(FILE *to, const char *format, va_list ap)
{
	bool ends = format[0] != 0 && format[strlen(format) - 1] == '\n';
	char *text;
	int n = vasprintf(&text, format, ap);

	if (n < 0)
		return; /* no memory: whoever asked has more to say of that */
	printable(text, text, (size_t)(n - ends));
	fputs(text, to);
	if (ends)
		fputc('\n', to);
	free(text);
}

int ctl_fail(int status, const char *format, ...)
{
	va_list ap;

	fputs("ipamctl: ", stderr);
	va_start(ap, format);
	print_line(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

void ctl_say(FILE *to, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print_line(to, format, ap);
	va_end(ap);
}

void ctl_print(const char *s)
{
	ctl_say(stdout, "%s", s);
}

/* What makes a command change what it wouldn't, which nobody is to be led to by a word that only looks like it. */
static bool is_sharp(const char *option)
{
	return strcmp(option, "repair") == 0 || strcmp(option, "force") == 0;
}

int ctl_option(int argc, char **argv, const struct option *longs)
{
	return ctl_options(argc, argv, ":", longs);
}

int ctl_options(int argc, char **argv, const char *shorts, const struct option *longs)
{
	const char *words[32] = { NULL }, *near, *given, *sharp = NULL;
	char said[64]; /* without its value */
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	if (c != '?' && c != ':')
		return c;
	given = argv[optind - 1];
	snprintf(said, sizeof said, "%.*s", (int)strcspn(given, "="), given);
	for (int i = 0, n = 0; longs[i].name != NULL && n < 31; i++)
		if (!is_sharp(longs[i].name))
			words[n++] = longs[i].name;
		else if (ctl_is_slip(said + strspn(said, "-"), longs[i].name))
			sharp = longs[i].name;
	near = sharp != NULL ? sharp : strncmp(said, "--", 2) == 0 ? ctl_suggest(said + 2, words) : NULL;
	if (c == ':')
		ctl_fail(CTL_USAGE, "'%s' wants a value; 'ipamctl help %s' tells more", given, argv[0]);
	else if (near != NULL && strcmp(near, said + 2) != 0)
		ctl_fail(CTL_USAGE, "no option '%s' here; did you mean '--%s'?", said, near);
	else
		ctl_fail(CTL_USAGE, "no option '%s' here; 'ipamctl help %s' lists them", given, argv[0]);
	return '?';
}

bool ctl_is_word(const char *s)
{
	const char *p = s;

	while ((unsigned char)*p > 0x20 && *p != 0x7f && *p != '/')
		p++;
	return p > s && *p == 0;
}

enum { FAR = 99 };

/* Levenshtein's distance, for words up to 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[32];

	if (n > 31 || m > 31)
		return FAR;
	for (unsigned j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

bool ctl_is_slip(const char *word, const char *meant)
{
	return distance(word, meant) <= 1;
}

const char *ctl_suggest(const char *word, const char *const *words)
{
	const char *best = NULL;
	size_t n = strlen(word);
	unsigned least = n < 3 ? (unsigned)n : 3; /* two slips are a slip, three are another word, and so is one with no letter left */

	for (; *words != NULL; words++) {
		unsigned d = distance(word, *words);

		if (d < least) {
			least = d;
			best = *words;
		}
	}
	return best;
}

/* mountinfo writes blanks and the like as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s != 0; s++)
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] != 0 && s[3] != 0) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	*to = 0;
}

bool ctl_mount_ended(int error)
{
	return error == -ENOTCONN || error == -ECONNABORTED;
}

bool ctl_mount_source(const char *directory, char out[4096])
{
	char *path = realpath(directory, NULL), *line = NULL;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	size_t room = 0;

	while (f != NULL && path != NULL && getline(&line, &room, f) > 0) {
		char point[4096], source[4096], type[64];
		const char *rest = strstr(line, " - ");

		if (rest == NULL || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || sscanf(rest, " - %63s %4095s", type, source) != 2)
			continue;
		unescape(point);
		if (strcmp(type, "fuse.ipamfs") != 0 || strcmp(point, path) != 0)
			continue;
		unescape(source);
		strcpy(out, source); /* the last one lies on top */
		found = true;
	}
	if (f != NULL)
		fclose(f);
	free(line);
	free(path);
	return found;
}

/* ---- progress --------------------------------------------------------------------------------------------- */

enum { BAR = 30, SHOW_EVERY = 100000000 };

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void progress_begin(struct progress *p, const char *what, uint64_t total, bool wanted)
{
	*p = (struct progress){ .what = what, .total = total, .begun = now(), .on = wanted && isatty(STDERR_FILENO) };
}

static void show(struct progress *p)
{
	double seconds = (double)(p->shown - p->begun) / 1e9;
	double rate = seconds > 0 ? (double)p->done / seconds : 0;
	double left = rate > 0 && p->total > p->done ? (double)(p->total - p->done) / rate : 0;
	int full = p->total > 0 ? (int)(p->done * BAR / p->total) : 0;

	if (p->total == 0) {
		fprintf(stderr, "\r%-8s %llu, %.0f/s\033[K", p->what, (unsigned long long)p->done, rate);
		fflush(stderr);
		return;
	}
	fprintf(stderr, "\r%-8s [%.*s%*s] %llu of %llu, %.0f/s, %.0f s left\033[K", p->what, full, "##############################",
		BAR - full, "", (unsigned long long)p->done, (unsigned long long)p->total, rate, left);
	fflush(stderr);
}

void progress_step(struct progress *p)
{
	p->done++;
	if (!p->on || p->done % 256 != 0)
		return;
	if (now() - p->shown < SHOW_EVERY)
		return;
	p->shown = now();
	show(p);
}

void progress_to(struct progress *p, uint64_t done)
{
	p->done = done;
	if (!p->on || now() - p->shown < SHOW_EVERY)
		return;
	p->shown = now();
	show(p);
}

void progress_end(struct progress *p)
{
	if (p->on && p->shown != 0)
		fputs("\r\033[K", stderr);
}
