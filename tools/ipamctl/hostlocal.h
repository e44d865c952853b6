/* hostlocal — the directory that the CNI plugin host-local keeps for a network: a file an address. */
#ifndef IPAMCTL_HOSTLOCAL_H
#define IPAMCTL_HOSTLOCAL_H

#include "base/cidr.h"

#include <stddef.h>
#include <stdint.h>

/* A file: "ID", or "ID CRLF IFNAME" since host-local 0.8. */
struct hl_entry {
	uint8_t family;
	u128 addr;
	char *id, *ifname; /* ifname NULL: not told */
};

struct hl_skipped {
	char *file;
	const char *why;
};

struct hl_directory {
	int lock; /* descriptor, locked as host-local locks it; -1: there is no lock file */
	struct hl_entry *entry;
	size_t entries;
	struct hl_skipped *skipped;
	size_t skips;
};

/* Can it be a word of its files, a container's id or an interface's name? */
bool hl_is_word(const char *s);
/* Read it whole, sorted by id, interface and address: a status. To be freed in any case; the lock is held until then. */
int hl_read(const char *path, struct hl_directory *out);
enum { HL_CONTENT_MAX = 4096 };
/* The content of one file, which has size bytes and a NUL behind them, and is cut up: a status. */
int hl_take(struct hl_directory *d, const char *file, uint8_t family, u128 addr, char *text, size_t size);
/* Its interface; eth0 where none is told. */
const char *hl_ifname(const struct hl_entry *e);
void hl_free(struct hl_directory *d);

#endif
