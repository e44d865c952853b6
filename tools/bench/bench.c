#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int bench_fail(int rc, const char *format, ...)
{
	va_list ap;

	fputs("ipamfs-bench: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	if (rc != 0)
		fprintf(stderr, ": %s", strerror(-rc));
	fputc('\n', stderr);
	return 1;
}

int bench_number(const char *what, const char *s, double min, double max, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(s, &end);
	/* Written so that NaN fails as well. */
	if (errno == 0 && end != s && *end == 0 && *out >= min && *out <= max)
		return 0;
	bench_fail(0, "%s '%s': expected a number from %g to %g", what, s, min, max);
	return -EINVAL;
}

FILE *bench_record_open(const char *path)
{
	FILE *record = path != NULL ? fopen(path, "ae") : NULL;

	if (path != NULL && record == NULL)
		bench_fail(-errno, "%s", path);
	return record;
}

void bench_record(FILE *record, double value, const char *key_format, ...)
{
	va_list ap;

	if (record == NULL)
		return;
	va_start(ap, key_format);
	vfprintf(record, key_format, ap);
	va_end(ap);
	fprintf(record, " %.6g\n", value);
}

void bench_record_close(FILE *record)
{
	if (record != NULL && fclose(record) != 0)
		bench_fail(-errno, "writing the record");
}

const char *bench_print_rate(double value, char out[BENCH_CELL])
{
	if (value < 9999.5)
		snprintf(out, BENCH_CELL, "%.0f", value);
	else if (value < 99950)
		snprintf(out, BENCH_CELL, "%.1fk", value / 1e3);
	else if (value < 999500)
		snprintf(out, BENCH_CELL, "%.0fk", value / 1e3);
	else
		snprintf(out, BENCH_CELL, "%.*fM", value < 9.995e6 ? 2 : 1, value / 1e6);
	return out;
}

const char *bench_print_us(double ns, char out[BENCH_CELL])
{
	double us = ns / 1e3;

	if (us < 99999.5)
		snprintf(out, BENCH_CELL, "%.*f", us < 9.995 ? 2 : us < 99.95 ? 1 : 0, us);
	else
		snprintf(out, BENCH_CELL, "%.0fk", us / 1e3);
	return out;
}

const char *bench_print_ratio(double value, char out[BENCH_CELL])
{
	snprintf(out, BENCH_CELL, "%.*f", value < 99.995 ? 2 : value < 999.95 ? 1 : 0, value);
	return out;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t bench_percentile(uint32_t *samples, size_t n, double p)
{
	size_t rank;

	if (n == 0)
		return 0;
	qsort(samples, n, sizeof *samples, by_value);
	rank = (size_t)(p * (double)n);
	return samples[rank < n ? rank : n - 1];
}

pid_t bench_worker(pid_t supervisor)
{
	char path[64];
	int worker = 0;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)supervisor, (int)supervisor);
	in = fopen(path, "re");
	if (in == NULL || fscanf(in, "%d", &worker) != 1)
		worker = 0;
	if (in != NULL)
		fclose(in);
	return worker > 0 ? worker : supervisor;
}
