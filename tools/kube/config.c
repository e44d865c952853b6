#include "config.h"

#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 16, FILE_MAX = 4 << 20, PIPE_MS = 5000 };
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct source {
	json_t *document;
	char *directory; /* what relative paths are relative to */
};

struct reading {
	struct source source[FILES_MAX];
	size_t n;
	struct config_error *error;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct config_error *error, int rc, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return rc;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------ */

int config_slurp(const char *path, size_t max, char **out, size_t *size)
{
	/* A pipe whose writer is there is read to its end; one that has none, or says nothing, isn't waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = fd < 0 ? -errno : 0;
	size_t n = 0, room = 0;
	ssize_t got = 1;
	char *text = NULL;

	while (rc == 0 && got > 0) {
		if (n + 1 >= room) {
			char *bigger = realloc(text, room = room == 0 ? 4096 : room * 2);

			if (bigger == NULL) {
				rc = -ENOMEM;
				break;
			}
			text = bigger;
		}
		got = read(fd, text + n, room - n - 1);
		if (got < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLIN };

			got = 1;
			if (poll(&p, 1, PIPE_MS) <= 0)
				rc = -ETIMEDOUT;
		} else if (got < 0)
			rc = -errno;
		else if ((n += (size_t)got) > max)
			rc = -EFBIG;
	}
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		free(text);
		return rc;
	}
	text[n] = 0;
	*out = text;
	*size = n;
	return 0;
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int config_base64(const char *text, char **out, size_t *size)
{
	char *to = malloc(strlen(text) / 4 * 3 + 4);
	unsigned bits = 0, have = 0, chars = 0, pads = 0;
	size_t n = 0;

	if (to == NULL)
		return -ENOMEM;
	for (; *text != 0; text++) {
		int v = sextet(*text);

		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		if (*text == '=' && pads < 2) {
			pads++;
			continue;
		}
		if (v < 0 || pads > 0) {
			free(to);
			return -EINVAL;
		}
		chars++;
		bits = bits << 6 | (unsigned)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have & 0xff);
		}
	}
	if ((chars + pads) % 4 != 0) {
		free(to);
		return -EINVAL;
	}
	to[n] = 0;
	*out = to;
	*size = n;
	return 0;
}

/* ---- kubeconfig ---------------------------------------------------------------------------------------------------------- */

static int read_source(struct reading *r, const char *path)
{
	struct source *s = &r->source[r->n];
	char *text = NULL, *slash, why[256];
	size_t size;
	int rc = config_slurp(path, FILE_MAX, &text, &size);

	if (rc < 0)
		return refuse(r->error, rc, "%s: %s", path, strerror(-rc));
	s->document = yaml_read(text, size, why);
	free(text);
	if (s->document == NULL)
		return refuse(r->error, -EINVAL, "%s: no kubeconfig: %s", path, why);
	r->n++;
	s->directory = realpath(path, NULL);
	if (s->directory == NULL)
		return refuse(r->error, -errno, "%s: %s", path, strerror(errno));
	slash = strrchr(s->directory, '/');
	slash[slash == s->directory] = 0;
	if (!json_is_object(s->document))
		return refuse(r->error, -EINVAL, "%s: no kubeconfig", path);
	return 0;
}

/* The files that are there: of several, some may be missing. */
static int read_sources(struct reading *r, const char *files)
{
	char *copy = strdup(files), *rest = copy, *path;
	bool several = strchr(files, ':') != NULL;
	int rc = copy == NULL ? -ENOMEM : 0;

	while (rc == 0 && (path = strsep(&rest, ":")) != NULL) {
		if (*path == 0 || (several && access(path, F_OK) != 0))
			continue;
		rc = r->n == FILES_MAX ? refuse(r->error, -E2BIG, "%s: too many files", files) : read_source(r, path);
	}
	if (rc == 0 && r->n == 0)
		rc = refuse(r->error, -ENOENT, "%s: no such file", files);
	free(copy);
	return rc;
}

/* The entry called so in a list such as `users`, its object of that name ("user"), and the file that it is in. */
static json_t *entry(const struct reading *r, const char *list, const char *member, const char *name, const struct source **in)
{
	for (size_t k = 0; k < r->n; k++) {
		json_t *item;
		size_t i;

		json_array_foreach(json_object_get(r->source[k].document, list), i, item) {
			const char *called = json_string_value(json_object_get(item, "name"));

			if (called != NULL && strcmp(called, name) == 0) {
				*in = &r->source[k];
				return json_object_get(item, member);
			}
		}
	}
	return NULL;
}

static int take_text(const json_t *object, const char *key, char **out)
{
	const char *s = json_string_value(json_object_get(object, key));

	if (s == NULL || *s == 0)
		return 0;
	*out = strdup(s);
	return *out == NULL ? -ENOMEM : 0;
}

static int take_path(const json_t *object, const char *key, const struct source *in, char **out)
{
	const char *s = json_string_value(json_object_get(object, key));

	if (s == NULL || *s == 0)
		return 0;
	if (*s == '/')
		*out = strdup(s);
	else if (asprintf(out, "%s/%s", in->directory, s) < 0)
		*out = NULL;
	return *out == NULL ? -ENOMEM : 0;
}

/* KEY names a file, KEY-data holds it. */
static int take_secret(struct reading *r, const json_t *object, const char *key, const struct source *in, struct config_secret *out)
{
	char name[64];
	const char *data;
	int rc;

	snprintf(name, sizeof name, "%s-data", key);
	data = json_string_value(json_object_get(object, name));
	if (data == NULL || *data == 0)
		return take_path(object, key, in, &out->file);
	rc = config_base64(data, &out->data, &out->size);
	return rc == -EINVAL ? refuse(r->error, rc, "the kubeconfig's %s is no base64", name) : rc;
}

static bool is_true(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL && (strcasecmp(s, "true") == 0 || strcasecmp(s, "yes") == 0 || strcasecmp(s, "on") == 0);
}

static int take_cluster(struct reading *r, const char *name, struct config *out)
{
	const struct source *in = NULL;
	json_t *cluster = entry(r, "clusters", "cluster", name, &in);
	int rc = 0;

	if (!json_is_object(cluster))
		return refuse(r->error, -EINVAL, "the kubeconfig has no cluster '%s'", name);
	if ((rc = take_text(cluster, "server", &out->server)) < 0 || (rc = take_text(cluster, "tls-server-name", &out->tls_name)) < 0 ||
	    (rc = take_text(cluster, "proxy-url", &out->proxy)) < 0 ||
	    (rc = take_secret(r, cluster, "certificate-authority", in, &out->ca)) < 0)
		return rc;
	out->insecure = is_true(cluster, "insecure-skip-tls-verify");
	if (out->insecure && (out->ca.file != NULL || out->ca.data != NULL)) /* as client-go: one of them is a mistake */
		return refuse(
			r->error, -EINVAL,
			"the kubeconfig's cluster '%s' has a certificate-authority and insecure-skip-tls-verify, which ignores it; take one away",
			name);
	if (out->server == NULL)
		return refuse(r->error, -EINVAL, "the kubeconfig's cluster '%s' names no server", name);
	return 0;
}

static int take_user(struct reading *r, const char *name, struct config *out)
{
	static const char *const acts_as[] = { "as", "as-uid", "as-groups", "as-user-extra" };
	const struct source *in = NULL;
	json_t *user = entry(r, "users", "user", name, &in);
	int rc;

	if (in == NULL)
		return refuse(r->error, -EINVAL, "the kubeconfig has no user '%s'", name);
	if ((rc = take_text(user, "token", &out->token)) < 0 || (rc = take_path(user, "tokenFile", in, &out->token_file)) < 0 ||
	    (rc = take_text(user, "username", &out->user)) < 0 || (rc = take_text(user, "password", &out->password)) < 0 ||
	    (rc = take_secret(r, user, "client-certificate", in, &out->cert)) < 0 ||
	    (rc = take_secret(r, user, "client-key", in, &out->key)) < 0)
		return rc;
	for (size_t i = 0; i < sizeof acts_as / sizeof *acts_as; i++)
		if (json_object_get(user, acts_as[i]) != NULL && !json_is_null(json_object_get(user, acts_as[i])))
			return refuse(r->error, -EOPNOTSUPP, "the kubeconfig's user '%s' acts as another (%s), which ipamkube doesn't",
				      name, acts_as[i]);
	if (out->token == NULL && out->token_file == NULL && out->user == NULL && out->cert.file == NULL && out->cert.data == NULL)
		for (int i = 0; i < 2; i++) {
			const char *way = i == 0 ? "exec" : "auth-provider";

			if (json_is_object(json_object_get(user, way)))
				return refuse(r->error, -EOPNOTSUPP,
					      "the kubeconfig's user '%s' wants a program (%s) to get its credentials, which ipamkube "
					      "doesn't run; give it a token or a client certificate",
					      name, way);
		}
	return 0;
}

static const char *current_context(const struct reading *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *s = json_string_value(json_object_get(r->source[i].document, "current-context"));

		if (s != NULL && *s != 0)
			return s;
	}
	return NULL;
}

static int take_context(struct reading *r, const char *name, struct config *out)
{
	const struct source *in = NULL;
	const char *cluster, *user;
	json_t *context;
	int rc;

	if (name == NULL)
		name = current_context(r);
	if (name == NULL)
		return refuse(r->error, -EINVAL, "the kubeconfig has no current-context; say which with --context");
	context = entry(r, "contexts", "context", name, &in);
	if (context == NULL)
		return refuse(r->error, -EINVAL, "the kubeconfig has no context '%s'", name);
	cluster = json_string_value(json_object_get(context, "cluster"));
	user = json_string_value(json_object_get(context, "user"));
	rc = take_cluster(r, cluster == NULL ? "" : cluster, out);
	return rc == 0 && user != NULL && *user != 0 ? take_user(r, user, out) : rc;
}

static int finish(struct config *c, struct config_error *error)
{
	const char *const files[] = { c->token_file, c->ca.file, c->cert.file, c->key.file };
	size_t n = strlen(c->server);
	struct stat st;

	if (strstr(c->server, "://") == NULL) { /* client-go takes HOST:PORT too */
		char *url;

		if (asprintf(&url, "http://%s", c->server) < 0)
			return -ENOMEM;
		free(c->server);
		c->server = url;
		n = strlen(url);
	}
	if (strncmp(c->server, "https://", 8) != 0 && strncmp(c->server, "http://", 7) != 0)
		return refuse(error, -EINVAL, "'%s' is no URL of an API server", c->server);
	while (n > 0 && c->server[n - 1] == '/')
		c->server[--n] = 0;
	/* These are read again and again, by libcurl as well, which would wait for a pipe's writer. */
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] != NULL && stat(files[i], &st) == 0 && !S_ISREG(st.st_mode))
			return refuse(error, -EINVAL, "%s: not a file", files[i]);
	return 0;
}

int config_read(const char *files, const char *context, struct config *out, struct config_error *error)
{
	struct reading r = { .error = error };
	int rc;

	*out = (struct config){ 0 };
	error->text[0] = 0;
	rc = read_sources(&r, files);
	if (rc == 0)
		rc = take_context(&r, context, out);
	if (rc == 0)
		rc = finish(out, error);
	if (rc < 0 && error->text[0] == 0)
		refuse(error, rc, "%s: %s", files, strerror(-rc));
	for (size_t i = 0; i < r.n; i++) {
		json_decref(r.source[i].document);
		free(r.source[i].directory);
	}
	return rc;
}

/* ---- in a pod --------------------------------------------------------------------------------------------------------- */

int config_read_in_cluster(const char *directory, struct config *out, struct config_error *error)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6 = host != NULL && strchr(host, ':') != NULL;

	*out = (struct config){ 0 };
	if (host == NULL || *host == 0 || port == NULL || *port == 0)
		return refuse(error, -ENOENT, "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT aren't set");
	if (asprintf(&out->server, v6 ? "https://[%s]:%s" : "https://%s:%s", host, port) < 0 ||
	    asprintf(&out->token_file, "%s/token", directory) < 0 || asprintf(&out->ca.file, "%s/ca.crt", directory) < 0)
		return refuse(error, -ENOMEM, "out of memory");
	if (access(out->token_file, R_OK) != 0)
		return refuse(error, -errno, "%s: %s", out->token_file, strerror(errno));
	return 0;
}

int config_find(const char *file, const char *context, struct config *out, struct config_error *error)
{
	const char *variable = getenv("KUBECONFIG"), *home = getenv("HOME");
	char path[4096];

	if (file == NULL && variable != NULL && *variable != 0)
		file = variable;
	if (file == NULL && context == NULL && access(SERVICE_ACCOUNT "/token", F_OK) == 0)
		return config_read_in_cluster(SERVICE_ACCOUNT, out, error);
	if (file != NULL)
		return config_read(file, context, out, error);
	*out = (struct config){ 0 };
	snprintf(path, sizeof path, "%s/.kube/config", home == NULL ? "" : home);
	if (access(path, F_OK) != 0)
		return refuse(error, -ENOENT,
			      "no kubeconfig: say where with --kubeconfig or KUBECONFIG; this is no pod with a "
			      "service account either, and there is no %s",
			      path);
	return config_read(path, context, out, error);
}

static void wipe(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void secret_free(struct config_secret *s)
{
	if (s->data != NULL)
		explicit_bzero(s->data, s->size);
	free(s->data);
	free(s->file);
}

void config_free(struct config *c)
{
	free(c->server);
	free(c->tls_name);
	free(c->proxy);
	free(c->token_file);
	free(c->user);
	wipe(c->token);
	wipe(c->password);
	secret_free(&c->ca);
	secret_free(&c->cert);
	secret_free(&c->key);
	*c = (struct config){ 0 };
}
