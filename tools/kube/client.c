#include "client.h"

#include "clock.h"
#include "metrics.h"
#include "rate.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 16 << 20, LINE_MAX_ = 64 << 20, TOKEN_EVERY_MS = 60000, TOKEN_MAX = 1 << 20, CONNECT_MS = 10000 };

struct client {
	struct config config;
	pthread_mutex_t lock; /* of what is below */
	struct rate rate;
	char *token;      /* as the file had it */
	int64_t token_at; /* when it was read; 0: not yet, or it was refused */
};

struct conn {
	struct client *client;
	const struct halt *halt;
	CURL *curl;
	CURLM *multi;
	char detail[CURL_ERROR_SIZE];
	/* of the request that runs */
	const char *sending; /* what is left of what it sends */
	size_t left;
	char *body;
	size_t n, room;
	struct sieve sieve; /* where something is wanted of the body */
	bool garbled;       /* the body isn't JSON */
	struct lines lines;
	lines_take *take; /* NULL: the body is kept */
	void *arg;
	int rc; /* what take said */
};

struct client *client_new(struct config *config, double qps, double burst)
{
	struct client *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->config = *config;
	*config = (struct config){ 0 };
	pthread_mutex_init(&c->lock, NULL);
	rate_init(&c->rate, qps, burst, now_ms());
	return c;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	config_free(&c->config);
	free(c->token);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- a connection ---------------------------------------------------------------------------------------------------- */

static size_t keep(struct conn *c, const char *data, size_t n)
{
	if (n > BODY_MAX - c->n) {
		c->rc = -EMSGSIZE;
		return 0;
	}
	if (c->n + n + 1 > c->room) {
		size_t room = (c->n + n + 1) * 2;
		char *bigger = realloc(c->body, room);

		if (bigger == NULL) {
			c->rc = -ENOMEM;
			return 0;
		}
		c->body = bigger;
		c->room = room;
	}
	memcpy(c->body + c->n, data, n);
	c->n += n;
	return n;
}

static size_t received(char *data, size_t one, size_t n, void *arg)
{
	struct conn *c = arg;
	long status = 0;

	(void)one;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 || (c->take == NULL && c->sieve.wanted == NULL))
		return keep(c, data, n);
	if (c->take != NULL)
		c->rc = lines_feed(&c->lines, data, n, c->take, c->arg);
	else if (!c->garbled)
		c->rc = sieve_feed(&c->sieve, data, n);
	if (c->rc == -EPROTO && c->take == NULL) { /* an answer all the same */
		c->garbled = true;
		c->rc = 0;
	}
	return c->rc == 0 ? n : 0;
}

/* What is sent is given once: libcurl can't go back, and so can't repeat a request by itself where a connection that it kept ends before
 * the answer. Whether a patch was refused, or another copy of it is under way, would not be known otherwise. */
static size_t give(char *to, size_t one, size_t n, void *arg)
{
	struct conn *c = arg;

	(void)one;
	if (n > c->left)
		n = c->left;
	memcpy(to, c->sending, n);
	c->sending += n;
	c->left -= n;
	return n;
}

static void set_secret(CURL *curl, const struct config_secret *s, CURLoption blob, CURLoption file)
{
	struct curl_blob data = { .data = s->data, .len = s->size, .flags = CURL_BLOB_NOCOPY };

	if (s->data != NULL)
		curl_easy_setopt(curl, blob, &data);
	else if (s->file != NULL)
		curl_easy_setopt(curl, file, s->file);
}

static void set_up(struct conn *c)
{
	const struct config *k = &c->client->config;

	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c->curl, CURLOPT_ACCEPT_ENCODING, NULL);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->detail);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, received);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(c->curl, CURLOPT_READDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "ipamkube/" IPAM_VERSION);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPALIVE, 1L); /* a watch may be silent for minutes: is the server there still? */
	curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPIDLE, 30L);
	curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPINTVL, 10L);
	set_secret(c->curl, &k->ca, CURLOPT_CAINFO_BLOB, CURLOPT_CAINFO);
	set_secret(c->curl, &k->cert, CURLOPT_SSLCERT_BLOB, CURLOPT_SSLCERT);
	set_secret(c->curl, &k->key, CURLOPT_SSLKEY_BLOB, CURLOPT_SSLKEY);
	if (k->insecure) {
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (k->proxy != NULL)
		curl_easy_setopt(c->curl, CURLOPT_PROXY, k->proxy);
	if (k->user != NULL) {
		curl_easy_setopt(c->curl, CURLOPT_USERNAME, k->user);
		curl_easy_setopt(c->curl, CURLOPT_PASSWORD, k->password == NULL ? "" : k->password);
	}
}

struct conn *conn_new(struct client *client, const struct halt *halt)
{
	struct conn *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->client = client;
	c->halt = halt;
	c->lines.max = LINE_MAX_;
	c->curl = curl_easy_init();
	c->multi = curl_multi_init();
	if (c->curl == NULL || c->multi == NULL) {
		conn_free(c);
		return NULL;
	}
	set_up(c);
	return c;
}

void conn_free(struct conn *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	curl_multi_cleanup(c->multi);
	lines_free(&c->lines);
	free(c->body);
	free(c);
}

/* ---- who asks ---------------------------------------------------------------------------------------------------------- */

/* The file's token, no older than a minute: the kubelet writes a new one before the old one ends. */
static int read_token(struct client *c)
{
	char *text;
	size_t n;
	int rc;

	if (c->config.token_file == NULL || (c->token_at != 0 && now_ms() - c->token_at < TOKEN_EVERY_MS))
		return 0;
	rc = config_slurp(c->config.token_file, TOKEN_MAX, &text, &n);
	if (rc < 0)
		return c->token == NULL ? rc : 0; /* the old one may still do */
	text[strcspn(text, "\r\n")] = 0;
	free(c->token);
	c->token = text;
	c->token_at = now_ms();
	return 0;
}

static int add_header(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer == NULL)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int authorize(struct client *c, struct curl_slist **headers, struct answer *out)
{
	const char *token;
	char *header;
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = read_token(c);
	token = c->config.token_file != NULL ? c->token : c->config.token;
	if (rc < 0)
		snprintf(out->error, sizeof out->error, "%s: %s", c->config.token_file, strerror(-rc));
	else if (token != NULL && asprintf(&header, "Authorization: Bearer %s", token) < 0)
		rc = -ENOMEM;
	else if (token != NULL) {
		rc = add_header(headers, header);
		explicit_bzero(header, strlen(header));
		free(header);
	}
	pthread_mutex_unlock(&c->lock);
	return rc == 0 || rc == -ENOMEM ? rc : -EACCES;
}

/* The server's certificate may have another name than its address. */
static int rename_host(struct conn *c, const char *path, char **url, struct curl_slist **headers, struct curl_slist **connect)
{
	const struct config *k = &c->client->config;
	CURLU *u = k->tls_name == NULL ? NULL : curl_url();
	char *host = NULL, *port = NULL, *text = NULL, *whole = NULL;
	int rc = -ENOMEM;

	if (asprintf(url, "%s%s", k->server, path) < 0)
		return -ENOMEM;
	if (k->tls_name == NULL)
		return 0;
	if (u != NULL && curl_url_set(u, CURLUPART_URL, *url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_HOST, k->tls_name, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK &&
	    asprintf(&text, "::%s:%s", host, port) >= 0) {
		free(*url);
		*url = strdup(whole);
		rc = *url == NULL ? -ENOMEM : add_header(connect, text);
		free(text);
		if (rc == 0 && asprintf(&text, "Host: %s:%s", host, port) >= 0) {
			rc = add_header(headers, text);
			free(text);
		}
	}
	curl_free(host);
	curl_free(port);
	curl_free(whole);
	curl_url_cleanup(u);
	return rc;
}

/* ---- a request --------------------------------------------------------------------------------------------------------- */

/* Until it is done or halted. */
static CURLcode perform(struct conn *c)
{
	struct curl_waitfd fd[4];
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	unsigned n = 0;
	int running = 1, left;
	CURLMsg *message;

	for (const struct halt *h = c->halt; h != NULL && n < 4; h = h->also)
		fd[n++] = (struct curl_waitfd){ .fd = h->fd, .events = CURL_WAIT_POLLIN };
	if (curl_multi_add_handle(c->multi, c->curl) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	while (!halt_is(c->halt)) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK) {
			code = CURLE_OUT_OF_MEMORY;
			break;
		}
		if (running == 0) {
			message = curl_multi_info_read(c->multi, &left);
			code = message == NULL ? CURLE_OUT_OF_MEMORY : message->data.result;
			break;
		}
		curl_multi_poll(c->multi, fd, n, 60000, NULL);
	}
	curl_multi_remove_handle(c->multi, c->curl);
	return code;
}

static int error_of(struct conn *c, CURLcode code, struct answer *out)
{
	const char *text = c->detail[0] != 0 ? c->detail : curl_easy_strerror(code);

	snprintf(out->error, sizeof out->error, "%s: %s", c->client->config.server, text);
	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		return -ECANCELED;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return -EACCES;
	default:
		return -EHOSTUNREACH;
	}
}

/* What the server says of it: a Status. */
static void tell(const struct conn *c, struct answer *out)
{
	const char *message = json_string_value(json_object_get(out->json, "message")); /* up to a NUL: it is for people */

	if (message != NULL)
		snprintf(out->error, sizeof out->error, "%ld: %s", out->status, message);
	else
		snprintf(out->error, sizeof out->error, "%s: HTTP status %ld", c->client->config.server, out->status);
}

int conn_turn(struct conn *c)
{
	int64_t wait;

	pthread_mutex_lock(&c->client->lock);
	wait = rate_take(&c->client->rate, now_ms());
	pthread_mutex_unlock(&c->client->lock);
	return halt_sleep(c->halt, wait) ? -ECANCELED : 0;
}

static int transfer(struct conn *c, struct answer *out)
{
	curl_off_t retry = 0;
	CURLcode code;
	int rc = 0;

	c->n = c->lines.n = 0;
	c->rc = 0;
	c->garbled = false;
	c->detail[0] = 0;
	metrics_add(METRIC_REQUESTS, 1);
	code = perform(c);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &out->status);
	if (code == CURLE_WRITE_ERROR && c->rc != 0)
		rc = c->rc;
	else if (code != CURLE_OK)
		rc = error_of(c, code, out);
	if (rc == 0 && c->n > 0)
		out->json = json_loadb(c->body, c->n, JSON_ALLOW_NUL, NULL);
	else if (rc == 0 && c->sieve.wanted != NULL && !c->garbled)
		out->json = sieve_end(&c->sieve);
	if (rc == 0 && (out->status < 200 || out->status > 299)) {
		if (curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK && retry > 0)
			out->retry_ms = retry > 60 ? 60000 : (int64_t)retry * 1000;
		tell(c, out);
		if (out->status == 401) {
			pthread_mutex_lock(&c->client->lock);
			c->client->token_at = 0;
			pthread_mutex_unlock(&c->client->lock);
		}
	}
	if ((rc < 0 && rc != -ECANCELED) || out->status >= 500 || out->status == 429)
		metrics_add(METRIC_REQUEST_ERRORS, 1);
	/* One big answer doesn't keep its room for ever. */
	if (c->room > 1 << 20) {
		free(c->body);
		c->body = NULL;
		c->room = 0;
	}
	return rc;
}

static int run(struct conn *c, const struct call *call, struct answer *out)
{
	struct curl_slist *headers = NULL, *connect = NULL;
	char *url = NULL, *body = NULL, type[128];
	int rc = call->urgent ? 0 : conn_turn(c);

	*out = (struct answer){ 0 };
	if (rc == 0 && call->timeout_ms <= 0)
		rc = -ECANCELED;
	if (rc == 0)
		rc = rename_host(c, call->path, &url, &headers, &connect);
	if (rc == 0)
		rc = authorize(c->client, &headers, out);
	if (rc == 0)
		rc = add_header(&headers, "Accept: application/json");
	if (rc == 0 && call->body != NULL) {
		body = json_dumps(call->body, JSON_COMPACT);
		snprintf(type, sizeof type, "Content-Type: %s", call->type == NULL ? "application/json" : call->type);
		rc = body == NULL ? -ENOMEM : add_header(&headers, type);
	}
	if (rc == 0) {
		curl_easy_setopt(c->curl, CURLOPT_URL, url);
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c->curl, CURLOPT_CONNECT_TO, connect);
		curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
		c->sending = body;
		c->left = body == NULL ? 0 : strlen(body);
		curl_easy_setopt(c->curl, body == NULL ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->left);
		curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, call->method);
		c->sieve = (struct sieve){ .wanted = call->wanted, .take = call->take, .arg = call->arg, .kind = call->kind };
		rc = transfer(c, out);
		sieve_free(&c->sieve);
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
		curl_easy_setopt(c->curl, CURLOPT_CONNECT_TO, NULL);
	}
	if (rc < 0 && out->error[0] == 0)
		snprintf(out->error, sizeof out->error, "%s: %s", c->client->config.server, strerror(-rc));
	curl_slist_free_all(headers);
	curl_slist_free_all(connect);
	free(body);
	free(url);
	return rc;
}

int conn_call(struct conn *c, const struct call *call, struct answer *out)
{
	c->take = NULL;
	return run(c, call, out);
}

int conn_stream(struct conn *c, const char *path, int64_t timeout_ms, lines_take *take, void *arg, struct answer *out)
{
	struct call call = { .method = "GET", .path = path, .timeout_ms = timeout_ms };

	c->take = take;
	c->arg = arg;
	return run(c, &call, out);
}

void answer_free(struct answer *a)
{
	json_decref(a->json);
	a->json = NULL;
}

char *client_escape(const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0), *out = escaped == NULL ? NULL : strdup(escaped);

	curl_free(escaped);
	return out;
}
