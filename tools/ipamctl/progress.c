#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

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
