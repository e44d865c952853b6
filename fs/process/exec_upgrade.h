/* exec_upgrade — from one program to the next in the same process: the descriptors that a supervisor has, across exec. */
#ifndef IPAMFS_EXEC_UPGRADE_H
#define IPAMFS_EXEC_UPGRADE_H

#include "fs/process/mount.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Files by slot; -1: none. */
struct holds {
	int *fd;
	size_t n;
	int most; /* no greater descriptors, so that there are some for all else; 0: any */
};
int holds_put(struct holds *h, uint32_t slot, int fd); /* -ENOMEM, -EMFILE */
void holds_drop(struct holds *h, uint32_t slot);
void holds_free(struct holds *h);

struct handover {
	int keep, lock, socket;
	struct device *device;
	pid_t worker;
	struct holds *holds;
};

/* Remember where this program is and what directory it was started in. Once, at the beginning of main. */
void handover_begin(void);
/* In a process that executes nothing. */
void handover_forget(void);
/* Execute the program that is in this one's place now. Returns, with a line in the log, if it can't: a program that would not
 * take over is found before. */
void handover_execute(const struct handover *h, char **argv);
/* Whether this process is only to say whether it could take over: "handover VERSION" where the options are good. */
bool handover_is_probe(void);
/* Whether this process was another program before. */
bool handover_is_one(void);
/* 1: this process was another program before; 0: it was not; -errno. h->holds is filled. */
int handover_receive(struct handover *h);

#endif
