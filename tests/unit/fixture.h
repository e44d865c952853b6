/* fixture — a database in a directory of its own, and the changes, waited for. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include "ipam.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[96];
	struct ipam *ipam;
};

extern const struct ipam_owner root;

int set_up(void **state);
int tear_down(void **state);
void open_db(struct fixture *f, enum ipam_sync sync);
void reopen(struct fixture *f);

int make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name, uint64_t *id);
int take_away(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name);
int put(struct ipam *ipam, enum ipam_text what, uint64_t id, const char *text, bool append);
int rename_to(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *from, const char *to);
/* "c", with these CIDRs. */
uint64_t make_cluster(struct ipam *ipam, const char *cidrs);
void assert_text(struct ipam *ipam, uint64_t lease, const char *wanted);

#endif
