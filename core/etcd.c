#include "etcd_call.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

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

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

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
	pthread_once(&once, begin);
	if (rc == 0) {
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
	while (e->idles > 0)
		curl_easy_cleanup(e->idle[--e->idles]);
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

/* ---- handles ---------------------------------------------------------------------------------------------------- */

/* Asked by curl all the time: ends what runs. */
static int keep_going(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct etcd *e = arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&e->stop);
}

/* What was sent and isn't acknowledged, a probe of the connection too, ends it soon: the peer's machine is away. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype type)
{
	const unsigned dead = ETCD_DEAD_MS;

	(void)arg;
	(void)type;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
	return CURL_SOCKOPT_OK;
}

static void set_up(struct etcd *e, CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* of HTTP/2's, it repeats what was refused */
	curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
	/* A peer that was cut off is noticed though nothing is sent. */
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, 2L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, 1L);
	curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, keep_going);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, e);
	curl_easy_setopt(curl, CURLOPT_CAINFO, e->tls_ca);
	curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* a file that is replaced counts from the next connection on */
	curl_easy_setopt(curl, CURLOPT_SSLCERT, e->tls_cert);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, e->tls_key);
}

CURL *etcd_take(struct etcd *e)
{
	CURL *curl = NULL;

	pthread_mutex_lock(&e->lock);
	if (e->idles > 0)
		curl = e->idle[--e->idles];
	pthread_mutex_unlock(&e->lock);
	if (curl == NULL)
		curl = curl_easy_init();
	if (curl != NULL)
		set_up(e, curl);
	return curl;
}

void etcd_give(struct etcd *e, CURL *curl)
{
	curl_easy_reset(curl);
	pthread_mutex_lock(&e->lock);
	if (e->idles < ETCD_IDLE) {
		e->idle[e->idles++] = curl;
		curl = NULL;
	}
	pthread_mutex_unlock(&e->lock);
	curl_easy_cleanup(curl);
}

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

struct curl_slist *etcd_headers(struct etcd *e, const char *path)
{
	struct curl_slist *list = NULL, *more = NULL;
	/* Who shows an old one isn't given a new one. */
	char *token = strcmp(path, ETCD_LOGIN) == 0 ? NULL : etcd_token(e), *line = NULL;

	if (asprintf(&line, "Authorization: %s", token != NULL ? token : "none") < 0)
		line = NULL;
	/* The gateway hands what begins so on to etcd: a member that has lost its leader ends the watch instead of being silent. */
	list = curl_slist_append(NULL, "Grpc-Metadata-Hasleader: true");
	if (list != NULL)
		more = curl_slist_append(list, "Content-Type: application/json");
	if (more != NULL)
		more = curl_slist_append(list, "Expect:");
	if (more != NULL && token != NULL)
		more = line == NULL ? NULL : curl_slist_append(list, line);
	if (more == NULL) {
		curl_slist_free_all(list);
		list = NULL;
	}
	free(token);
	free(line);
	return list;
}
