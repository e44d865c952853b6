/* follow — the Nodes of the API, listed whole and then watched: the Kubernetes API's "efficient detection of changes".
 *
 * One thread's. Items and changes go to callbacks, which borrow what they are given: what is wanted of a Node (node.h), as it comes, so
 * that a list of any length takes the room of one.
 */
#ifndef IPAMKUBE_FOLLOW_H
#define IPAMKUBE_FOLLOW_H

#include "client.h"

enum follow_change { FOLLOW_ADDED, FOLLOW_MODIFIED, FOLLOW_DELETED };

struct follow {
	struct conn *conn;
	const char *path;   /* "/api/v1/nodes" */
	const char *kind;   /* of the list: "NodeList" */
	const char *query;  /* more of it, escaped, beginning with &; "" */
	int64_t timeout_ms; /* of a request, not of a watch */
	void *arg;
	void (*item)(void *arg, const json_t *object);
	void (*change)(void *arg, enum follow_change what, const json_t *object);

	/* its own */
	char *version;        /* of what is known */
	struct answer answer; /* of the last request: what went wrong */
	int64_t retry_ms;
	bool went_back; /* the last list is older than what was known: the server was restored, or is another one */
};

/* All of it. 0; -ESTALE: it changed too much on the way, list anew; -EACCES: not allowed; -EHOSTUNREACH; -EPROTO; -ECANCELED; -ENOMEM.
 * Items may have been told of before an error: only after 0 they are all. f->answer.error says why. */
int follow_list(struct follow *f);
/* Until the server ends it. 0: watch again; -ESTALE: list anew; or as above. */
int follow_watch(struct follow *f);
void follow_free(struct follow *f);

#endif
