#include "start.h"

#include "cli/say.h"
#include "metrics.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

int start_up(const struct options *o, bool make, struct halt *stop, struct site *site, struct client **client)
{
	struct config config;
	struct config_error error;
	int status, rc;

	setvbuf(stderr, NULL, _IOLBF, 4096);
	rc = halt_init(stop, NULL);
	if (rc == 0)
		rc = halt_on_signals(stop);
	if (rc < 0)
		return cli_fail(CLI_REFUSED, "no way to wait for signals: %s", strerror(-rc));
	status = site_open(site, o->mount, o->cluster, make);
	if (status != CLI_DONE)
		return status;
	rc = config_find(o->kubeconfig, o->context, &config, &error);
	if (rc < 0) {
		config_free(&config);
		return cli_fail(CLI_REFUSED, "%s", error.text);
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	*client = client_new(&config, o->qps, o->burst);
	config_free(&config);
	if (*client == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	return metrics_begin(o->metrics, stop);
}

void start_down(struct halt *stop, struct site *site, struct client **client)
{
	if (*client != NULL) {
		client_free(*client);
		*client = NULL;
		curl_global_cleanup();
	}
	site_close(site);
	(void)stop; /* the thread that waits for signals may set it still */
}
