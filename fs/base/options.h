/* options — the command line and what mount(8) passes. Parsed once, read-only after. */
#ifndef IPAMFS_OPTIONS_H
#define IPAMFS_OPTIONS_H

#include "ipam.h"

enum { HISTORY_DAYS = 30, HISTORY_DAYS_MAX = 36500, WATCHDOG = 60, WATCHDOG_MAX = 86400 };

struct options {
	char *source;              /* absolute, or etcd://... */
	char *state;               /* absolute; of etcd's: the file with this machine's part, else NULL */
	struct ipam_remote remote; /* endpoints NULL: none; its strings are those below */
	char *endpoints, *prefix, *node, *tls_ca, *tls_cert, *tls_key, *user, *password_file;
	char *mountpoint; /* absolute */
	bool foreground, debug, help, version;
	bool keep_after_boot, insecure_dir;
	uint32_t history_days; /* 0: for ever */
	bool metrics_nodes;    /* metrics of each node too */
	uint32_t watchdog;     /* seconds after which a worker that doesn't move is replaced; 0: never */
	bool no_resend;        /* a killed worker's requests are refused, not asked for again */
	bool show_control, allow_other, read_only;
	enum ipam_sync sync;
	bool has_uid, has_gid, has_umask; /* what getattr shows instead */
	uint32_t uid, gid, umask;
	char *fsname;
	bool clear;      /* take a dead ipamfs off the mount point, and no more */
	char *mounter;   /* absolute: the socket where another process hands over the mount; or NULL */
	char *mount_for; /* the same, and this is that process */
	char *spool;     /* absolute: where long reports are kept while they are open */
	char *flags;     /* for the kernel: "nosuid,nodev", or NULL */
};

/* 0, or -EINVAL with a message in error. */
int options_parse(struct options *o, int argc, char **argv, struct ipam_error *error);
void options_free(struct options *o);
extern const char options_usage[];

#endif
