/* apiserver: the tests' stand-in for a Kubernetes API server. It listens on 127.0.0.1, prints its port, and ends at SIGTERM.
 *
 *   --port N             0, the default: any that is free
 *   --port-file FILE     written whole, once it listens
 *   --tls-cert FILE, --tls-key FILE    HTTPS
 *   --client-ca FILE     who shows a certificate that this CA signed is known by its common name
 *   --token-file FILE    'TOKEN USER' a line, read anew for every request; who shows a token is known by it
 * Without the last two everybody may do everything. /standin/ is described in admin.c. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

struct options {
	uint16_t port;
	const char *port_file;
	char *certificate, *key, *client_ca;
};

/* The text of FILE; ends the program if it can't be read. */
static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *in = fopen(path, "re");

	if (!in || getdelim(&text, &size, 0, in) < 0) {
		perror(path);
		exit(1);
	}
	fclose(in);
	return text;
}

static void parse_options(int argc, char **argv, struct options *options, struct auth *auth)
{
	static const struct option all[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "port-file", required_argument, NULL, 'f' },
		{ "tls-cert", required_argument, NULL, 'c' },
		{ "tls-key", required_argument, NULL, 'k' },
		{ "client-ca", required_argument, NULL, 'a' },
		{ "token-file", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", all, NULL)) != -1) {
		if (option == 'p')
			options->port = (uint16_t)atoi(optarg);
		else if (option == 'f')
			options->port_file = optarg;
		else if (option == 'c')
			options->certificate = read_file(optarg);
		else if (option == 'k')
			options->key = read_file(optarg);
		else if (option == 'a')
			options->client_ca = read_file(optarg);
		else if (option == 't')
			auth->token_file = optarg;
		else
			exit(2);
	}
	if (optind < argc || !options->certificate != !options->key || (options->client_ca && !options->certificate)) {
		fputs("apiserver: --tls-cert and --tls-key go together, --client-ca needs them\n", stderr);
		exit(2);
	}
	auth->certificates = options->client_ca != NULL;
}

/* Whoever waits for the file sees the port in it, or no file. */
static bool write_port(const char *path, uint16_t port)
{
	char *beside = NULL;
	bool good;
	FILE *out;

	if (asprintf(&beside, "%s.new", path) < 0)
		return false;
	out = fopen(beside, "we");
	good = out && fprintf(out, "%u\n", port) > 0;
	good = out && fclose(out) == 0 && good && rename(beside, path) == 0;
	free(beside);
	if (!good)
		perror(path);
	return good;
}

int main(int argc, char **argv)
{
	static struct server server;
	struct options options = { 0 };
	struct MHD_Daemon *daemon;
	sigset_t ends;
	int which;

	parse_options(argc, argv, &options, &server.auth);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	store_init(&server.store);
	rules_init(&server.rules);
	journal_init(&server.journal);
	daemon = http_start(&server, &options.port, options.certificate, options.key, options.client_ca);
	if (!daemon)
		return 1;
	printf("%u\n", options.port);
	fflush(stdout);
	if (options.port_file && !write_port(options.port_file, options.port))
		return 1;
	sigwait(&ends, &which);
	http_stop(&server, daemon);
	journal_free(&server.journal);
	rules_free(&server.rules);
	store_free(&server.store);
	free(options.certificate);
	free(options.key);
	free(options.client_ca);
	return 0;
}
