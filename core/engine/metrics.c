#include "engine/metrics.h"

#include "change/import.h"
#include "change/lease.h"
#include "change/lease_remove.h"
#include "engine/engine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Nanoseconds: from what memory takes to what a disk in trouble takes. */
static const uint64_t ipam_latency_bounds[IPAM_BUCKETS] = {
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 100000000, 250000000, 1000000000,
};
static const uint64_t ipam_batch_bounds[IPAM_BUCKETS] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096 };

const char *const ipam_release_name[IPAM_RELEASES] = {
	[IPAM_RELEASE_REQUEST] = "request",
	[IPAM_RELEASE_EXPIRED] = "expired",
	[IPAM_RELEASE_CLOSED] = "closed",
	[IPAM_RELEASE_REBOOT] = "reboot",
};

const char *const ipam_failure_name[IPAM_FAILURES] = {
	[IPAM_FAILURE_NO_ADDRESS] = "no_address",       [IPAM_FAILURE_QUOTA] = "quota",   [IPAM_FAILURE_IN_USE] = "in_use",
	[IPAM_FAILURE_NOT_AVAILABLE] = "not_available", [IPAM_FAILURE_EXISTS] = "exists", [IPAM_FAILURE_INVALID] = "invalid",
	[IPAM_FAILURE_DISK_FULL] = "disk_full",         [IPAM_FAILURE_IO] = "io",         [IPAM_FAILURE_OTHER] = "other",
};

int64_t meter_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void observe(struct meter_histogram *h, const uint64_t bounds[IPAM_BUCKETS], uint64_t value)
{
	unsigned i = 0;

	while (i < IPAM_BUCKETS && value > bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->count[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

/* A full disk and a full node have one errno; which it is tells where it came from. */
static enum ipam_failure failure(int error, bool stored)
{
	switch (-error) {
	case ENOSPC:
		return stored ? IPAM_FAILURE_DISK_FULL : IPAM_FAILURE_NO_ADDRESS;
	case EDQUOT:
		return IPAM_FAILURE_QUOTA;
	case EADDRINUSE:
		return IPAM_FAILURE_IN_USE;
	case EADDRNOTAVAIL:
		return IPAM_FAILURE_NOT_AVAILABLE;
	case EEXIST:
		return IPAM_FAILURE_EXISTS;
	case EINVAL:
	case ENAMETOOLONG:
	case ENOENT:
		return IPAM_FAILURE_INVALID;
	case EIO:
	case EROFS:
		return IPAM_FAILURE_IO;
	default:
		return IPAM_FAILURE_OTHER;
	}
}

static enum ipam_release release(const char *reason)
{
	for (unsigned i = IPAM_RELEASE_REQUEST + 1; reason != NULL && i < IPAM_RELEASES; i++)
		if (strcmp(reason, ipam_release_name[i]) == 0)
			return i;
	return IPAM_RELEASE_REQUEST;
}

void meter_change(struct ipam *ipam, const struct change *c, int error)
{
	struct meters *m = &ipam->meters;

	if (c->type == &change_lease_make && error == 0 && c->object.created) {
		atomic_fetch_add(&m->allocations, 1);
		observe(&m->allocation, ipam_latency_bounds, (uint64_t)(meter_now() - c->begun));
	} else if (c->type == &change_lease_make && error < 0) {
		atomic_fetch_add(&m->failures[failure(error, c->queued)], 1);
	} else if (c->type == &change_lease_remove && error == 0) {
		atomic_fetch_add(&m->releases[release(c->reason)], 1);
	} else if (c->type == &change_import && error == 0) {
		for (size_t i = 0; i < c->size; i++)
			if (c->made != NULL && c->made[i] != 0)
				atomic_fetch_add(&m->allocations, 1);
	}
}

void meter_commit(struct ipam *ipam, size_t changes, int64_t begun, int error)
{
	if (error < 0) {
		atomic_fetch_add(&ipam->meters.commit_failures, 1);
		return;
	}
	observe(&ipam->meters.commit, ipam_latency_bounds, (uint64_t)(meter_now() - begun));
	observe(&ipam->meters.batch, ipam_batch_bounds, changes);
}

static void copy(struct meter_histogram *from, const uint64_t *bounds, struct ipam_histogram *to)
{
	to->bounds = bounds;
	for (unsigned i = 0; i <= IPAM_BUCKETS; i++)
		to->count[i] = atomic_load(&from->count[i]);
	to->sum = atomic_load(&from->sum);
}

void ipam_meters(struct ipam *ipam, struct ipam_meters *out)
{
	struct meters *m = &ipam->meters;

	out->allocations = atomic_load(&m->allocations);
	out->commit_failures = atomic_load(&m->commit_failures);
	for (unsigned i = 0; i < IPAM_RELEASES; i++)
		out->releases[i] = atomic_load(&m->releases[i]);
	for (unsigned i = 0; i < IPAM_FAILURES; i++)
		out->failures[i] = atomic_load(&m->failures[i]);
	copy(&m->allocation, ipam_latency_bounds, &out->allocation);
	copy(&m->commit, ipam_latency_bounds, &out->commit);
	copy(&m->batch, ipam_batch_bounds, &out->batch);
	out->history_rows = atomic_load(&ipam->history.rows);
	out->history_expired = atomic_load(&ipam->history.expired);
}
