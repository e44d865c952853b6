#include "etcd/etcd_curl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- handles, with their connections --------------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void etcd_curl_begin(void)
{
	pthread_once(&once, begin);
}

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

static CURL *take_handle(struct etcd *e)
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

static void give_handle(struct etcd *e, CURL *curl)
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

void etcd_curl_free(struct etcd *e)
{
	while (e->idles > 0)
		curl_easy_cleanup(e->idle[--e->idles]);
}

/* With the token if there is one. NULL: no memory. */
static struct curl_slist *headers_for(struct etcd *e, const char *path)
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

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* The member has told by a TLS alert that it doesn't want this machine's certificate (TLS 1.3: only when its answer is read). */
static bool is_unwanted(CURLcode code, const char *text)
{
	return (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_SSL_CONNECT_ERROR) && strstr(text, "alert") != NULL &&
	       (strstr(text, "certificate") != NULL || strstr(text, "unknown ca") != NULL);
}

static int transfer_error(struct etcd *e, const char *endpoint, CURLcode code, const char *detail, struct ipam_error *error)
{
	const char *text = detail[0] != 0 ? detail : curl_easy_strerror(code);

	if (is_unwanted(code, text))
		return etcd_fail(error, -EACCES, "%s: TLS: it refuses this machine's certificate%s: %s", endpoint,
				 e->tls_cert == NULL ? ", which is none: tls_cert and tls_key give one" : "", text);
	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		return etcd_fail(error, atomic_load(&e->stop) ? -ECANCELED : -EHOSTUNREACH, "%s: given up", endpoint);
	case CURLE_OUT_OF_MEMORY:
		return etcd_fail(error, -ENOMEM, "out of memory");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
		return etcd_fail(error, -EACCES, "%s: TLS: %s", endpoint, text);
	case CURLE_WRITE_ERROR:
		return etcd_fail(error, -EPROTO, "%s: more than %d MiB in one answer", endpoint, ETCD_REPLY_MAX >> 20);
	case CURLE_GOT_NOTHING:
		return etcd_fail(error, -EHOSTUNREACH, "%s: %s%s", endpoint, text,
				 strncmp(endpoint, "http:", 5) == 0 ? "; if it wants TLS: tls_ca says so" : "");
	default:
		return etcd_fail(error, -EHOSTUNREACH, "%s: %s", endpoint, text);
	}
}

/* ---- one request ------------------------------------------------------------------------------------------------ */

static size_t collect(char *data, size_t one, size_t n, void *arg)
{
	struct etcd_answer *r = arg;
	char *bigger;

	(void)one;
	if (n > ETCD_REPLY_MAX - r->size)
		return 0;
	bigger = realloc(r->data, r->size + n + 1);
	if (bigger == NULL)
		return 0;
	r->data = bigger;
	memcpy(r->data + r->size, data, n);
	r->size += n;
	return n;
}

/* What changes something goes over a connection of its own. One that was used before may have been closed by the server, and then
 * libcurl repeats the request on another one, and says nothing of it: whether the first copy is done, and when, isn't known. */
static void go_alone(CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

/* What each request has, whether its answer ends or not. body is the caller's until it is done. */
struct request {
	CURL *curl; /* NULL, or one to be given back or cleaned up */
	struct curl_slist *headers;
	char detail[CURL_ERROR_SIZE];
};

static int request_begin(struct request *r, struct etcd *e, const char *endpoint, const char *path, const char *body,
			 struct ipam_error *error)
{
	char url[1024];

	r->headers = headers_for(e, path);
	r->curl = take_handle(e);
	r->detail[0] = 0;
	if (r->curl == NULL || r->headers == NULL)
		return etcd_fail(error, -ENOMEM, "out of memory");
	snprintf(url, sizeof url, "%s%s", endpoint, path);
	curl_easy_setopt(r->curl, CURLOPT_URL, url);
	curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)ETCD_CONNECT_MS);
	curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->detail);
	return 0;
}

static int curl_post(struct etcd *e, const char *endpoint, const char *path, const char *body, int64_t timeout_ms, bool alone,
		     struct etcd_answer *answer, struct ipam_error *error)
{
	struct request r;
	curl_off_t uploaded = 0;
	CURLcode code;
	int rc = request_begin(&r, e, endpoint, path, body, error);

	if (rc == 0) {
		curl_easy_setopt(r.curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
		if (timeout_ms < ETCD_CONNECT_MS)
			curl_easy_setopt(r.curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
		curl_easy_setopt(r.curl, CURLOPT_WRITEFUNCTION, collect);
		curl_easy_setopt(r.curl, CURLOPT_WRITEDATA, answer);
		if (alone)
			go_alone(r.curl);
		code = curl_easy_perform(r.curl);
		curl_easy_getinfo(r.curl, CURLINFO_RESPONSE_CODE, &answer->status);
		curl_easy_getinfo(r.curl, CURLINFO_SIZE_UPLOAD_T, &uploaded);
		answer->sent = uploaded > 0;
		if (code != CURLE_OK)
			rc = transfer_error(e, endpoint, code, r.detail, error);
	}
	if (r.curl != NULL)
		give_handle(e, r.curl);
	curl_slist_free_all(r.headers);
	return rc;
}

/* ---- a stream --------------------------------------------------------------------------------------------------- */

struct stream {
	struct etcd *e;
	const struct etcd_sink *sink;
	bool taken; /* the sink wants no more */
};

static size_t take(char *data, size_t one, size_t n, void *arg)
{
	struct stream *s = arg;

	(void)one;
	s->taken = s->sink->take(s->sink->arg, data, n) != 0;
	return s->taken ? 0 : n;
}

static int go_on(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct stream *s = arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&s->e->stop) || s->sink->stop(s->sink->arg);
}

static int curl_stream(struct etcd *e, const char *endpoint, const char *path, const char *body, const struct etcd_sink *sink, long *status,
		       struct ipam_error *error)
{
	struct stream s = { .e = e, .sink = sink };
	struct request r;
	CURLcode code;
	int rc = request_begin(&r, e, endpoint, path, body, error);

	if (rc == 0) {
		curl_easy_setopt(r.curl, CURLOPT_XFERINFOFUNCTION, go_on);
		curl_easy_setopt(r.curl, CURLOPT_XFERINFODATA, &s);
		curl_easy_setopt(r.curl, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(r.curl, CURLOPT_WRITEDATA, &s);
		code = curl_easy_perform(r.curl);
		curl_easy_getinfo(r.curl, CURLINFO_RESPONSE_CODE, status);
		if (s.taken || code == CURLE_ABORTED_BY_CALLBACK)
			rc = -ECANCELED;
		else if (code != CURLE_OK)
			rc = transfer_error(e, endpoint, code, r.detail, error);
	}
	curl_easy_cleanup(r.curl); /* not to the pool: its connection has an answer that goes on */
	curl_slist_free_all(r.headers);
	return rc;
}

const struct etcd_transport etcd_curl = { curl_post, curl_stream };
