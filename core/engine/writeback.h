/* writeback — attributes and times of leases that are written after the answer. All under the lock of struct ipam, for changing. */
#ifndef IPAM_ENGINE_WRITEBACK_H
#define IPAM_ENGINE_WRITEBACK_H

#include "ipam.h"

struct lease;
struct xattr;

struct behind {
	struct behind_mark {
		uint64_t lease;
		struct ipam_by by; /* who changed attributes last */
	} * mark;                  /* leases with attributes or times to be written */
	size_t count, size;
	uint64_t marks, stored; /* that there ever were, and of which all is stored */
};

struct behind_row {
	uint64_t id;
	uint32_t handle;
	struct ipam_attr attr;
	uint32_t generation;
	bool described; /* not times alone */
	struct ipam_by by;
	struct xattr *xattr; /* copies */
};
/* Room for one more mark, so that behind_mark can't fail. -ENOMEM. */
int behind_room(struct ipam *ipam);
/* by: who changed attributes; NULL: only times are new. */
void behind_mark(struct ipam *ipam, struct lease *l, const struct ipam_by *by);
/* Take what is marked, as copies. *rows is the caller's: behind_free. -ENOMEM: all stays marked. */
int behind_take(struct ipam *ipam, struct behind_row **rows, size_t *n);
int behind_store(struct ipam *ipam, const struct behind_row *rows, size_t n);
/* They could not be stored: mark them again, and remember the failure for sync. */
void behind_again(struct ipam *ipam, const struct behind_row *rows, size_t n);
/* All is stored that was marked up to here. By who commits. */
void behind_stored(struct ipam *ipam, uint64_t marks);
/* What options.lost says, of the leases that there are. At open. */
void behind_lost(struct ipam *ipam);
void behind_free(struct behind_row *rows, size_t n);

#endif
