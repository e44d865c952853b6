/* soak — 64 clients do everything at once through a mount whose daemon is killed meanwhile, against a model of what each was
 * promised: an address is one lease's at a time, and what was acknowledged is there until it is given back.
 */
#ifndef TESTS_SOAK_H
#define TESTS_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { NODES = 6, SLOTS = 8, TEXT = 160, PATH = 512 };

/* ---- all there is to share */
struct soak {
	const char *mount, *cluster; /* the cluster's directory */
	bool strict;                 /* no error is forgiven while the daemon is away: somebody stands in for it */
	atomic_uint epoch;           /* odd while the daemon is away */
	atomic_bool stop;
	_Atomic uint64_t done, refused, unknown, violations;
	_Atomic uint64_t counted[16];
};
extern struct soak soak;

/* Something was not as promised. */
void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- who was promised an address (promise.c) */
struct address {
	bool has[2];
	uint32_t v4; /* of 10.0.0.0/8 */
	uint32_t v6; /* fd00:0:0:SSSS::HHHH as SSSSHHHH */
};
/* From a lease's text; false: it isn't one. */
bool address_parse(const char *text, struct address *out);
bool address_same(const struct address *a, const struct address *b);
/* It was given to `who` (not 0): a violation if it is another's. before: since which epoch it is known to be so. */
void promise_take(const struct address *a, unsigned who);
/* He is about to give it back, or it may be gone. */
void promise_drop(const struct address *a, unsigned who);

/* ---- single calls (call.c): 0 or a descriptor, a negative errno, or UNKNOWN: the daemon went away meanwhile */
enum { UNKNOWN = -9999 };
int call_open(const char *path, int flags, mode_t mode);
int call_unlink(const char *path);
int call_rename(const char *from, const char *to);
int call_mkdir(const char *path);
int call_rmdir(const char *path);
int call_write(int fd, const char *text);
int call_setxattr(const char *path, const char *name, const void *value, size_t size);
int call_touch(const char *path);
/* The whole of a small file, NUL-terminated: bytes, or as above. */
int call_read(const char *path, char *out, size_t room);
/* Waits for the daemon, if it is away. */
void call_wait(void);
/* Is it there, and what is in it: as often as it takes to know. 0, or -ENOENT. */
int look(const char *path, char *out, size_t room);

/* ---- a client (client.c): runs until soak.stop, then looks once more */
void *client_run(void *number);

#endif
