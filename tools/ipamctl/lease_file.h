/* lease_file — what a lease's file tells. */
#ifndef IPAMCTL_LEASE_FILE_H
#define IPAMCTL_LEASE_FILE_H

#include "base/cidr.h"
#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a lease's file tells (lease_file.c). Attributes that aren't there are empty. */
enum { LEASE_FILE_VALUE = 4097 }; /* an attribute and its NUL: a lease holds no more */
struct lease_file {
	uint32_t generation; /* read first */
	uint64_t id;         /* the inode number, which no other lease ever has */
	int64_t changed;     /* seconds since the epoch: when it was made, renewed or described last */
	char container[LEASE_FILE_VALUE], ifname[LEASE_FILE_VALUE], netns[LEASE_FILE_VALUE], network[LEASE_FILE_VALUE],
		pod[LEASE_FILE_VALUE];
	bool has[CIDR_FAMILIES];
	u128 addr[CIDR_FAMILIES];
};
int lease_file_read(const struct target *t, const char *name, struct lease_file *out); /* -errno */
/* "10.244.0.2 fd00::2" */
void lease_file_addresses(const struct lease_file *l, char *out, size_t room);

#endif
