/* export --shell: commands that make the tree again on an empty mount.
 *
 * Directories and settings by mkdir and cat, as anyone would. Nodes' blocks and leases by the file 'import': it takes exactly
 * the addresses that are asked for, whatever else is free, and all or none. What JSON can't say is done after it: names that
 * are no UTF-8 by renaming, other such values by setfattr. Settings come last, since a limit may be younger than leases. */
#include "export_shell.h"

#include "cli/say.h"
#include "export_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Commands for after something else. */
struct later {
	FILE *file;
	char *text;
	size_t size;
};

struct script {
	const struct view *view;
	struct later odd, last; /* what JSON can't say; settings, owners */
	bool importing;
	char node[64]; /* the name of the node in the import, if it isn't its own */
	unsigned long renamed;
};

static int later_begin(struct later *l)
{
	l->file = open_memstream(&l->text, &l->size);
	return l->file == NULL ? cli_fail(CLI_REFUSED, "out of memory") : CLI_DONE;
}

static void later_drop(struct later *l)
{
	if (l->file != NULL)
		fclose(l->file);
	free(l->text);
	*l = (struct later){ 0 };
}

static void later_end(struct later *l)
{
	if (l->file != NULL && fflush(l->file) == 0)
		fwrite(l->text, 1, l->size, stdout);
	later_drop(l);
}

/* ---- words -------------------------------------------------------------------------------------------------------- */

/* Any name but one with a NUL: in single quotes nothing is special but the quote. */
static void quote(FILE *out, const char *s)
{
	putc('\'', out);
	for (; *s != 0; s++)
		if (*s == '\'')
			fputs("'\\''", out);
		else
			putc(*s, out);
	putc('\'', out);
}

/* Parts from the second on may be NULL. What begins with a dash is no option. */
static void quote_path(FILE *out, const char *a, const char *b, const char *c)
{
	char path[2048];

	snprintf(path, sizeof path, "%s%s%s%s%s%s", a[0] == '-' ? "./" : "", a, b != NULL ? "/" : "", b != NULL ? b : "",
		 c != NULL ? "/" : "", c != NULL ? c : "");
	quote(out, path);
}

/* Can JSON say it, and the file 'import' read it? */
static bool plain(const char *s, size_t n)
{
	json_t *text = json_stringn(s, n);

	json_decref(text);
	return text != NULL && memchr(s, 0, n) == NULL;
}

static void owner(const struct script *s, const char *path, const struct stat *st, unsigned usual)
{
	if (st->st_uid != 0 || st->st_gid != 0) {
		fprintf(s->last.file, "chown %u:%u ", st->st_uid, st->st_gid);
		quote_path(s->last.file, path, NULL, NULL);
		putc('\n', s->last.file);
	}
	if ((st->st_mode & 07777) != usual) {
		fprintf(s->last.file, "chmod %04o ", (unsigned)st->st_mode & 07777);
		quote_path(s->last.file, path, NULL, NULL);
		putc('\n', s->last.file);
	}
}

/* ---- a file of .ipam: a here-document, if there is anything to write ------------------------------------------------ */

struct here {
	FILE *out;
	const char *path, *file;
	const char *key; /* lines with it alone, or NULL */
	bool begun;
};

static void here_begin(struct here *h)
{
	if (!h->begun) {
		fputs("cat >", h->out);
		quote_path(h->out, h->path, ".ipam", h->file);
		fputs(" <<'END'\n", h->out);
	}
	h->begun = true;
}

static int here_line(void *arg, char *line)
{
	struct here *h = arg;

	if (h->key != NULL && strncmp(line, h->key, strlen(h->key)) != 0)
		return CLI_DONE;
	here_begin(h);
	fprintf(h->out, "%s\n", line);
	return CLI_DONE;
}

static int here(const struct script *s, FILE *out, const char *path, const char *file)
{
	struct here h = { out, path, file, NULL, false };
	int status = walk_lines(s->view, path, file, here_line, &h);

	if (h.begun)
		fputs("END\n", out);
	return status;
}

/* ---- the import --------------------------------------------------------------------------------------------------- */

static void end_import(struct script *s)
{
	if (s->importing)
		fputs("END\n", stdout);
	s->importing = false;
}

static int put_import(struct script *s, const char *cluster, json_t *o)
{
	char *dump = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	if (dump == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (!s->importing) {
		/* fsync takes it, all or nothing. */
		fputs("dd bs=64k conv=notrunc,fsync status=none of=", stdout);
		quote_path(stdout, cluster, ".ipam", "import");
		fputs(" <<'END'\n", stdout);
	}
	s->importing = true;
	puts(dump);
	free(dump);
	return CLI_DONE;
}

/* Whose leases may be a gateway's address says so before they come. Into a node's settings, of the name that it has now. */
static int put_gateway(struct script *s, const char *path, const char *cluster, const char *node)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct here h = { out, cluster, "settings", "gateway ", false };
	char now[600];
	int status;

	if (out == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	snprintf(now, sizeof now, "%s%s%s", cluster, node != NULL ? "/" : "", node != NULL ? node : "");
	h.path = now;
	status = walk_lines(s->view, path, "settings", here_line, &h);
	fclose(out);
	if (status == CLI_DONE && h.begun) {
		end_import(s);
		printf("%sEND\n", text);
	}
	free(text);
	return status;
}

static void end_cluster(struct script *s)
{
	end_import(s);
	later_end(&s->odd);
	later_end(&s->last);
}

/* A name of its own for what has one that JSON can't say. */
static const char *other_name(struct script *s, char out[64])
{
	snprintf(out, 64, "ipamctl-export-%lu", ++s->renamed);
	return out;
}

static void rename_later(const struct script *s, const char *directory, const char *from, const char *to)
{
	fputs("mv ", s->odd.file);
	quote_path(s->odd.file, directory, from, NULL);
	putc(' ', s->odd.file);
	quote_path(s->odd.file, directory, to, NULL);
	putc('\n', s->odd.file);
}

/* ---- the tree ----------------------------------------------------------------------------------------------------- */

static int on_cluster(void *arg, const char *name, const struct stat *st)
{
	struct script *s = arg;
	int status;

	end_cluster(s);
	fputs("\nmkdir ", stdout);
	quote_path(stdout, name, NULL, NULL);
	putchar('\n');
	status = here(s, stdout, name, "cidrs");
	if (status == CLI_DONE)
		status = here(s, stdout, name, "reserved");
	if (status == CLI_DONE)
		status = put_gateway(s, name, name, NULL);
	if (status == CLI_DONE)
		status = later_begin(&s->odd);
	if (status == CLI_DONE)
		status = later_begin(&s->last);
	if (status == CLI_DONE)
		status = here(s, s->last.file, name, "settings");
	if (status == CLI_DONE)
		owner(s, name, st, 0755);
	return status;
}

static int add_line(void *arg, char *line)
{
	return json_array_append_new(arg, json_string(line)) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

static int add_label(void *arg, char *line)
{
	char *value = strchr(line, '=');

	if (value == NULL)
		return CLI_DONE;
	*value++ = 0;
	return json_object_set_new(arg, line, json_string(value)) == 0 ? CLI_DONE : cli_fail(CLI_REFUSED, "out of memory");
}

static int on_node(void *arg, const char *cluster, const char *name, const struct stat *st)
{
	struct script *s = arg;
	json_t *cidrs = json_array(), *labels = json_object(), *o = NULL;
	const char *now = name;
	char path[1024];
	int status;

	snprintf(path, sizeof path, "%s/%s", cluster, name);
	s->node[0] = 0;
	if (!plain(name, strlen(name))) {
		now = other_name(s, s->node);
		rename_later(s, cluster, now, name);
	}
	status = walk_lines(s->view, path, "cidrs", add_line, cidrs);
	if (status == CLI_DONE)
		status = walk_lines(s->view, path, "labels", add_label, labels);
	if (status == CLI_DONE)
		o = json_pack("{s:s,s:O}", "node", now, "cidrs", cidrs);
	if (o != NULL && json_object_size(labels) > 0)
		json_object_set(o, "labels", labels);
	if (status == CLI_DONE)
		status = put_import(s, cluster, o);
	json_decref(cidrs);
	json_decref(labels);
	if (status == CLI_DONE)
		status = put_gateway(s, path, cluster, now);
	if (status == CLI_DONE)
		status = here(s, s->last.file, path, "settings");
	if (status == CLI_DONE)
		owner(s, path, st, 0755);
	return status;
}

/* As base64, which setfattr knows, since a value may hold anything. */
static void put_value(FILE *out, const char *s, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	fputs("0s", out);
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)s[i] << 16;

		if (i + 1 < n)
			v |= (unsigned)(unsigned char)s[i + 1] << 8;
		if (i + 2 < n)
			v |= (unsigned char)s[i + 2];
		putc(digits[v >> 18], out);
		putc(digits[v >> 12 & 63], out);
		putc(i + 1 < n ? digits[v >> 6 & 63] : '=', out);
		putc(i + 2 < n ? digits[v & 63] : '=', out);
	}
}

static void set_later(const struct script *s, const char *path, const struct walk_attribute *a)
{
	char name[512];

	snprintf(name, sizeof name, "user.%s", a->name);
	fputs("setfattr -n ", s->odd.file);
	quote(s->odd.file, name);
	fputs(" -v ", s->odd.file);
	put_value(s->odd.file, a->value, a->size);
	putc(' ', s->odd.file);
	quote_path(s->odd.file, path, NULL, NULL);
	putc('\n', s->odd.file);
}

static bool attribute_plain(const struct walk_attribute *a)
{
	return plain(a->name, strlen(a->name)) && plain(a->value, a->size);
}

static int on_lease(void *arg, const char *cluster, const char *node, const struct walk_lease *l)
{
	struct script *s = arg;
	char path[1024], directory[600], other[64];
	bool odd = !plain(l->name, strlen(l->name));
	json_t *o = export_lease_json(l, attribute_plain);

	snprintf(directory, sizeof directory, "%s/%s", cluster, node);
	snprintf(path, sizeof path, "%s/%s", directory, l->name);
	json_object_set_new(o, "node", json_string(s->node[0] != 0 ? s->node : node));
	if (odd) {
		json_object_set_new(o, "name", json_string(other_name(s, other)));
		rename_later(s, directory, other, l->name);
	}
	for (size_t i = 0; i < l->attributes; i++)
		if (!attribute_plain(&l->attribute[i]))
			set_later(s, path, &l->attribute[i]);
	owner(s, path, &l->st, 0644);
	return put_import(s, cluster, o);
}

int export_shell(const struct view *v, bool quiet)
{
	struct script s = { .view = v };
	struct walk w = { on_cluster, on_node, on_lease, &s, quiet };
	int status;

	puts("#!/bin/sh\n"
	     "# Makes the clusters, nodes and leases of an ipamfs again: sh FILE MOUNTPOINT, on an empty mount.\n"
	     "set -eu\n"
	     "umask 022\n"
	     "cd \"${1:?say where the mount is: sh $0 MOUNTPOINT}\"");
	status = walk_mount(v, &w);
	if (status == CLI_DONE) {
		end_cluster(&s);
	} else {
		/* Half a tree must not look like one. */
		end_import(&s);
		puts("echo 'this script ends early: ipamctl export failed' >&2\nexit 1");
		later_drop(&s.odd);
		later_drop(&s.last);
	}
	return status;
}
