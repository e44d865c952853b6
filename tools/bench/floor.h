/* floor — the smallest filesystem that can do what a mount of ipamfs is asked to: what no FUSE daemon can beat.
 *
 * Names in memory, the same text in every file, attributes that never change, kept by the kernel for a day. It counts
 * the requests it gets, and shows the counts in the file `.requests` at its root.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "floor_tree.h"

#include <stdatomic.h>
#include <stdint.h>

enum floor_request {
	FLOOR_LOOKUP,
	FLOOR_FORGET, /* inodes, though the kernel hands over many with one request */
	FLOOR_GETATTR,
	FLOOR_SETATTR,
	FLOOR_MKDIR,
	FLOOR_UNLINK,
	FLOOR_RMDIR,
	FLOOR_OPEN,
	FLOOR_READ,
	FLOOR_FLUSH,
	FLOOR_RELEASE,
	FLOOR_OPENDIR,
	FLOOR_READDIR,
	FLOOR_RELEASEDIR,
	FLOOR_CREATE,
	FLOOR_REQUESTS
};

struct floor {
	struct tree tree;
	struct timespec born; /* every time of every file */
	_Atomic uint64_t count[FLOOR_REQUESTS];
};

#endif
