/* ctl — what the commands of ipamctl share. Exit status: 0 done, 1 findings or refused, 2 usage. */
#ifndef IPAMCTL_CTL_H
#define IPAMCTL_CTL_H

#include "cidr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2 };

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name */
	const char *summary;               /* a line for the list */
	const char *usage;                 /* whole, from "usage:" on */
	bool changes;                      /* what there is: not to be suggested to one who may only want to look */
};

extern const struct command command_init, command_check, command_import, command_export, command_gc, command_history, command_du,
	command_find, command_backup, command_top, command_node, command_upgrade;

/* "ipamctl: ..." on stderr, printable whatever is in it (core/printable.h); returns the status given. */
int ctl_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Can it be a word of host-local's files, a container's id or an interface's name? */
bool ctl_is_word(const char *s);
/* The word nearest to a mistyped one, or NULL where none is near. words ends with NULL. */
const char *ctl_suggest(const char *word, const char *const *words);
/* Are they the same but for a letter? */
bool ctl_is_slip(const char *word, const char *meant);
/* Of "%llu lease%s". */
#define CTL_COUNT(n) (unsigned long long)(n), (n) == 1 ? "" : "s"
/* As fprintf(3), of a line or a part of one: printable whatever is in it. What others wrote goes through this, or is JSON in ASCII. */
void ctl_say(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A text that may hold anything, on stdout. */
void ctl_print(const char *s);
struct option;
/* As getopt_long, for long options alone: says what is wrong with one (and gives '?'), with what may have been meant. */
int ctl_option(int argc, char **argv, const struct option *longs);
/* With short ones too, which begin with a colon. */
int ctl_options(int argc, char **argv, const char *shorts, const struct option *longs);
/* A negative errno that says that the mount has ended: what is asked next gets the same. */
bool ctl_mount_ended(int error);
/* The database of a mount, for a directory that is one: true, and its path. */
bool ctl_mount_source(const char *directory, char out[4096]);

/* ---- where a command works (target.c) */
enum { TARGET_MOUNT = 1000, TARGET_CLUSTER, TARGET_NODE };
#define TARGET_OPTIONS                                                                                                                     \
	{ "mount", required_argument, NULL, TARGET_MOUNT }, { "cluster", required_argument, NULL, TARGET_CLUSTER },                        \
	{                                                                                                                                  \
		"node", required_argument, NULL, TARGET_NODE                                                                               \
	}
struct target {
	const char *mount, *cluster, *node;
	char *path, *cluster_path; /* of the node's directory, of the cluster's */
	char cluster_name[256], node_name[256];
};
/* --mount's value, or where a mount is by default. */
const char *target_mount(const char *said);
/* Takes an option if it is one of these. */
bool target_option(struct target *t, int option, const char *value);
/* Fill in what wasn't said and see that it is there: a status, with the message given. */
int target_find(struct target *t);
void target_free(struct target *t);

struct names {
	char **name;
	size_t n, room;
};
/* The names of the leases of the node that t->path is; to be freed in any case. */
int target_leases(const struct target *t, struct names *out);
/* Those in any directory, added to what is there. */
int names_read(const char *path, bool directories, struct names *out);
void names_free(struct names *n);
/* "MESSAGE; did you mean 'NAME'?" where a name is near to what was said, or else MESSAGE and otherwise. CTL_REFUSED. */
int names_missing(const struct names *names, const char *name, const char *message, const char *otherwise);

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

/* A bar on stderr, if that is a terminal; otherwise nothing. total 0: not known. */
struct progress {
	const char *what;
	uint64_t total, done;
	int64_t begun, shown; /* monotonic, nanoseconds */
	bool on;
};
void progress_begin(struct progress *p, const char *what, uint64_t total, bool wanted);
void progress_step(struct progress *p);
void progress_to(struct progress *p, uint64_t done);
void progress_end(struct progress *p);

#endif
