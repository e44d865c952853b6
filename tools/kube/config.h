/* config — where the API server is, and who asks: a kubeconfig file, or the service account of the pod this runs in. */
#ifndef IPAMKUBE_CONFIG_H
#define IPAMKUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* Each of file and data may be missing; data comes first where both are there, as in client-go. */
struct config_secret {
	char *file; /* absolute */
	char *data;
	size_t size;
};

struct config {
	char *server;   /* URL without a slash at its end */
	char *tls_name; /* the name in the server's certificate, if it isn't the URL's */
	char *proxy;
	struct config_secret ca, cert, key;
	char *token, *token_file; /* the file is read anew as it rotates */
	char *user, *password;
	bool insecure; /* the certificate isn't looked at */
};

struct config_error {
	char text[512];
};

/* file: --kubeconfig's, or NULL: $KUBECONFIG (files with colons between; of two entries of a name the first counts), then the
 * service account, then ~/.kube/config. context NULL: the file's current one. -errno, with a text; free it in any case. */
int config_find(const char *file, const char *context, struct config *out, struct config_error *error);
/* One or more files, with colons between. */
int config_read(const char *files, const char *context, struct config *out, struct config_error *error);
/* What Kubernetes mounts into a pod at `directory`; host and port from the environment. */
int config_read_in_cluster(const char *directory, struct config *out, struct config_error *error);
void config_free(struct config *c);

/* A whole file, with a NUL after it. -errno; -EFBIG beyond max. */
int config_slurp(const char *path, size_t max, char **out, size_t *size);
/* RFC 4648, blanks passed over: -EINVAL. *out is to be freed. */
int config_base64(const char *text, char **out, size_t *size);

#endif
