/* ipamfs-cni — a CNI IPAM plugin whose leases are files of an ipamfs mount. */
#include "cni.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 64 << 20 };

static const struct cni_work works[CNI_COMMANDS] = {
	[CNI_ADD] = { cni_add, cni_add_undo, 8 },
	[CNI_DEL] = { cni_del, NULL, 8 },
	[CNI_CHECK] = { cni_check, NULL, 8 },
	[CNI_GC] = { cni_gc, NULL, 8 },
	[CNI_STATUS] = { cni_status, NULL, 8 },
};

/* The version that a command came with. */
static const enum cni_version since[CNI_COMMANDS] = {
	[CNI_CHECK] = CNI_0_4_0, [CNI_GC] = CNI_1_1_0, [CNI_STATUS] = CNI_1_1_0,
};

static char *read_input(size_t *size, struct cni_error *e)
{
	size_t room = 4096;
	char *text = malloc(room);
	ssize_t n = 1;

	*size = 0;
	while (text != NULL && n > 0) {
		n = read(STDIN_FILENO, text + *size, room - *size);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			*size += (size_t)n;
		if (*size == room) {
			char *bigger = room < INPUT_MAX ? realloc(text, room * 2) : NULL;

			if (bigger == NULL)
				break;
			text = bigger;
			room *= 2;
		}
	}
	if (text == NULL || n != 0) {
		free(text);
		cni_fail(e, CNI_IO, "the configuration can't be read from standard input");
		return NULL;
	}
	return text;
}

static void print(json_t *o)
{
	if (o != NULL && json_dumpf(o, stdout, JSON_INDENT(4)) == 0)
		putchar('\n');
	json_decref(o);
}

/* VERSION: the request's own version comes back, if it is one. */
static int versions(const char *text, size_t size)
{
	json_t *json = json_loadb(text, size, 0, NULL);
	const char *asked = json_string_value(json_object_get(json, "cniVersion"));
	struct cni_error ignored = { 0 };
	enum cni_version version = CNI_VERSIONS - 1;

	if (asked != NULL)
		cni_version_parse(asked, &version, &ignored);
	print(cni_versions_object(cni_version_name[version]));
	json_decref(json);
	return 0;
}

static int run(struct cni_call *c, const char *text, size_t size, struct cni_error *e)
{
	int rc;

	if (cni_conf_parse(&c->conf, text, size, &c->env, c->env.command == CNI_DEL, e) < 0)
		return CNI_FAILED;
	if (c->conf.version < since[c->env.command])
		return cni_fail(e, CNI_VERSION_UNKNOWN, "this command came with cniVersion %s; the configuration says %s",
				cni_version_name[since[c->env.command]], cni_version_name[c->conf.version]);
	if (c->conf.data_dir && c->env.command == CNI_ADD)
		fputs("ipamfs: 'dataDir' is host-local's and means nothing here\n", stderr);
	rc = cni_guard(c, &works[c->env.command], e);
	if (c->env.command == CNI_STATUS && e->code == CNI_TRY_AGAIN)
		e->code = CNI_NOT_AVAILABLE; /* that is how it says so */
	return rc;
}

int main(int argc, char **argv)
{
	struct cni_call c = { .conf = { .version = CNI_VERSIONS - 1 }, .node = { .dir = -1, .mount = -1 } };
	struct cni_error e = { 0 };
	char *text = NULL;
	size_t size = 0;
	int rc;

	if (argc > 1 || (getenv("CNI_COMMAND") == NULL && isatty(STDIN_FILENO))) {
		printf("ipamfs-cni %s, a CNI IPAM plugin: container runtimes run it with CNI_COMMAND set\n", IPAM_VERSION);
		return argc > 1 && strcmp(argv[1], "--version") != 0 && strcmp(argv[1], "--help") != 0;
	}
	signal(SIGPIPE, SIG_IGN);
	rc = cni_env_read(&c.env, &e);
	if (rc == 0)
		text = read_input(&size, &e);
	if (text == NULL)
		rc = CNI_FAILED;
	else if (c.env.command == CNI_VERSION)
		rc = versions(text, size);
	else
		rc = run(&c, text, size, &e);
	if (rc < 0)
		print(cni_error_object(c.conf.version, &e));
	cni_conf_free(&c.conf);
	free(text);
	return fflush(stdout) != 0 || rc < 0;
}
