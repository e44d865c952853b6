#include "fs/base/options.h"

#include <errno.h>
#include <fuse_opt.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as the kernel has it */

const char options_usage[] = "usage: ipamfs SOURCE MOUNTPOINT [-o OPTION[,OPTION...]] [-f] [-d]\n"
			     "\n"
			     "Mounts an IP address manager: mkdir delegates a block, creating a file allocates an address.\n"
			     "SOURCE is an SQLite file, made if there is none, or etcd://HOST:PORT[,HOST:PORT...]/PREFIX,\n"
			     "which many machines share.\n"
			     "\n"
			     "  -f              stay in the foreground, log to stderr\n"
			     "  -d              the same, and show every request\n"
			     "  -h, --help      this text\n"
			     "  -V, --version   the version\n"
			     "\n"
			     "Options after -o:\n"
			     "  sync=full       an answer means: survives loss of power (the default)\n"
			     "  sync=normal     an answer means: survives any crash of the daemon\n"
			     "  show_control    list the .ipam directories\n"
			     "  history=DAYS    how long the past is kept (30; 0: for ever)\n"
			     "  metrics=nodes   metrics of each node, not of clusters alone\n"
			     "  spool=DIR       where reports too long for memory are while they are open (default /var/tmp)\n"
			     "  keep_after_boot  keep leases whose network namespaces ended with an earlier boot\n"
			     "  insecure_dir    take a database though others may write to it, or in its directory\n"
			     "  watchdog=SECONDS   replace a worker that hangs for so long (60; 0: never)\n"
			     "  resend=no       when a worker dies, fail the requests that it was at, as Linux before 6.9 has it\n"
			     "  allow_other     users other than the one who mounts may use it\n"
			     "  ro              read only\n"
			     "  uid=N gid=N umask=M   what is shown as owner, group and (octal) as mask of the modes\n"
			     "  context=LABEL fscontext=LABEL defcontext=LABEL rootcontext=LABEL   SELinux' labels, for the kernel\n"
			     "  fsname=NAME     the source shown in /proc/mounts\n"
			     "  clear           take off what an ipamfs that died has left mounted there, and end\n"
			     "  mounter=SOCKET  serve what another process mounts, which hands it over there\n"
			     "  mount_for=SOCKET   be that process: mount, hand it over, and end\n"
			     "and what mount(8) and fstab pass.\n"
			     "\n"
			     "With etcd:// after -o also:\n"
			     "  state=FILE      this machine's own part: its leases (SQLite; wanted)\n"
			     "  node=NAME       the node of that name, in each cluster, is this machine's\n"
			     "  leases=hide     don't follow the leases of other machines, their blocks alone\n"
			     "  tls_ca=FILE tls_cert=FILE tls_key=FILE   speak TLS; with a certificate of one's own\n"
			     "  user=NAME password_file=FILE   for etcd's own authentication\n";

static int refuse(struct ipam_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return -EINVAL;
}

static int parse_number(const char *s, int base, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(s, &end, base);
	if (*s < '0' || *s > '9' || *end != 0 || errno != 0 || value > max)
		return -EINVAL;
	*out = (uint32_t)value;
	return 0;
}

static bool in(const char *word, const char *const *list)
{
	while (*list != NULL && strcmp(word, *list) != 0)
		list++;
	return *list != NULL;
}

/* A flag that the kernel or fusermount3 is to know. libfuse wants commas and backslashes in it escaped. */
static int add_flag(struct options *o, const char *flag)
{
	return fuse_opt_add_opt_escaped(&o->flags, flag) < 0 ? -ENOMEM : 0;
}

/* SELinux' labels, for the kernel to judge. */
static bool is_context(const char *word)
{
	static const char *const key[] = { "context=", "fscontext=", "defcontext=", "rootcontext=" };

	for (size_t i = 0; i < sizeof key / sizeof *key; i++)
		if (strncmp(word, key[i], strlen(key[i])) == 0 && word[strlen(key[i])] != 0)
			return true;
	return false;
}

/* "KEY=VALUE" for etcd://: true if it is one of these. */
static bool parse_text(struct options *o, const char *word, int *rc)
{
	const struct {
		const char *key;
		char **to;
	} text[] = {
		{ "state=", &o->state },
		{ "node=", &o->node },
		{ "tls_ca=", &o->tls_ca },
		{ "tls_cert=", &o->tls_cert },
		{ "tls_key=", &o->tls_key },
		{ "user=", &o->user },
		{ "password_file=", &o->password_file },
	};

	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		size_t n = strlen(text[i].key);

		if (strncmp(word, text[i].key, n) != 0 || word[n] == 0)
			continue;
		free(*text[i].to);
		*text[i].to = strdup(word + n);
		*rc = *text[i].to == NULL ? -ENOMEM : 0;
		return true;
	}
	return false;
}

static int set_text(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	return *to == NULL ? -ENOMEM : 0;
}

static int parse_option(struct options *o, const char *word, struct ipam_error *error)
{
	/* Said by mount(8) or fstab, and of no meaning here. */
	static const char *const ignored[] = { "rw",         "defaults", "auto",       "noauto",      "user",
					       "nouser",     "users",    "nofail",     "_netdev",     "atime",
					       "noatime",    "relatime", "norelatime", "strictatime", "lazytime",
					       "nodiratime", "diratime", "async",      "sync",        "default_permissions",
					       "owner",      "group",    "loud",       "silent",      "dev",
					       "suid",       "exec",     "nodev",      "nosuid",      "noexec",
					       NULL };
	static const char *const passed[] = { "dirsync", NULL };
	const char *value = strchr(word, '=');
	int rc = 0;

	if (*word == 0 || in(word, ignored) || strncmp(word, "x-", 2) == 0 || strncmp(word, "comment=", 8) == 0 ||
	    strncmp(word, "subtype=", 8) == 0)
		return 0;
	if (in(word, passed) || is_context(word))
		return add_flag(o, word);
	if (parse_text(o, word, &rc))
		return rc;
	if (strcmp(word, "ro") == 0)
		o->read_only = true;
	else if (strcmp(word, "show_control") == 0)
		o->show_control = true;
	else if (strcmp(word, "keep_after_boot") == 0)
		o->keep_after_boot = true;
	else if (strcmp(word, "insecure_dir") == 0)
		o->insecure_dir = true;
	else if (strcmp(word, "clear") == 0)
		o->clear = true;
	else if (strcmp(word, "allow_other") == 0)
		o->allow_other = true;
	else if (strcmp(word, "sync=full") == 0)
		o->sync = IPAM_SYNC_FULL;
	else if (strcmp(word, "sync=normal") == 0)
		o->sync = IPAM_SYNC_NORMAL;
	else if (strncmp(word, "history=", 8) == 0 && parse_number(value + 1, 10, HISTORY_DAYS_MAX, &o->history_days) == 0)
		;
	else if (strncmp(word, "watchdog=", 9) == 0 && parse_number(value + 1, 10, WATCHDOG_MAX, &o->watchdog) == 0)
		;
	else if (strcmp(word, "resend=no") == 0)
		o->no_resend = true;
	else if (strcmp(word, "resend=yes") == 0)
		o->no_resend = false;
	else if (strcmp(word, "metrics=nodes") == 0)
		o->metrics_nodes = true;
	else if (strcmp(word, "leases=hide") == 0)
		o->remote.hide_leases = true;
	else if (strcmp(word, "leases=follow") == 0)
		o->remote.hide_leases = false;
	else if (strncmp(word, "spool=", 6) == 0 && value[1] != 0)
		return set_text(&o->spool, value + 1);
	else if (strncmp(word, "mounter=", 8) == 0 && value[1] == '/')
		return set_text(&o->mounter, value + 1);
	else if (strncmp(word, "mount_for=", 10) == 0 && value[1] == '/')
		return set_text(&o->mount_for, value + 1);
	else if (strcmp(word, "metrics=clusters") == 0)
		o->metrics_nodes = false;
	else if (strncmp(word, "uid=", 4) == 0 && parse_number(value + 1, 10, UINT32_MAX - 1, &o->uid) == 0)
		o->has_uid = true;
	else if (strncmp(word, "gid=", 4) == 0 && parse_number(value + 1, 10, UINT32_MAX - 1, &o->gid) == 0)
		o->has_gid = true;
	else if (strncmp(word, "umask=", 6) == 0 && parse_number(value + 1, 8, 0777, &o->umask) == 0)
		o->has_umask = true;
	else if (strncmp(word, "fsname=", 7) == 0 && value[1] != 0)
		return set_text(&o->fsname, value + 1);
	else
		return refuse(error, "option '%s' is not known, or not with that value; 'ipamfs --help' lists them", word);
	return 0;
}

/* The next word, whose commas between double quotes are its own: a label has them. */
static char *next_word(char **rest)
{
	char *word = *rest, *end = word;
	bool quoted = false;

	if (word == NULL)
		return NULL;
	for (; *end != 0 && (quoted || *end != ','); end++)
		quoted ^= *end == '"';
	*rest = *end == 0 ? NULL : end + 1;
	*end = 0;
	return word;
}

static int parse_list(struct options *o, const char *list, struct ipam_error *error)
{
	char *copy = strdup(list), *rest = copy, *word;
	int rc = copy == NULL ? -ENOMEM : 0;

	while (rc == 0 && (word = next_word(&rest)) != NULL)
		rc = parse_option(o, word, error);
	free(copy);
	return rc;
}

/* The daemon leaves its directory, so names are made absolute first; the file need not exist yet. The directory's own name has no links in
 * it, so that what leads out of it can be taken off, and nothing depends on a directory that the file isn't in. */
static char *absolute(const char *path)
{
	char *cwd, *out = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	while (cwd != NULL && path[0] == '.' && (path[1] == '/' || strncmp(path, "../", 3) == 0)) {
		if (path[1] == '.')
			*strrchr(cwd, '/') = 0;
		if (cwd[0] == 0)
			strcpy(cwd, "/");
		path = strchr(path, '/');
		path += strspn(path, "/");
	}
	if (cwd != NULL && asprintf(&out, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path) < 0)
		out = NULL;
	free(cwd);
	return out;
}

/* Of a file that isn't there yet; or as it is, where its directory isn't either. Takes over the name. */
static char *in_real_directory(char *path)
{
	char *slash = strrchr(path, '/'), *directory, *out = NULL;

	*slash = 0;
	directory = realpath(path[0] == 0 ? "/" : path, NULL);
	*slash = '/';
	if (directory == NULL)
		return path;
	if (asprintf(&out, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, slash + 1) < 0)
		out = NULL;
	free(directory);
	free(path);
	return out;
}

/* A database's own name, by which it is known from then on, whatever links lead there: its log lies beside the file itself. One that isn't
 * there yet is made by the name that a link says. */
static char *resolved(const char *path)
{
	char *full = absolute(path), *name = full == NULL ? NULL : realpath(full, NULL), target[PATH_MAX];

	for (int links = 0; full != NULL && name == NULL && errno == ENOENT && links < LINKS_MAX; links++) {
		ssize_t n = readlink(full, target, sizeof target - 1);
		char *next = NULL;

		if (n < 0)
			break;
		target[n] = 0;
		if (target[0] != '/' && asprintf(&next, "%.*s/%s", (int)(strrchr(full, '/') - full), full, target) < 0)
			next = NULL;
		free(full);
		full = target[0] == '/' ? strdup(target) : next;
		name = full == NULL ? NULL : realpath(full, NULL);
	}
	if (name != NULL || full == NULL) {
		free(full);
		return name;
	}
	return in_real_directory(full);
}

/* ---- etcd:// ------------------------------------------------------------------------------------------------------- */

/* A file, which is read when it is needed, again and again: nobody may have to wait at the other end. */
static int check_readable(const char *path, struct ipam_error *error)
{
	struct stat st;

	if (path == NULL)
		return 0;
	if (access(path, R_OK) < 0 || stat(path, &st) < 0)
		return refuse(error, "%s: %s", path, strerror(errno));
	return S_ISREG(st.st_mode) ? 0 : refuse(error, "%s: not a regular file", path);
}

/* It is read when it is needed, again and again; here only so that a wrong name is told at once. */
static int check_password(const struct options *o, struct ipam_error *error)
{
	FILE *f = fopen(o->password_file, "re");
	int first = f == NULL ? 0 : fgetc(f), rc = 0;

	if (f == NULL || first == EOF)
		rc = refuse(error, "%s: %s", o->password_file, f == NULL ? strerror(errno) : "no password in it");
	if (f != NULL)
		fclose(f);
	return rc;
}

static int make(char *(*by)(const char *path), char **path)
{
	char *full = *path == NULL ? NULL : by(*path);

	if (*path == NULL)
		return 0;
	free(*path);
	*path = full;
	return full == NULL ? -ENOMEM : 0;
}

static int parse_engine(struct options *o, const char *source, struct ipam_error *error)
{
	const char *hosts = source + strlen("etcd://"), *slash = strchr(hosts, '/');
	char **file[] = { &o->tls_ca, &o->tls_cert, &o->tls_key, &o->password_file };
	int rc;

	if (slash == NULL || slash[strspn(slash, "/")] == 0)
		return refuse(error, "'%s': a prefix is wanted, etcd://HOST:PORT/PREFIX", source);
	if (o->state == NULL)
		return refuse(error, "etcd:// wants -o state=FILE: where this machine's own leases are kept");
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return refuse(error, "tls_cert and tls_key go together");
	if ((o->user == NULL) != (o->password_file == NULL))
		return refuse(error, "user and password_file go together");
	rc = make(resolved, &o->state);
	for (size_t i = 0; rc == 0 && i < sizeof file / sizeof *file; i++)
		rc = make(absolute, file[i]);
	if (rc == 0)
		rc = check_readable(o->password_file, error);
	if (rc == 0 && o->password_file != NULL)
		rc = check_password(o, error);
	if (rc == 0)
		rc = check_readable(o->tls_ca, error);
	if (rc == 0)
		rc = check_readable(o->tls_cert, error);
	if (rc == 0)
		rc = check_readable(o->tls_key, error);
	o->endpoints = strndup(hosts, (size_t)(slash - hosts));
	o->prefix = strdup(slash);
	if (rc == 0 && (o->endpoints == NULL || o->prefix == NULL))
		rc = -ENOMEM;
	o->remote.endpoints = o->endpoints;
	o->remote.prefix = o->prefix;
	o->remote.node = o->node;
	o->remote.tls_ca = o->tls_ca;
	o->remote.tls_cert = o->tls_cert;
	o->remote.tls_key = o->tls_key;
	o->remote.user = o->user;
	o->remote.password_file = o->password_file;
	return rc;
}

static int check_alone(const struct options *o, struct ipam_error *error)
{
	if (o->state != NULL || o->node != NULL || o->tls_ca != NULL || o->tls_cert != NULL || o->tls_key != NULL || o->user != NULL ||
	    o->password_file != NULL || o->remote.hide_leases)
		return refuse(error, "state, node, leases, tls_*, user and password_file go with etcd://");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct ipam_error *error)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, rc = 0;

	*o = (struct options){ .sync = IPAM_SYNC_FULL, .history_days = HISTORY_DAYS, .watchdog = WATCHDOG };
	opterr = 0;
	while (rc == 0 && (c = getopt_long(argc, argv, "o:fdhV", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			rc = parse_list(o, optarg, error);
			break;
		case 'd':
			o->debug = true;
			o->foreground = true;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 'h':
			o->help = true;
			return 0;
		case 'V':
			o->version = true;
			return 0;
		default:
			return refuse(error, "'%s' is not known, or wants a value; 'ipamfs --help' lists the options", argv[optind - 1]);
		}
	}
	if (rc < 0)
		return rc;
	if (argc - optind != 2)
		return refuse(error, "a source and a mount point are needed: ipamfs SOURCE MOUNTPOINT");
	rc = strncmp(argv[optind], "etcd://", 7) == 0 ? parse_engine(o, argv[optind], error) : check_alone(o, error);
	if (rc < 0)
		return rc;
	if (o->spool == NULL)
		o->spool = strdup("/var/tmp");
	if (o->spool == NULL || make(absolute, &o->spool) < 0)
		return -ENOMEM;
	o->source = o->endpoints != NULL ? strdup(argv[optind]) : resolved(argv[optind]);
	o->mountpoint = realpath(argv[optind + 1], NULL);
	if (o->mountpoint == NULL)
		return refuse(error, "%s: %s; make the directory first", argv[optind + 1], strerror(errno));
	return o->source == NULL ? -ENOMEM : 0;
}

void options_free(struct options *o)
{
	free(o->state);
	free(o->endpoints);
	free(o->prefix);
	free(o->node);
	free(o->tls_ca);
	free(o->tls_cert);
	free(o->tls_key);
	free(o->user);
	free(o->password_file);
	free(o->source);
	free(o->mountpoint);
	free(o->fsname);
	free(o->mounter);
	free(o->mount_for);
	free(o->spool);
	free(o->flags);
}
