/* story — machines that share the etcd of fake_etcd, each with a state file of its own, all in this process. */
#ifndef TESTS_STORY_H
#define TESTS_STORY_H

#include "by_hand.h"
#include "fake_etcd.h"
#include "fixture.h"

enum { STORY_MACHINES = 3, STORY_WAIT_S = 20 };

struct machine {
	char name[16], endpoints[64], dir[64], path[96];
	const char *user, *password_file;
	struct ipam *ipam; /* NULL: it is down */
	char *log;         /* what it said, a line each */
	pthread_mutex_t lock;
};
struct story {
	struct machine machine[STORY_MACHINES];
};

int story_begin(void **state);
int story_end(void **state);
/* A machine whose nodes go by this name, "w1"; up again, if it was there before. */
struct ipam *story_up(struct story *s, const char *name);
int story_try(struct story *s, const char *name, struct ipam_error *error); /* the same, and what ipam_open said */
/* w1, and its cluster "c" with room for two nodes, whose names all fall on the first block. */
struct ipam *story_one(struct story *s);
/* And w1's node, w2 beside it; what came before isn't told. */
struct ipam *story_two(struct story *s, struct ipam **w2);
struct machine *story_machine(struct story *s, const char *name);
void story_down(struct story *s, const char *name); /* as at a shutdown */
bool story_said(struct story *s, const char *name, const char *what);

/* Waits, and fails where it takes too long. */
void story_mirrored(struct story *s); /* all that are up and not held have all that etcd has */
void story_until_lines(size_t n);     /* so many lines of the trace, from the beginning on */
void story_until_said(struct story *s, const char *name, const char *what);
void story_until(bool (*is)(void *arg), void *arg);

/* "w1": its node in cluster "c", as ids; 0: it isn't there. */
uint64_t story_cluster(struct ipam *ipam);
uint64_t story_node(struct ipam *ipam, const char *name);
/* Makes a lease there, and says where: "10.0.0.1/24", or the error. */
const char *story_lease(struct ipam *ipam, const char *node, const char *name, char text[64]);
const char *story_blocks(struct ipam *ipam, const char *node, char text[256]);
/* All that is leased in a node: "NAME=ADDRESS NAME=ADDRESS". */
const char *story_leases(struct ipam *ipam, const char *node, char text[1024]);
void story_audit(struct ipam *ipam); /* says what it finds */
void assert_story(const char *expected);

/* What is begun, and waited for later. */
struct ipam_wait *begin_make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name);
struct ipam_wait *begin_remove(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name);
int force(struct ipam *ipam, uint64_t cluster, const char *name);

#endif
