/* bench — what the subcommands of ipamfs-bench share: the clock, messages, arguments and the record of results. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Nanoseconds of the monotonic clock. */
uint64_t bench_now(void);

/* A message to stderr, with what errno -rc means behind it unless rc is 0. Returns 1, for an exit code. */
int bench_fail(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The number in s, which must lie in min..max: 0, or -EINVAL with a message naming what it is for. */
int bench_number(const char *what, const char *s, double min, double max, double *out);

/* A file of lines "KEY VALUE" for the script that compares aims with results. path may be NULL: nothing is kept. */
FILE *bench_record_open(const char *path);
void bench_record(FILE *record, double value, const char *key_format, ...) __attribute__((format(printf, 3, 4)));
void bench_record_close(FILE *record);

enum { BENCH_CELL = 16 };
/* Numbers in at most five characters: a rate (12.3k), microseconds from nanoseconds (28.9, 143k), a ratio. */
const char *bench_print_rate(double value, char out[BENCH_CELL]);
const char *bench_print_us(double ns, char out[BENCH_CELL]);
const char *bench_print_ratio(double value, char out[BENCH_CELL]);

/* The sample below which the fraction p of n lies; sorts the samples. 0 when there is none. */
uint32_t bench_percentile(uint32_t *samples, size_t n, double p);

/* The process that serves the mount of this one; itself where it has no other. */
pid_t bench_worker(pid_t supervisor);

#endif
