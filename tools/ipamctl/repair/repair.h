/* repair — what the parts of `ipamctl check --repair` share: the damaged database, the new one, and what is to be told. */
#ifndef IPAMCTL_REPAIR_REPAIR_H
#define IPAMCTL_REPAIR_REPAIR_H

#include "base/cidr.h"
#include "ipamctl/repair/log.h"
#include "ipamctl/repair/report.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A table or an index: what is read by itself. */
enum repair_source {
	CLUSTER,
	CLUSTER_NAME,
	NODE,
	NODE_NAME,
	NODE_ID,
	BLOCK,
	BLOCK_CIDR,
	BLOCK_FIRST,
	BLOCK_LAST,
	BLOCK_NODE,
	LEASE,
	LEASE_NAME,
	LEASE_IP4,
	LEASE_IP6,
	BOOT,
	BOOT_ID,
	NETWORK,
	NETWORK_NAME,
	HISTORY,
	HISTORY_IP4,
	HISTORY_IP6,
	SEQUENCE,
	CIDR,
	RESERVED,
	LABEL,
	XATTR,
	RESTING,
	SETTING,
	LAST,
	ENGINE,
	SOURCES,
};

struct repair {
	sqlite3 *from, *to; /* a copy of the damaged one; the new one */
	sqlite3 *ours;      /* an empty one: how it should look */
	struct repair_log log;
	bool schema_same;
	int64_t size;  /* of the copy */
	int64_t steps; /* that reading may still take */
	bool json, quiet;
	FILE *report;
	uint64_t told[TELLS];
	char **line[TELLS];
	int error;           /* negative errno: the new one could not be written */
	bool whole[SOURCES]; /* read to its end, and in order */
	/* What is known in full, by one of its copies (the table, an index) at least. */
	bool leases, address[CIDR_FAMILIES], blocks, history;
};

/* ipamctl check --repair: a status. */
int repair_run(const char *path, bool json, bool quiet);

#endif
