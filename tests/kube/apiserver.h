/* A stand-in for kube-apiserver, for the tests: nodes, events and leases in memory, with the rules of the real one (1.20 and
 * later) for what is used of it, and an interface of its own, /standin/, to make it do what a real one seldom does.
 *
 * What it doesn't speak it refuses (501), rather than answer something: other kinds, label selectors, dry runs, protobuf,
 * server-side apply. managedFields are not kept. */
#pragma once
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;
struct object;
struct watch;

/* ---- kinds.c: what can be stored */

struct kind {
	const char *group;   /* "" is the core group */
	const char *version; /* "v1" */
	const char *plural;  /* in paths: "nodes" */
	const char *name;    /* "Node" */
	bool namespaced;
	bool unconditional;        /* may be replaced without a resourceVersion */
	bool put_creates;          /* PUT makes what isn't there */
	const char *const *fields; /* what a fieldSelector may name, besides metadata.name and .namespace; ends with NULL */
	/* Give OBJECT the shape in which it is stored. */
	void (*normalise)(json_t *object);
	/* Add to CAUSES what is wrong with OBJECT, which replaces OLD (NULL: is new). */
	void (*validate)(const json_t *object, const json_t *old, json_t *causes);
};

extern const struct kind kinds[];
extern const size_t n_kinds;

/* The string at the dotted path, "" where there is none. */
const char *text_at(const json_t *object, const char *path);
bool is_namespace(const char *name);

void node_normalise(json_t *node);
void node_validate(const json_t *node, const json_t *old, json_t *causes);

/* ---- target.c: what a path means */

struct target {
	const struct kind *kind;
	char namespace_[254]; /* "": cluster-wide, or a list of all namespaces */
	char name[254];       /* "": the collection */
};

/* False: there is no such path. */
bool target_parse(struct target *target, const char *path);

/* ---- a request and its reply */

enum lost { LOST_NOTHING, LOST_REQUEST, LOST_ANSWER };

struct request {
	struct server *server;
	struct MHD_Connection *connection;
	char *uri; /* as it came, with the query */
	const char *method, *path, *query;
	const char *type, *agent; /* Content-Type, User-Agent; "" without */
	char user[128];
	char *body;
	size_t size, room;
	uint64_t at; /* when it came: ms since 1970 */
	bool answered;
};

struct reply {
	unsigned code;
	char *body; /* malloc'd */
	size_t size;
	const char *type;     /* NULL: application/json */
	unsigned retry_after; /* seconds; 0 none */
	struct watch *watch;  /* instead of a body */
	enum lost lost;       /* the connection is closed instead */
	size_t cut;           /* after so many bytes of the body; 0 all */
};

const char *request_arg(const struct request *request, const char *name);
/* Takes VALUE. */
struct reply reply_json(unsigned code, json_t *value);
struct reply reply_object(unsigned code, const struct object *object);

/* ---- status.c: refusals, as metav1.Status */

json_t *status_json(unsigned code, const char *reason, const char *message);
struct reply fail(unsigned code, const char *reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
struct reply fail_named(unsigned code, const char *reason, const struct target *target, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* 422, if CAUSES has any; else code 0. Takes CAUSES. */
struct reply fail_invalid(const struct target *target, json_t *causes);
/* REASON: FieldValueInvalid, FieldValueForbidden, FieldValueRequired, ... */
void add_cause(json_t *causes, const char *field, const char *reason, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The reason that goes with a code. */
const char *reason_of(unsigned code);

/* ---- store.c: the objects and all that ever happened to them */

/* Never changed once it is stored, so it may be read without the lock while it is held by a reference. */
struct object {
	atomic_uint refs;
	const struct kind *kind;
	char *namespace_, *name;
	uint64_t version;
	json_t *json;
	char *text; /* the same with kind and apiVersion, as it is sent */
	size_t size;
};

enum change_type { ADDED, MODIFIED, DELETED };
extern const char *const change_names[];

struct change {
	enum change_type type;
	struct object *object;
	uint64_t at; /* ms since 1970 */
};

/* What a list was when its first page was read. */
struct snapshot {
	uint64_t version;
	const struct kind *kind;
	char namespace_[254];
	struct object **objects;
	size_t n;
};

#define SNAPSHOTS 64

struct store {
	pthread_mutex_t lock;    /* of all here */
	pthread_cond_t changed;  /* a change, or something that watches must see */
	uint64_t version;        /* of the last change */
	uint64_t oldest;         /* a watch may begin here or later */
	struct object **objects; /* by kind, namespace and name */
	size_t n, room;
	struct change *changes; /* all, for ever: /standin/history */
	size_t n_changes, room_changes;
	size_t restored; /* those before it a watch doesn't know */
	struct snapshot snapshots[SNAPSHOTS];
	size_t next_snapshot;
	/* for watches */
	bool stopping, stalled, no_bookmarks, gone_by_code, drop_hard;
	unsigned bookmark_ms, n_watches;
	char **told; /* lines that all watches of Nodes are told, whatever is stored */
	size_t n_told;
	size_t ballast; /* each object of a list has so many bytes more */
	size_t page;    /* no list's page is longer, whatever was asked; 0 no limit */
	uint64_t drops; /* how often all watches were ended */
};

void store_init(struct store *store);
void store_free(struct store *store);
struct object *object_ref(struct object *object);
void object_unref(struct object *object);
/* All with the lock held. store_put takes JSON, gives it the next version, and stores it as what CHANGE says. */
struct object *store_get(const struct store *store, const struct target *target);
struct object *store_put(struct store *store, const struct target *target, json_t *json, enum change_type type);
/* Where the objects of KIND (and of a namespace, unless it is "") begin; *end: where they end. */
size_t store_range(const struct store *store, const struct kind *kind, const char *namespace_, size_t *end);
void store_forget(struct store *store);
const struct snapshot *store_snapshot(struct store *store, const struct kind *kind, const char *namespace_);
const struct snapshot *store_find_snapshot(const struct store *store, const struct target *target, uint64_t version);

/* ---- read.c, write.c, watch.c, select.c: the verbs */

struct reply verb_get(struct request *request, const struct target *target);
struct reply verb_list(struct request *request, const struct target *target);
struct reply verb_watch(struct request *request, const struct target *target);
struct reply verb_create(struct request *request, const struct target *target);
struct reply verb_update(struct request *request, const struct target *target);
struct reply verb_patch(struct request *request, const struct target *target);
struct reply verb_delete(struct request *request, const struct target *target);

/* A watch's stream: a chunk of it, as MHD_ContentReaderCallback says. */
ssize_t watch_read(void *watch, uint64_t at, char *out, size_t size);
void watch_free(void *watch);

struct selector {
	struct {
		char field[64], value[254];
		bool differs;
	} terms[8];
	size_t n;
};
/* Code 0, or the refusal. */
struct reply selector_parse(struct selector *selector, const struct kind *kind, const char *text);
bool selector_fits(const struct selector *selector, const struct object *object);

/* ---- patch.c: what PATCH makes of TARGET, which is changed. False: the patch is none. */

bool patch_merge(json_t **target, const json_t *patch);
bool patch_strategic(json_t **target, const json_t *patch);
/* *message says why not. */
bool patch_json(json_t **target, const json_t *patch, const char **message);

/* ---- auth.c */

struct auth {
	const char *token_file; /* 'TOKEN USER' a line; read anew for every request */
	bool certificates;      /* those that the client CA signed */
};
/* Whose request it is; false: nobody's that is known. */
bool auth_user(const struct auth *auth, struct request *request);

/* ---- rules.c: what /standin/rules makes go wrong */

struct rule {
	struct rule *next;
	unsigned id, code, retry_after, delay, delay_answer;
	long skip, times, hits, held; /* times: -1 for ever */
	size_t cut;
	enum lost lost;
	bool hold_before, hold_after, released;
	char method[16], path[256], query[256], user[128], *text;
};

struct rules {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct rule *first; /* the first that fits is used; those removed while they are held stay until the end */
	unsigned last_id;
	bool stopping;
};

void rules_init(struct rules *rules);
void rules_free(struct rules *rules);
/* The rule for this request, NULL none; it is counted. A rule lives as long as the server. */
struct rule *rules_match(struct rules *rules, const struct request *request);
/* Sleep, or wait for the release. */
void rules_before(struct rules *rules, struct rule *rule);
void rules_after(struct rules *rules, struct rule *rule);
/* For /standin/rules. */
struct reply rules_add(struct rules *rules, const json_t *wanted);
struct reply rules_show(struct rules *rules);
void rules_release(struct rules *rules);
void rules_clear(struct rules *rules);

/* ---- journal.c: the log of requests */

struct entry {
	uint64_t at, done; /* ms since 1970 */
	unsigned code;     /* 0: no answer was sent */
	unsigned rule;     /* which met it; 0 none */
	char method[16], *uri, user[128], *agent, *body;
};

struct journal {
	pthread_mutex_t lock;
	struct entry *entries;
	size_t n, room;
};

void journal_init(struct journal *journal);
void journal_free(struct journal *journal);
void journal_add(struct journal *journal, const struct request *request, unsigned code, const struct rule *rule);
struct reply journal_show(struct journal *journal, const struct request *request);
void journal_clear(struct journal *journal);

/* ---- the whole */

struct server {
	struct store store;
	struct rules rules;
	struct journal journal;
	struct auth auth;
};

uint64_t now_ms(void);
struct reply admin(struct request *request);
/* The pairs of Nodes that had overlapping podCIDRs at one time: /standin/overlaps. */
struct reply overlaps(struct store *store);

/* http.c: NULL with a message on stderr. PORT 0: any. The TLS texts are PEM, NULL for plain HTTP. */
struct MHD_Daemon *http_start(struct server *server, uint16_t *port, const char *certificate, const char *key, const char *client_ca);
void http_stop(struct server *server, struct MHD_Daemon *daemon);
