/* soak [--strict] [--clients N] [--seconds N] [--every SECONDS] MOUNT CLUSTER RESTART: RESTART is a command that kills the
 * daemon and has it mounted again, run every so often. */
#include "soak.h"

#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct soak soak;

void violation(const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	fprintf(stderr, "VIOLATION: %s\n", text);
	atomic_fetch_add(&soak.violations, 1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "strict", no_argument, NULL, 's' },
		{ "clients", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "every", required_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	int clients = 64, restarts = 0, c;
	double seconds = 60, every = 7, begin, last;
	struct rlimit files = { 4096, 4096 };
	pthread_t *thread;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			soak.strict = true;
		else if (c == 'c')
			clients = atoi(optarg);
		else if (c == 't')
			seconds = atof(optarg);
		else if (c == 'e')
			every = atof(optarg);
		else
			return 2;
	}
	if (argc - optind != 3 || clients < 1 || (thread = calloc((size_t)clients, sizeof *thread)) == NULL)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	soak.mount = argv[optind];
	soak.cluster = argv[optind + 1];
	begin = last = now();
	for (int i = 0; i < clients; i++)
		if (pthread_create(&thread[i], NULL, client_run, (void *)(uintptr_t)(unsigned)i) != 0)
			return 2;
	while (now() - begin < seconds && atomic_load(&soak.violations) < 20) {
		usleep(50000);
		if (now() - last < every)
			continue;
		atomic_fetch_add(&soak.epoch, 1);
		if (system(argv[optind + 2]) != 0) { /* a shell's command, by its nature */
			violation("the daemon could not be mounted again");
			atomic_store(&soak.stop, true);
		}
		atomic_fetch_add(&soak.epoch, 1);
		restarts++;
		last = now();
	}
	atomic_store(&soak.stop, true);
	for (int i = 0; i < clients; i++)
		pthread_join(thread[i], NULL);
	free(thread);
	printf("%d clients, %d restarts: %llu calls, %llu refused, %llu whose outcome had to be looked for, %llu violations\n", clients,
	       restarts, (unsigned long long)soak.done, (unsigned long long)soak.refused, (unsigned long long)soak.unknown,
	       (unsigned long long)soak.violations);
	return soak.violations > 0;
}
