/* client — does to etcd what it is told, by the library's own client: one command as arguments, or one a line from the input.
 *
 *   client [-a CA] [-c CERT] [-k KEY] [-u USER] [-p PASSWORD] [-t MS] ENDPOINTS [COMMAND [ARGUMENT...]]
 *
 * Each command prints what it found, and then a line: "done RC REVISION MS", or the error: "EHOSTUNREACH MS TEXT". FIRST* is all
 * that begins with FIRST.
 *
 *   range KEY|FIRST*               the keys, as KEY=VALUE@REVISION
 *   count FIRST*                   just how many there are (done COUNT), in order and none twice
 *   txn OPERATION...               ?KEY=REVISION ?FIRST*=REVISION +KEY=VALUE[@LEASE] -KEY -FIRST*
 *   fill FIRST N SIZE [EACH]       N keys with values of SIZE bytes, EACH (default 100) a transaction
 *   churn KEY N SIZE               N revisions of one key
 *   grant SECONDS, keep ID, revoke ID
 *   watch FIRST* FROM N            one watch, until N events have come: +KEY@REVISION, -KEY@REVISION
 *   follow FIRST* FROM N           watch after watch, each from where the last one was told to be
 *   stop MS COMMAND...             the command, while another thread says etcd_stop after MS
 *   race THREADS SECONDS FIRST     threads that create keys, each only if absent: "told N lost N", and a key whose creation was
 *                                  sent twice is a line "wrong: ..."
 *   call PATH JSON                 as it is
 */
#include "etcd.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 256, ENOUGH = 1000000 };

struct client {
	struct etcd *etcd;
	int timeout_ms;
	int64_t revision;
	struct ipam_error error;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct etcd_key key_of(const char *s)
{
	return (struct etcd_key){ s, strlen(s) };
}

/* "FIRST*" or "KEY", in place; end has room for as much. */
static struct etcd_key range_of(char *word, char *end, struct etcd_key *past)
{
	size_t n = strlen(word);

	*past = (struct etcd_key){ 0 };
	if (n > 0 && word[n - 1] == '*') {
		word[--n] = 0;
		*past = (struct etcd_key){ end, etcd_prefix_end(key_of(word), end) };
	}
	return key_of(word);
}

static int usage(struct client *c, const char *what)
{
	snprintf(c->error.text, sizeof c->error.text, "client: '%s' isn't understood", what);
	return -ENOSYS;
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

static int print_kv(void *arg, const struct etcd_kv *kv)
{
	(void)arg;
	printf("%.*s=%.*s@%" PRId64 "\n", (int)kv->key.size, kv->key.data, (int)kv->value.size, kv->value.data, kv->mod_revision);
	return 0;
}

struct count {
	int n;
	char last[256];
};

static int count_kv(void *arg, const struct etcd_kv *kv)
{
	struct count *c = arg;

	if (kv->key.size >= sizeof c->last || strncmp(kv->key.data, c->last, sizeof c->last) <= 0)
		printf("wrong: %s after %s\n", kv->key.data, c->last);
	else
		memcpy(c->last, kv->key.data, kv->key.size + 1);
	c->n++;
	return 0;
}

static int do_range(struct client *c, char **arg, int n)
{
	struct count count = { 0 };
	struct etcd_key past, first;
	bool counting = strcmp(arg[0], "count") == 0;
	char end[256];
	int rc;

	if (n != 2 || strlen(arg[1]) >= sizeof end)
		return usage(c, arg[0]);
	first = range_of(arg[1], end, &past);
	rc = etcd_range(c->etcd, first, past, c->timeout_ms, counting ? count_kv : print_kv, &count, &c->revision, &c->error);
	return rc < 0 ? rc : count.n;
}

static int operation(struct etcd_txn *t, char *word)
{
	char *is = strchr(word, '='), *at, end[256];
	struct etcd_key key, past;
	char what = *word++;

	if (strlen(word) >= sizeof end || (is == NULL && what != '-'))
		return -1;
	if (is != NULL)
		*is++ = 0;
	key = range_of(word, end, &past);
	if (what == '-') {
		etcd_delete(t, key, past);
	} else if (what == '?') {
		etcd_if_revision(t, key, past, atoll(is));
	} else if (what == '+') {
		at = strchr(is, '@');
		if (at != NULL)
			*at++ = 0;
		etcd_put(t, key, key_of(is), at != NULL ? atoll(at) : 0);
	} else {
		return -1;
	}
	return 0;
}

static int do_txn(struct client *c, char **arg, int n)
{
	struct etcd_txn *t = etcd_txn_new();
	int rc = t == NULL ? -ENOMEM : 0;

	for (int i = 1; rc == 0 && i < n; i++)
		if (operation(t, arg[i]) < 0)
			rc = usage(c, arg[i]);
	if (rc == 0)
		rc = etcd_commit(c->etcd, t, c->timeout_ms, print_kv, NULL, &c->revision, &c->error);
	etcd_txn_free(t);
	return rc;
}

/* One key or many, each value as long. */
static int fill(struct client *c, const char *first, bool one_key, int n, size_t size, int each)
{
	char *value = malloc(size + 1);
	int rc = value == NULL ? -ENOMEM : 1;

	for (int i = 0; rc == 1 && i < n;) {
		struct etcd_txn *t = etcd_txn_new();
		char key[256];

		memset(value, 'x', size);
		for (int k = 0; t != NULL && k < each && i < n; k++, i++) {
			snprintf(key, sizeof key, one_key ? "%s" : "%s%06d", first, i);
			etcd_put(t, key_of(key), (struct etcd_key){ value, size }, 0);
		}
		rc = t == NULL ? -ENOMEM : etcd_commit(c->etcd, t, c->timeout_ms, NULL, NULL, &c->revision, &c->error);
		etcd_txn_free(t);
	}
	free(value);
	return rc < 0 ? rc : n;
}

static int do_fill(struct client *c, char **arg, int n)
{
	bool one_key = strcmp(arg[0], "churn") == 0;

	if (n < 4)
		return usage(c, arg[0]);
	return fill(c, arg[1], one_key, atoi(arg[2]), strtoul(arg[3], NULL, 10), n > 4 ? atoi(arg[4]) : one_key ? 1 : 100);
}

/* ---- leases -------------------------------------------------------------------------------------------------------- */

static int do_lease(struct client *c, char **arg, int n)
{
	int rc;

	if (n != 2)
		return usage(c, arg[0]);
	if (strcmp(arg[0], "grant") == 0) {
		int64_t lease = 0;

		rc = etcd_grant(c->etcd, atoll(arg[1]), c->timeout_ms, &lease, &c->error);
		if (rc == 0)
			printf("%" PRId64 "\n", lease);
		return rc;
	}
	return strcmp(arg[0], "keep") == 0 ? etcd_keep_alive(c->etcd, atoll(arg[1]), c->timeout_ms, &c->error) :
					     etcd_revoke(c->etcd, atoll(arg[1]), c->timeout_ms, &c->error);
}

/* ---- watching ------------------------------------------------------------------------------------------------------ */

struct watcher {
	int wanted, have, calls;
	int64_t last;    /* the revision of the last event */
	int64_t told;    /* up to which everything is said to have been told */
};

static int events(void *arg, const struct etcd_kv *kv, size_t n, int64_t revision)
{
	struct watcher *w = arg;

	for (size_t i = 0; i < n; i++) {
		if (kv[i].mod_revision <= w->told)
			printf("wrong: revision %" PRId64 " is told after %" PRId64 " was said to be\n", kv[i].mod_revision, w->told);
		if (kv[i].mod_revision < w->last)
			printf("wrong: revision %" PRId64 " after %" PRId64 "\n", kv[i].mod_revision, w->last);
		w->last = kv[i].mod_revision;
		printf("%c%.*s@%" PRId64 "\n", kv[i].version > 0 ? '+' : '-', (int)kv[i].key.size, kv[i].key.data, kv[i].mod_revision);
	}
	if (revision < w->last)
		printf("wrong: up to %" PRId64 " after an event of %" PRId64 "\n", revision, w->last);
	if (w->calls++ == 0)
		printf("begun\n");
	fflush(stdout);
	w->have += (int)n;
	w->told = revision;
	return w->have >= w->wanted ? ENOUGH : 0;
}

static int do_watch(struct client *c, char **arg, int n)
{
	bool follow = strcmp(arg[0], "follow") == 0;
	struct watcher to = { 0 };
	struct etcd_watch w = { .events = events, .arg = &to };
	int64_t compacted = 0;
	char end[256];
	int rc;

	if (n != 4 || strlen(arg[1]) >= sizeof end)
		return usage(c, arg[0]);
	w.key = range_of(arg[1], end, &w.end);
	w.from = atoll(arg[2]);
	to.wanted = atoi(arg[3]);
	to.told = w.from - 1;
	do {
		rc = etcd_watch(c->etcd, &w, &compacted, &c->error);
		if (follow && rc == -EHOSTUNREACH) {
			printf("again: %s\n", c->error.text);
			fflush(stdout);
			usleep(50000);
		}
		w.from = to.told + 1;
	} while (follow && rc == -EHOSTUNREACH);
	c->revision = rc == -ESTALE ? compacted : to.told;
	if (rc == -ESTALE)
		printf("compacted %" PRId64 "\n", compacted);
	return rc == ENOUGH ? to.have : rc;
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

static int run(struct client *c, char **arg, int n);

struct stopper {
	struct etcd *etcd;
	int ms;
};

static void *stop(void *arg)
{
	struct stopper *s = arg;

	usleep((useconds_t)s->ms * 1000);
	etcd_stop(s->etcd);
	return NULL;
}

static int do_stop(struct client *c, char **arg, int n)
{
	struct stopper s = { c->etcd, n > 2 ? atoi(arg[1]) : 0 };
	pthread_t thread;
	int rc;

	if (n < 3)
		return usage(c, arg[0]);
	pthread_create(&thread, NULL, stop, &s);
	rc = run(c, arg + 2, n - 2);
	pthread_join(thread, NULL);
	return rc;
}

struct racer {
	struct client *client;
	const char *first;
	int number;
	int64_t until;
	int told, lost;
	pthread_t thread;
};

struct own {
	const char *value;
	bool is;
};

static int see_own(void *arg, const struct etcd_kv *kv)
{
	struct own *o = arg;

	o->is |= kv->value.size == strlen(o->value) && memcmp(kv->value.data, o->value, kv->value.size) == 0;
	return 0;
}

/* Each key is its own, tried once: if it isn't created because it was there, the creation was sent twice. */
static void *racer(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; now_ms() < r->until; i++) {
		struct etcd_txn *t = etcd_txn_new();
		char key[256], value[64];
		struct own own = { value, false };
		struct ipam_error error;
		int64_t revision;
		int rc;

		snprintf(key, sizeof key, "%s%d-%d", r->first, r->number, i);
		snprintf(value, sizeof value, "%d:%d", r->number, i);
		etcd_if_revision(t, key_of(key), (struct etcd_key){ 0 }, 0);
		etcd_put(t, key_of(key), key_of(value), 0);
		rc = etcd_commit(r->client->etcd, t, r->client->timeout_ms, see_own, &own, &revision, &error);
		etcd_txn_free(t);
		if (rc == 1)
			r->told++;
		else if (rc == -EHOSTUNREACH)
			r->lost++;
		else if (rc == 0)
			printf("wrong: %s was created by %s\n", key, own.is ? "this, and asked for once more" : "somebody else");
		else
			printf("wrong: %s: %s (%s)\n", key, error.text, strerror(-rc));
	}
	return NULL;
}

static int do_race(struct client *c, char **arg, int n)
{
	int threads = n == 4 ? atoi(arg[1]) : 0, told = 0, lost = 0;
	struct racer *r = calloc((size_t)threads + 1, sizeof *r);

	if (threads <= 0 || r == NULL) {
		free(r);
		return usage(c, arg[0]);
	}
	for (int i = 0; i < threads; i++) {
		r[i] = (struct racer){ .client = c, .first = arg[3], .number = i, .until = now_ms() + atoll(arg[2]) * 1000 };
		pthread_create(&r[i].thread, NULL, racer, &r[i]);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(r[i].thread, NULL);
		told += r[i].told;
		lost += r[i].lost;
	}
	free(r);
	printf("told %d lost %d\n", told, lost);
	return told;
}

/* ---- commands ------------------------------------------------------------------------------------------------------- */

static int do_call(struct client *c, char **arg, int n)
{
	json_t *request = n == 3 ? json_loads(arg[2], 0, NULL) : NULL, *reply = NULL;
	int rc = request == NULL ? usage(c, arg[0]) : etcd_call(c->etcd, arg[1], request, c->timeout_ms, &reply, &c->error);

	if (rc == 0) {
		json_dumpf(reply, stdout, JSON_COMPACT | JSON_SORT_KEYS);
		printf("\n");
	}
	json_decref(request);
	json_decref(reply);
	return rc;
}

static const struct command {
	const char *name;
	int (*run)(struct client *c, char **arg, int n);
} commands[] = {
	{ "range", do_range }, { "count", do_range }, { "txn", do_txn },     { "fill", do_fill },    { "churn", do_fill },
	{ "grant", do_lease }, { "keep", do_lease },  { "revoke", do_lease }, { "watch", do_watch }, { "follow", do_watch },
	{ "stop", do_stop },   { "race", do_race },   { "call", do_call },
};

static int run(struct client *c, char **arg, int n)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(arg[0], commands[i].name) == 0)
			return commands[i].run(c, arg, n);
	return usage(c, arg[0]);
}

static int tell(struct client *c, char **arg, int n)
{
	int64_t begun = now_ms();
	int rc;

	c->revision = 0;
	/* An error without a sentence shows. */
	snprintf(c->error.text, sizeof c->error.text, "wrong: no text");
	rc = run(c, arg, n);
	if (rc < 0)
		printf("%s %" PRId64 " %s\n", strerrorname_np(-rc), now_ms() - begun, c->error.text);
	else
		printf("done %d %" PRId64 " %" PRId64 "\n", rc, c->revision, now_ms() - begun);
	fflush(stdout);
	return rc;
}

static void lines(struct client *c)
{
	char *line = NULL, *word[WORDS], *save;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		int n = 0;

		for (char *w = strtok_r(line, " \n", &save); w != NULL && n < WORDS; w = strtok_r(NULL, " \n", &save))
			word[n++] = w;
		if (n > 0)
			tell(c, word, n);
	}
	free(line);
}

int main(int argc, char **argv)
{
	struct etcd_options options = { 0 };
	struct client c = { .timeout_ms = 4000 };
	int option, rc;

	while ((option = getopt(argc, argv, "+a:c:k:u:p:t:")) != -1)
		switch (option) {
		case 'a': options.tls_ca = optarg; break;
		case 'c': options.tls_cert = optarg; break;
		case 'k': options.tls_key = optarg; break;
		case 'u': options.user = optarg; break;
		case 'p': options.password = optarg; break;
		case 't': c.timeout_ms = atoi(optarg); break;
		default: return 2;
		}
	if (optind == argc)
		return 2;
	options.endpoints = argv[optind++];
	rc = etcd_new(&options, &c.etcd, &c.error);
	if (rc < 0) {
		printf("%s 0 %s\n", strerrorname_np(-rc), c.error.text);
		return 1;
	}
	if (optind < argc)
		rc = tell(&c, argv + optind, argc - optind);
	else
		lines(&c);
	etcd_free(c.etcd);
	return rc < 0;
}
