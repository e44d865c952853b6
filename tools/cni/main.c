/* ipamfs-cni — a CNI IPAM plugin whose leases are files of an ipamfs mount. */
#include "base/printable.h"
#include "base/streams.h"
#include "guard.h"
#include "result.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 64 << 20, PATIENCE = 8 /* seconds; runtimes give up after ten or more */ };

static int (*const commands[CNI_COMMANDS])(struct cni_call *c, struct cni_error *e) = {
	[CNI_ADD] = cni_add, [CNI_DEL] = cni_del, [CNI_CHECK] = cni_check, [CNI_GC] = cni_gc, [CNI_STATUS] = cni_status,
};

/* The version that a command came with. */
static const enum cni_version since[CNI_COMMANDS] = {
	[CNI_CHECK] = CNI_0_4_0,
	[CNI_GC] = CNI_1_1_0,
	[CNI_STATUS] = CNI_1_1_0,
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

/* For whoever looks at the runtime's log: the runtime itself reads standard output alone. */
static void print_remarks(const struct cni_conf *c)
{
	const json_t *remark;
	size_t i;

	json_array_foreach(c->remarks, i, remark) {
		char *text = strdup(json_string_value(remark));

		if (text == NULL)
			continue;
		printable(text, text, strlen(text));
		fprintf(stderr, "ipamfs: %s\n", text);
		free(text);
	}
}

static int run(struct cni_call *c, size_t size, struct cni_error *e)
{
	if (cni_conf_parse(&c->conf, c->input, size, &c->env, c->env.command == CNI_DEL, e) < 0)
		return CNI_FAILED;
	if (c->conf.version < since[c->env.command]) /* the words of the library that other plugins are made with */
		return cni_fail(e, CNI_VERSION_UNKNOWN, "config version does not allow %s", cni_command_name[c->env.command]);
	if (c->env.command == CNI_ADD)
		print_remarks(&c->conf);
	c->shared->version = c->conf.version;
	c->shared->status = c->env.command == CNI_STATUS;
	snprintf(c->shared->waits, sizeof c->shared->waits, "ipamfs on %s doesn't answer; is the daemon at work?", c->conf.mount);
	cni_guard_leave();
	return commands[c->env.command](c, e);
}

static void work(struct cni_call *c)
{
	struct cni_error e = { 0 }, unread = { 0 };
	size_t size = 0;

	c->conf.version = CNI_VERSIONS - 1;
	c->status = cni_env_read(&c->env, &e);
	/* Whatever else is wrong, the answer is of the version that was asked for. */
	if (c->status == 0 || !isatty(STDIN_FILENO))
		c->input = read_input(&size, c->status == 0 ? &e : &unread);
	if (c->input == NULL)
		c->status = CNI_FAILED;
	else if (c->status < 0)
		c->conf.version = cni_version_asked(c->input, size);
	else if (c->env.command == CNI_VERSION)
		c->out = cni_versions_object(cni_version_name[cni_version_asked(c->input, size)]);
	else
		c->status = run(c, size, &e);
	if (c->status < 0 && c->env.command == CNI_STATUS && e.code == CNI_TRY_AGAIN)
		e.code = CNI_NOT_AVAILABLE; /* that is how STATUS says so */
	if (c->status < 0)
		c->out = cni_error_object(c->conf.version, &e);
}

int main(int argc, char **argv)
{
	streams_guard();
	if (argc > 1 || (getenv("CNI_COMMAND") == NULL && isatty(STDIN_FILENO))) {
		printf("ipamfs-cni %s, a CNI IPAM plugin: container runtimes run it with CNI_COMMAND set\n", IPAM_VERSION);
		if (fflush(stdout) != 0 || ferror(stdout))
			return 1;
		return argc > 1 && strcmp(argv[1], "--version") != 0 && strcmp(argv[1], "--help") != 0;
	}
	signal(SIGPIPE, SIG_IGN); /* that nobody reads is an error like others, and undone */
	return cni_guard(work, PATIENCE);
}
