#include "metrics.h"

#include "cli/say.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVERY_MS = 5000 };

static const struct row {
	const char *name, *help, *labels;
} rows[METRICS] = {
	[METRIC_DELEGATED] = { "delegations_total", "Nodes that were given blocks of the cluster.", "" },
	[METRIC_ADOPTED] = { "adoptions_total", "Nodes whose podCIDRs were taken into the mount as they are.", "" },
	[METRIC_EXCHANGED] = { "exchanges_total", "Nodes of the mount that were given other blocks, those of the API.", "" },
	[METRIC_REMOVED] = { "removals_total", "Nodes that gave their blocks back.", "" },
	[METRIC_PATCHED] = { "patches_total", "Nodes whose podCIDRs were written to the API.", "" },
	[METRIC_PATCH_ERRORS] = { "patch_errors_total", "Patches of Nodes that failed; they are tried again.", "" },
	[METRIC_REQUESTS] = { "requests_total", "Requests to the API server.", "" },
	[METRIC_REQUEST_ERRORS] = { "request_errors_total", "Requests that got no answer, or an error of the server.", "" },
	[METRIC_LISTS] = { "lists_total", "Full lists of Nodes.", "" },
	[METRIC_WATCHES] = { "watches_total", "Watches that were begun.", "" },
	[METRIC_WATCH_EVENTS] = { "watch_events_total", "Changes that watches told, bookmarks with them.", "" },
	[METRIC_EVENTS_POSTED] = { "events_posted_total", "Events that were written to the API.", "" },
	[METRIC_MOUNT_ERRORS] = { "mount_errors_total", "Failures of the mount that were not refusals.", "" },
	[METRIC_RETRIES] = { "retries_total", "Nodes that were put back to be tried again.", "" },
	[METRIC_TAKEOVERS] = { "leader_acquisitions_total", "How often this one became the leader.", "" },
	[METRIC_NODES] = { "nodes", "Nodes in the API.", "" },
	[METRIC_NODES_WITHOUT] = { "nodes_without_podcidr", "Nodes in the API that have no podCIDR yet.", "" },
	[METRIC_REFUSED_NO_BLOCK] = { "nodes_refused", "Nodes that were reported and left alone.", "reason=\"no_block\"" },
	[METRIC_REFUSED_FOREIGN] = { "nodes_refused", "", "reason=\"foreign\"" },
	[METRIC_REFUSED_OVERLAP] = { "nodes_refused", "", "reason=\"overlap\"" },
	[METRIC_REFUSED_PATCH] = { "nodes_refused", "", "reason=\"patch\"" },
	[METRIC_REFUSED_LEASES] = { "nodes_refused", "", "reason=\"leases\"" },
	[METRIC_REFUSED_MANY] = { "nodes_refused", "", "reason=\"many_gone\"" },
	[METRIC_QUEUE] = { "queue_length", "Nodes that wait to be looked at, those that are tried again later among them.", "" },
	[METRIC_LEADER] = { "leader", "1 where this one leads, or doesn't ask who does.", "" },
	[METRIC_SYNCED] = { "synced", "1 where the watch follows a full list.", "" },
	[METRIC_LAST_SYNC] = { "last_sync_timestamp_seconds", "When the last full list was done.", "" },
};

/* The program's own, as errno is: counted from everywhere, and there is one. */
static _Atomic int64_t value[METRICS];

static struct {
	const char *file;
	const struct halt *stop;
	pthread_t thread;
	bool runs, warned;
} writer;

void metrics_add(enum metric m, int64_t n)
{
	atomic_fetch_add_explicit(&value[m], n, memory_order_relaxed);
}

void metrics_set(enum metric m, int64_t v)
{
	atomic_store_explicit(&value[m], v, memory_order_relaxed);
}

static int64_t metrics_get(enum metric m)
{
	return atomic_load_explicit(&value[m], memory_order_relaxed);
}

static void print(FILE *f)
{
	for (int i = 0; i < METRICS; i++) {
		const struct row *r = &rows[i];

		if (*r->help != 0)
			fprintf(f, "# HELP ipamkube_%s %s\n# TYPE ipamkube_%s %s\n", r->name, r->help, r->name,
				i < METRIC_NODES ? "counter" : "gauge");
		fprintf(f, "ipamkube_%s%s%s%s %lld\n", r->name, *r->labels == 0 ? "" : "{", r->labels, *r->labels == 0 ? "" : "}",
			(long long)metrics_get((enum metric)i));
	}
}

/* The collector never sees half of it: written beside, then renamed over. */
static int write_file(void)
{
	char *path = NULL;
	FILE *f = NULL;
	int rc = 0;

	if (asprintf(&path, "%s.%d", writer.file, (int)getpid()) < 0)
		return -ENOMEM;
	f = fopen(path, "we");
	if (f == NULL) {
		rc = -errno;
	} else {
		print(f);
		if (ferror(f) || fflush(f) != 0)
			rc = errno == 0 ? -EIO : -errno;
		if (fclose(f) != 0 && rc == 0)
			rc = -errno;
		if (rc == 0 && rename(path, writer.file) < 0)
			rc = -errno;
		if (rc < 0)
			unlink(path);
	}
	free(path);
	return rc;
}

static void *write_now_and_then(void *arg)
{
	do {
		int rc = write_file();

		if (rc < 0 && !writer.warned)
			cli_log(LOG_WARNING, "%s: %s; the metrics stay unwritten", writer.file, strerror(-rc));
		writer.warned = rc < 0;
	} while (!halt_sleep(writer.stop, EVERY_MS));
	return arg;
}

int metrics_begin(const char *file, const struct halt *stop)
{
	int rc;

	writer.file = file;
	writer.stop = stop;
	if (file == NULL)
		return CLI_DONE;
	rc = write_file();
	if (rc < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", file, strerror(-rc));
	rc = pthread_create(&writer.thread, NULL, write_now_and_then, NULL);
	if (rc != 0)
		return cli_fail(CLI_REFUSED, "no thread to be had: %s", strerror(rc));
	writer.runs = true;
	return CLI_DONE;
}

void metrics_end(void)
{
	if (!writer.runs)
		return;
	pthread_join(writer.thread, NULL);
	writer.runs = false;
	write_file();
}
