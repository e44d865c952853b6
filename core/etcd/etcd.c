#include "etcd/etcd_call.h"
#include "etcd/etcd_curl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct etcd_transport *etcd_transport = &etcd_curl;

int etcd_fail(struct ipam_error *error, int rc, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return rc;
}

int64_t etcd_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- endpoints --------------------------------------------------------------------------------------------------- */

/* "host:port", "[address]:port"; nothing that would end the host's part of a URL. */
static bool good_endpoint(const char *s, size_t n)
{
	const char *colon = memrchr(s, ':', n);
	size_t host = colon == NULL ? 0 : (size_t)(colon - s), port = n - host;

	if (host == 0 || port < 2 || port > 6 || strspn(colon + 1, "0123456789") < port - 1)
		return false;
	for (size_t i = 0; i < host; i++)
		if (s[i] <= ' ' || strchr("/?#@\\%\"<>", s[i]) != NULL || (s[i] == ':' && s[0] != '['))
			return false;
	return s[0] != '[' || s[host - 1] == ']';
}

static int parse_endpoints(struct etcd *e, const char *list, bool tls, struct ipam_error *error)
{
	for (;;) {
		size_t n = strcspn(list, ",");

		if (!good_endpoint(list, n))
			return etcd_fail(error, -EINVAL, "'%.*s' is no endpoint of etcd; HOST:PORT is wanted", (int)n, list);
		if (e->endpoints == ETCD_ENDPOINTS)
			return etcd_fail(error, -EINVAL, "more than %d endpoints", ETCD_ENDPOINTS);
		if (asprintf(&e->endpoint[e->endpoints], "%s://%.*s", tls ? "https" : "http", (int)n, list) < 0) {
			e->endpoint[e->endpoints] = NULL;
			return -ENOMEM;
		}
		e->endpoints++;
		if (list[n] == 0)
			return 0;
		list += n + 1;
	}
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static bool copy(char **to, const char *from)
{
	*to = from == NULL ? NULL : strdup(from);
	return from == NULL || *to != NULL;
}

int etcd_new(const struct etcd_options *o, struct etcd **out, struct ipam_error *error)
{
	struct etcd *e = calloc(1, sizeof *e);
	int rc = e == NULL ? -ENOMEM : 0;

	error->text[0] = 0;
	etcd_curl_begin();
	if (rc == 0) {
		e->transport = etcd_transport;
		pthread_mutex_init(&e->lock, NULL);
		if (!copy(&e->tls_ca, o->tls_ca) || !copy(&e->tls_cert, o->tls_cert) || !copy(&e->tls_key, o->tls_key) ||
		    !copy(&e->user, o->user) || !copy(&e->password_file, o->password_file))
			rc = -ENOMEM;
	}
	if (rc == 0)
		rc = parse_endpoints(e, o->endpoints, o->tls_ca != NULL || o->tls_cert != NULL || o->tls_key != NULL, error);
	if (rc < 0) {
		if (error->text[0] == 0)
			etcd_fail(error, rc, "%s", strerror(-rc));
		etcd_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

void etcd_free(struct etcd *e)
{
	if (e == NULL)
		return;
	etcd_curl_free(e);
	for (size_t i = 0; i < e->endpoints; i++)
		free(e->endpoint[i]);
	free(e->tls_ca);
	free(e->tls_cert);
	free(e->tls_key);
	free(e->user);
	free(e->password_file);
	free(e->token);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void etcd_stop(struct etcd *e)
{
	atomic_store(&e->stop, true);
}

/* ---- turns, the token ---------------------------------------------------------------------------------------------- */

int64_t etcd_turn(struct etcd *e, int64_t now, int64_t until)
{
	const int64_t each = 1000000 / ETCD_RATE, earliest = now * 1000 - each * (ETCD_BURST - 1);
	int64_t turn;

	pthread_mutex_lock(&e->lock);
	if (e->turn_us < earliest)
		e->turn_us = earliest;
	turn = e->turn_us > now * 1000 ? (e->turn_us + 999) / 1000 : now;
	if (turn <= until)
		e->turn_us += each;
	pthread_mutex_unlock(&e->lock);
	return turn;
}

char *etcd_token(struct etcd *e)
{
	char *token;

	pthread_mutex_lock(&e->lock);
	token = e->token == NULL ? NULL : strdup(e->token);
	pthread_mutex_unlock(&e->lock);
	return token;
}
