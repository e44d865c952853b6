/* etcd — a client of etcd's v3 JSON gateway (etcd 3.4 and later): keys, transactions, leases, watches.
 *
 * Endpoints are tried in turn, from the one that answered last; who answers none of a call's requests in its time, or answers as
 * etcd doesn't, is passed over. What changes something is sent once a call, over a connection of its own, and no more than so many
 * requests a second are made. Keys and values are bytes here, base64 on the wire. Everything is thread-safe: a call takes a connection of
 * its own from a pool and blocks its thread until it is answered or its time is up. No locks are held meanwhile.
 *
 * Errors, all with a sentence in error->text that names the endpoint:
 *   -EHOSTUNREACH  nobody answered in time: what was asked may or may not have been done
 *   -ECANCELED     etcd_stop was called
 *   -EACCES        the user, password, certificate or permission is refused, or a file of those can't be read
 *   -EREMCHG       this isn't the etcd that it was (etcd_astray): of what changes something it isn't known whether it was done
 *   -EPROTO        the answer isn't etcd's, at any endpoint; nothing was done
 *   -EINVAL        etcd refuses the request as malformed; -ENOSPC its space quota is used up; -ENOMEM
 */
#ifndef IPAM_ETCD_ETCD_H
#define IPAM_ETCD_ETCD_H

#include "ipam.h"

#include <jansson.h>

struct etcd;

/* Strings are copied. */
struct etcd_options {
	const char *endpoints;                   /* "HOST:PORT[,HOST:PORT...]", IPv6 hosts in brackets */
	const char *tls_ca, *tls_cert, *tls_key; /* files, or NULL; any of them: https */
	const char *user, *password_file;        /* or NULL; its first line is read at each login, so that it may change */
};

/* Parses and prepares; nothing is sent. -EINVAL with a message, -ENOMEM. */
int etcd_new(const struct etcd_options *options, struct etcd **out, struct ipam_error *error);
/* No calls may be under way. NULL is fine. */
void etcd_free(struct etcd *e);
/* Every call under way or to come ends with -ECANCELED, soon. */
void etcd_stop(struct etcd *e);

/* One POST of JSON: path is "/v3/kv/txn" and the like; it is sent to the next endpoint if one doesn't answer, as often as
 * timeout_ms has room for. *reply is the caller's. */
int etcd_call(struct etcd *e, const char *path, const json_t *request, int timeout_ms, json_t **reply, struct ipam_error *error);

/* ---- keys ---------------------------------------------------------------------------------------------------- */

struct etcd_key {
	const char *data; /* bytes */
	size_t size;
};
struct etcd_kv {
	struct etcd_key key, value;
	int64_t create_revision, mod_revision, version; /* of a deleted key in a watch: version 0 */
	int64_t lease;
};
/* All keys that begin with `prefix`: `end` as etcd's range_end has it, in a buffer of prefix.size + 1. Returns its size. */
size_t etcd_prefix_end(struct etcd_key prefix, char *end);

/* Every key of [key, end) (end.size 0: the one key) in their order, at one revision, in pages: fn returns 0 to go on; else that
 * is returned. What fn gets is valid until it returns. *revision (may be NULL) is the store's, of which the answer is. */
int etcd_range(struct etcd *e, struct etcd_key key, struct etcd_key end, int timeout_ms, int (*fn)(void *arg, const struct etcd_kv *kv),
	       void *arg, int64_t *revision, struct ipam_error *error);

/* ---- which etcd it is, and how far it has come: as its answers say ------------------------------------------------------ */

struct etcd_identity {
	uint64_t cluster; /* 0: not known yet */
	int64_t revision; /* the largest there was */
};
/* From an answer on that is another cluster's, or of a revision that was passed, the client is astray: what changes something isn't sent
 * (-EREMCHG), and reads go on. what: which answer it was, or NULL. */
bool etcd_astray(struct etcd *e, char *what, size_t size);
void etcd_mark_astray(struct etcd *e, const char *what);
void etcd_expect(struct etcd *e, const struct etcd_identity *id); /* from now on, and no longer astray */
void etcd_saw(struct etcd *e, int64_t revision);                  /* a watch did */
void etcd_known(struct etcd *e, struct etcd_identity *out);
/* What each endpoint says that answers in this time (of each). Other than 0 from fn ends it and is returned; -ENOMEM. */
int etcd_survey(struct etcd *e, struct etcd_key key, int timeout_ms,
		int (*fn)(void *arg, const char *endpoint, const struct etcd_identity *id), void *arg);

/* ---- transactions: if all compares hold, the puts and deletes are done at once; else nothing is, and the keys that were
 * compared are told as they are. At most 128 operations and as many compares. */
enum { ETCD_TXN_MAX = 128 };
struct etcd_txn;
struct etcd_txn *etcd_txn_new(void); /* NULL: no memory. What is added below may fail for want of memory: etcd_commit says so */
void etcd_txn_free(struct etcd_txn *t);
/* The key was last changed at this revision; 0: it isn't there. With end.size > 0: of every key in [key, end) (0: none is). */
void etcd_if_revision(struct etcd_txn *t, struct etcd_key key, struct etcd_key end, int64_t mod_revision);
void etcd_put(struct etcd_txn *t, struct etcd_key key, struct etcd_key value, int64_t lease);
void etcd_delete(struct etcd_txn *t, struct etcd_key key, struct etcd_key end);
size_t etcd_txn_size(const struct etcd_txn *t); /* the larger number */
/* 1: done, 0: a compare failed, then fn (may be NULL) gets each compared key that is there (of a compared range, all in it, 1,000
 * at most). *revision: the store's, with this change if it was done. */
int etcd_commit(struct etcd *e, const struct etcd_txn *t, int timeout_ms, int (*fn)(void *arg, const struct etcd_kv *kv), void *arg,
		int64_t *revision, struct ipam_error *error);

/* ---- leases: keys that go when their owner is gone */
int etcd_grant(struct etcd *e, int64_t seconds, int timeout_ms, int64_t *lease, struct ipam_error *error);
int etcd_keep_alive(struct etcd *e, int64_t lease, int timeout_ms, struct ipam_error *error); /* -ENOENT: it has ended */
int etcd_revoke(struct etcd *e, int64_t lease, int timeout_ms, struct ipam_error *error);

/* ---- watching ---------------------------------------------------------------------------------------------------- */

struct etcd_watch {
	struct etcd_key key, end;
	int64_t from; /* the first revision to be told of */
	/* Events of one or more whole revisions, in their order (n 0: nothing but a sign of life): a deleted key has version 0
	 * and no value. revision: everything up to it has been told. Other than 0 ends the watch and is returned. */
	int (*events)(void *arg, const struct etcd_kv *kv, size_t n, int64_t revision);
	/* Asked several times a second: true ends the watch with -ECANCELED. May be NULL. */
	bool (*stop)(void *arg);
	void *arg;
};
/* Blocks, on one connection to one endpoint (the next at the next call), until that is lost (-EHOSTUNREACH), or -ESTALE: the
 * revision was compacted, *compacted says up to where; a full read is needed. */
int etcd_watch(struct etcd *e, const struct etcd_watch *w, int64_t *compacted, struct ipam_error *error);
/* Whether the member that the watch is on knows what the quorum does: it is asked for a key. One that hangs, or is cut off from
 * the others, keeps a watch open and tells nothing: -EHOSTUNREACH then, and the watch ends with that. -ENOENT: there is no watch.
 * One watch at a time can be asked after. */
int etcd_watch_probe(struct etcd *e, struct etcd_key key, int timeout_ms, struct ipam_error *error);
/* The endpoint of the watch, cut off to fit; "" where there is none. How many watches were begun. */
uint64_t etcd_watching(struct etcd *e, char *out, size_t size);
/* End the watch, with -EHOSTUNREACH: the next one is on another member. */
void etcd_watch_leave(struct etcd *e);

#endif
