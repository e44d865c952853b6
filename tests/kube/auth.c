/* Who asks: a bearer token, or a client certificate, whose common name is the user's. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "apiserver.h"

static bool by_token(const struct auth *auth, struct request *request)
{
	const char *given = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Authorization");
	char line[4096], token[3072], user[128];
	bool found = false;
	FILE *in;

	if (!auth->token_file || !given || strncmp(given, "Bearer ", 7) != 0 || !(in = fopen(auth->token_file, "re")))
		return false;
	while (!found && fgets(line, sizeof line, in))
		found = sscanf(line, "%3071s %127s", token, user) == 2 && strcmp(token, given + 7) == 0;
	fclose(in);
	if (found)
		snprintf(request->user, sizeof request->user, "%s", user);
	return found;
}

static bool by_certificate(const struct auth *auth, struct request *request)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const gnutls_datum_t *chain;
	unsigned n = 0, status = 0;
	size_t size = sizeof request->user;
	gnutls_x509_crt_t leaf;
	bool good;

	if (!auth->certificates || !info || !info->tls_session)
		return false;
	chain = gnutls_certificate_get_peers(info->tls_session, &n);
	if (!chain || n == 0 || gnutls_certificate_verify_peers2(info->tls_session, &status) < 0 || status != 0)
		return false;
	if (gnutls_x509_crt_init(&leaf) < 0)
		return false;
	good = gnutls_x509_crt_import(leaf, chain, GNUTLS_X509_FMT_DER) == 0 &&
	       gnutls_x509_crt_get_dn_by_oid(leaf, GNUTLS_OID_X520_COMMON_NAME, 0, 0, request->user, &size) == 0;
	gnutls_x509_crt_deinit(leaf);
	return good;
}

bool auth_user(const struct auth *auth, struct request *request)
{
	if (by_certificate(auth, request) || by_token(auth, request))
		return true;
	snprintf(request->user, sizeof request->user, "system:anonymous");
	return !auth->token_file && !auth->certificates;
}
