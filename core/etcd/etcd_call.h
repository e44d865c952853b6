/* etcd_call — what the files of the client share. */
#ifndef IPAM_ETCD_ETCD_CALL_H
#define IPAM_ETCD_ETCD_CALL_H

#include "etcd/etcd.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { ETCD_ENDPOINTS = 16, ETCD_DEAD_MS = 6000, ETCD_IDLE = 8, ETCD_CONNECT_MS = 1000, ETCD_REPLY_MAX = 64 << 20 };
/* Requests a second that a machine may make, and how many it may save up. */
enum { ETCD_RATE = 500, ETCD_BURST = 500 };

struct etcd_answer {
	long status; /* HTTP's */
	char *data;  /* the caller's to free, after an error too */
	size_t size;
	bool sent; /* it may have reached the server */
};

/* Who gets what comes of a stream. */
struct etcd_sink {
	int (*take)(void *arg, const char *data, size_t n); /* other than 0 ends it */
	bool (*stop)(void *arg);                            /* asked several times a second */
	void *arg;
};

/* How requests get to an endpoint and answers back: by HTTP (etcd_curl.h), or as a test has it. All errors are those of a transfer:
 * -EHOSTUNREACH, -ECANCELED, -EACCES (TLS), -EPROTO (too long), -ENOMEM. */
struct etcd_transport {
	/* A POST of JSON. alone: over a connection of its own, and once, whatever happens. */
	int (*post)(struct etcd *e, const char *endpoint, const char *path, const char *body, int64_t timeout_ms, bool alone,
		    struct etcd_answer *answer, struct ipam_error *error);
	/* One whose answer goes on until the server ends it (0), or sink or etcd_stop do (-ECANCELED, without a text). */
	int (*stream)(struct etcd *e, const char *endpoint, const char *path, const char *body, const struct etcd_sink *sink, long *status,
		      struct ipam_error *error);
};
extern const struct etcd_transport *etcd_transport; /* of the clients that are made from now on */

struct etcd {
	const struct etcd_transport *transport;
	char *endpoint[ETCD_ENDPOINTS]; /* "https://host:port" */
	size_t endpoints;
	_Atomic size_t current; /* the one that answered last */
	char *tls_ca, *tls_cert, *tls_key;
	char *user, *password_file;
	_Atomic bool stop;
	_Atomic uint64_t cluster; /* as etcd_identity has them */
	_Atomic int64_t revision;
	_Atomic bool astray;
	char strange[256];       /* under the lock: why */
	pthread_mutex_t lock;    /* the rest; nothing is waited for while it is held */
	char *token;             /* of the user, NULL: none yet */
	uint64_t watches, watch; /* how many there were, and the number of the watch that runs; 0: none does */
	size_t watched;          /* the endpoint that it is on */
	size_t strangers;        /* how many watches in a row were answered by what isn't etcd; the watch's alone */
	_Atomic uint64_t left;   /* the last watch that is to end, since nothing is to be heard there */
	CURL *idle[ETCD_IDLE];   /* with their connections */
	size_t idles;
	int64_t turn_us; /* when the next request may be made; less than now where some are saved up */
};

#define ETCD_LOGIN "/v3/auth/authenticate"

/* As etcd_call, once, of the one endpoint. */
int etcd_call_at(struct etcd *e, size_t endpoint, const char *path, const json_t *request, int timeout_ms, json_t **reply,
		 struct ipam_error *error);
/* Get a token, where there is a user: 0 or as etcd_call. refused: the one that was. */
int etcd_login(struct etcd *e, const char *refused, int timeout_ms, struct ipam_error *error);
char *etcd_token(struct etcd *e); /* a copy, or NULL */
/* Look at the header of an answer. known: the revision when it was asked for. */
void etcd_identify(struct etcd *e, const char *endpoint, const char *path, int64_t known, const json_t *reply);
/* The turn of a request: when it may be made, as etcd_now_ms. One that would be later than `until` isn't taken. */
int64_t etcd_turn(struct etcd *e, int64_t now, int64_t until);

int64_t etcd_now_ms(void); /* monotonic */
int etcd_fail(struct ipam_error *error, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What etcd's own error says: {"error" or "message": ..., "code": N} in a reply of this HTTP status. */
int etcd_refusal(const char *endpoint, long status, const json_t *reply, struct ipam_error *error);
/* Whether another endpoint may do what this one didn't, which doesn't answer, or isn't etcd, or has another certificate. */
bool etcd_is_for_next(int rc, const struct ipam_error *error);

/* 64-bit numbers come as strings, and 0 not at all. */
int64_t etcd_int(const json_t *o, const char *key);
/* base64, as a JSON string; and back, *out the caller's to free, with a NUL at its end. -EPROTO, -ENOMEM. */
json_t *etcd_base64(const char *data, size_t size);
int etcd_unbase64(const json_t *o, const char *key, char **out, size_t *size);
/* A key and a value of an answer; etcd_kv_free frees what they hold. */
int etcd_kv_parse(const json_t *o, struct etcd_kv *out);
void etcd_kv_free(struct etcd_kv *kv);

#endif
