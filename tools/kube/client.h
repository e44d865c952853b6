/* client — requests to the API server.
 *
 * A client is shared by threads: server, credentials, limit. Each thread asks through a connection of its own, which is kept alive.
 */
#ifndef IPAMKUBE_CLIENT_H
#define IPAMKUBE_CLIENT_H

#include "config.h"
#include "halt.h"
#include "lines.h"
#include "sieve.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct client;
struct conn;

/* Takes the configuration over. qps 0: no limit. NULL: no memory. */
struct client *client_new(struct config *config, double qps, double burst);
void client_free(struct client *c);

/* What waits in it gives up (-ECANCELED) when halt is set. NULL: no memory. */
struct conn *conn_new(struct client *c, const struct halt *halt);
void conn_free(struct conn *c);

struct call {
	const char *method; /* GET, POST, PUT, PATCH, DELETE */
	const char *path;   /* from the server's root, with its query */
	const char *type;   /* of the body; NULL: application/json */
	const json_t *body; /* or NULL */
	int64_t timeout_ms;
	bool urgent; /* past the limit */
	/* What is kept of an answer with status 200, as of sieve.h; NULL: all. take: of a list, whose kind is `kind`. */
	const char *const *wanted;
	sieve_take *take;
	void *arg;
	const char *kind;
};

struct answer {
	long status;      /* of HTTP; 0: none came */
	json_t *json;     /* or NULL */
	int64_t retry_ms; /* as Retry-After has it, or 0 */
	char error[512];  /* for people, where it isn't 2xx */
};

/* A body is sent once: whoever asks knows of each request that may have changed something. 0 with an answer, whatever its status is. Without one: -EHOSTUNREACH (it may have been done all the same), -EACCES (TLS),
 * -ECANCELED, -EMSGSIZE, -ENOMEM. Give `out` to answer_free in any case. */
int conn_call(struct conn *c, const struct call *call, struct answer *out);
/* A GET whose answer comes a line at a time; where the status isn't 200, the answer as of conn_call. 0 when the stream has ended,
 * what take said, or as above. */
int conn_stream(struct conn *c, const char *path, int64_t timeout_ms, lines_take *take, void *arg, struct answer *out);
void answer_free(struct answer *a);
/* Waits until the limit lets another request be made, which is then an urgent one. -ECANCELED. */
int conn_turn(struct conn *c);

/* VALUE for a query or a path's part: *out is to be freed; NULL: no memory. */
char *client_escape(const char *value);

#endif
