/* export --shell: commands that make the tree again on an empty mount.
 *
 * Directories and settings by mkdir and cat, as anyone would. Nodes' blocks and leases by the file 'import': it takes exactly
 * the addresses that are asked for, whatever else is free, and all of a cluster at once. What JSON can't say (names and
 * values that are no UTF-8) is made by hand after it. */
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct script {
	const struct view *view;
	char *late;        /* commands for after the import of the cluster */
	size_t late_size;
	FILE *later;
	bool importing;
};

/* Any name but one with a NUL: in single quotes nothing is special but the quote. */
static void quote(FILE *out, const char *s, size_t n)
{
	putc('\'', out);
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\'')
			fputs("'\\''", out);
		else
			putc(s[i], out);
	putc('\'', out);
}

static void quote_path(FILE *out, const char *a, const char *b, const char *c)
{
	char path[1024];

	snprintf(path, sizeof path, "%s%s%s%s%s", a, b != NULL ? "/" : "", b != NULL ? b : "", c != NULL ? "/" : "", c != NULL ? c : "");
	quote(out, path, strlen(path));
}

static bool utf8(const char *s, size_t n)
{
	json_t *text = json_stringn(s, n);

	json_decref(text);
	return text != NULL;
}

static void owner(FILE *out, const char *path, const struct stat *st, unsigned usual)
{
	if (st->st_uid != 0 || st->st_gid != 0) {
		fprintf(out, "chown %u:%u ", st->st_uid, st->st_gid);
		quote(out, path, strlen(path));
		putc('\n', out);
	}
	if ((st->st_mode & 07777) != usual) {
		fprintf(out, "chmod %04o ", (unsigned)st->st_mode & 07777);
		quote(out, path, strlen(path));
		putc('\n', out);
	}
}

/* ---- a file of .ipam: a here-document, if there is anything to write ------------------------------------------------ */

struct here {
	FILE *out;
	const char *path, *file;
	bool begun;
};

static int here_line(void *arg, char *line)
{
	struct here *h = arg;

	if (!h->begun) {
		fputs("cat >", h->out);
		quote_path(h->out, h->path, ".ipam", h->file);
		fputs(" <<'END'\n", h->out);
	}
	h->begun = true;
	fprintf(h->out, "%s\n", line);
	return CTL_DONE;
}

static int here(const struct script *s, FILE *out, const char *path, const char *file)
{
	struct here h = { out, path, file, false };
	int status = walk_lines(s->view, path, file, here_line, &h);

	if (h.begun)
		fputs("END\n", out);
	return status;
}

/* ---- the import --------------------------------------------------------------------------------------------------- */

static int begin_cluster(struct script *s)
{
	s->importing = false;
	s->later = open_memstream(&s->late, &s->late_size);
	return s->later == NULL ? ctl_fail(CTL_REFUSED, "out of memory") : CTL_DONE;
}

static void end_cluster(struct script *s)
{
	if (s->importing)
		fputs("END\n", stdout);
	if (s->later == NULL)
		return;
	fclose(s->later);
	fwrite(s->late, 1, s->late_size, stdout);
	free(s->late);
	s->later = NULL;
}

static int put_import(struct script *s, const char *cluster, json_t *o)
{
	char *dump = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	if (dump == NULL)
		return ctl_fail(CTL_REFUSED, "out of memory");
	if (!s->importing) {
		/* fsync takes it, all or nothing. */
		fputs("dd bs=64k conv=notrunc,fsync status=none of=", stdout);
		quote_path(stdout, cluster, ".ipam", "import");
		fputs(" <<'END'\n", stdout);
	}
	s->importing = true;
	puts(dump);
	free(dump);
	return CTL_DONE;
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
	if (status == CTL_DONE)
		status = here(s, stdout, name, "reserved");
	if (status == CTL_DONE)
		status = begin_cluster(s);
	/* Settings last: a limit or another gateway may be younger than leases. */
	if (status == CTL_DONE)
		status = here(s, s->later, name, "settings");
	if (status == CTL_DONE)
		owner(s->later, name, st, 0755);
	return status;
}

static int add_line(void *arg, char *line)
{
	return json_array_append_new(arg, json_string(line)) == 0 ? CTL_DONE : ctl_fail(CTL_REFUSED, "out of memory");
}

static int put_node(struct script *s, const char *cluster, const char *name, const char *path)
{
	json_t *cidrs = json_array();
	int status = walk_lines(s->view, path, "cidrs", add_line, cidrs);

	if (status == CTL_DONE && utf8(name, strlen(name)))
		return put_import(s, cluster, json_pack("{s:s,s:o}", "node", name, "cidrs", cidrs));
	json_decref(cidrs);
	if (status != CTL_DONE)
		return status;
	fputs("mkdir ", s->later);
	quote(s->later, path, strlen(path));
	putc('\n', s->later);
	return here(s, s->later, path, "cidrs");
}

static int on_node(void *arg, const char *cluster, const char *name, const struct stat *st)
{
	struct script *s = arg;
	char path[1024];
	int status;

	snprintf(path, sizeof path, "%s/%s", cluster, name);
	status = put_node(s, cluster, name, path);
	if (status == CTL_DONE)
		status = here(s, s->later, path, "settings");
	if (status == CTL_DONE)
		owner(s->later, path, st, 0755);
	return status;
}

static bool says_json(const char *node, const struct walk_lease *l)
{
	bool good = utf8(node, strlen(node)) && utf8(l->name, strlen(l->name));

	for (size_t i = 0; good && i < l->attributes; i++)
		good = utf8(l->attribute[i].name, strlen(l->attribute[i].name)) && utf8(l->attribute[i].value, l->attribute[i].size);
	return good;
}

/* As base64, which setfattr knows, since a value may hold anything. */
static void put_value(FILE *out, const char *s, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	fputs("0s", out);
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned char)s[i] << 16u;

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

static void put_by_hand(FILE *out, const char *path, const struct walk_lease *l)
{
	fputs("cat >", out);
	quote(out, path, strlen(path));
	fprintf(out, " <<'END'\n%sEND\n", l->text);
	for (size_t i = 0; i < l->attributes; i++) {
		char name[512];

		snprintf(name, sizeof name, "user.%s", l->attribute[i].name);
		fputs("setfattr -n ", out);
		quote(out, name, strlen(name));
		fputs(" -v ", out);
		put_value(out, l->attribute[i].value, l->attribute[i].size);
		putc(' ', out);
		quote(out, path, strlen(path));
		putc('\n', out);
	}
}

static int on_lease(void *arg, const char *cluster, const char *node, const struct walk_lease *l)
{
	struct script *s = arg;
	char path[1024];
	json_t *o;

	snprintf(path, sizeof path, "%s/%s/%s", cluster, node, l->name);
	owner(s->later, path, &l->st, 0644);
	if (!says_json(node, l)) {
		put_by_hand(s->later, path, l);
		return CTL_DONE;
	}
	o = export_lease_json(l);
	json_object_set_new(o, "node", json_string(node));
	return put_import(s, cluster, o);
}

int export_shell(const struct view *v, const char *node, bool quiet)
{
	struct script s = { .view = v };
	struct walk w = { on_cluster, on_node, on_lease, &s, node, quiet };
	int status;

	puts("#!/bin/sh\n"
	     "# Makes the clusters, nodes and leases of an ipamfs again: sh FILE MOUNTPOINT, on an empty mount.\n"
	     "set -eu\n"
	     "cd \"${1:?say where the mount is: sh $0 MOUNTPOINT}\"");
	status = walk_mount(v, &w);
	end_cluster(&s);
	return status;
}
