/* Reading JSON texts of any length: a value at a time is held, cut out by its brackets and given to the parser, which
 * checks it. */
#include "ipamctl/kube/read.h"

#include "cli/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 1 << 20, ROOM_MAX = 256 << 20 };

static int fail(const struct kube_reader *r, uint64_t at, const char *why)
{
	return r->error != 0 ? cli_fail(CLI_REFUSED, "%s: %s; nothing was imported", r->name, strerror(r->error)) :
			       cli_fail(CLI_REFUSED, "%s: byte %llu: %s; nothing was imported", r->name, (unsigned long long)at, why);
}

static uint64_t offset(const struct kube_reader *r)
{
	return r->base + r->at;
}

static bool make_room(struct kube_reader *r)
{
	size_t room = r->room == 0 ? ROOM : r->room * 2;
	char *bigger;

	if (r->end < r->room)
		return true;
	bigger = room > ROOM_MAX ? NULL : realloc(r->buf, room);
	if (bigger == NULL) {
		r->error = room > ROOM_MAX ? EFBIG : ENOMEM;
		return false;
	}
	r->buf = bigger;
	r->room = room;
	return true;
}

/* Reads on; what is unread moves to the front. false: the end, or an error. */
static bool more(struct kube_reader *r)
{
	ssize_t n;

	if (r->at > 0) {
		memmove(r->buf, r->buf + r->at, r->end - r->at);
		r->base += r->at;
		r->end -= r->at;
		r->at = 0;
	}
	if (r->error != 0 || !make_room(r))
		return false;
	do
		n = read(r->fd, r->buf + r->end, r->room - r->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		r->error = errno;
	if (n <= 0)
		return false;
	r->end += (size_t)n;
	for (; r->progress != NULL && r->steps < (r->base + r->end) / 1024; r->steps++)
		progress_step(r->progress);
	return true;
}

/* The next byte that is no blank, not taken; -1 at the end. */
static int peek(struct kube_reader *r)
{
	for (;;) {
		for (; r->at < r->end; r->at++) {
			char c = r->buf[r->at];

			if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
				return (unsigned char)c;
		}
		if (!more(r))
			return -1;
	}
}

/* The byte n after r->at, if it is there. */
static bool reach(struct kube_reader *r, size_t n)
{
	return r->at + n < r->end || more(r);
}

static size_t scalar_extent(struct kube_reader *r)
{
	size_t n = 0;

	while (reach(r, n) && strchr(" \t\r\n,:]}", r->buf[r->at + n]) == NULL)
		n++;
	return r->error == 0 ? n : 0;
}

/* How many bytes the value at r->at has, up to the quote or bracket that ends it; they are in the buffer then. 0: the
 * file ends before it does. */
static size_t extent(struct kube_reader *r)
{
	static const bool special[256] = { ['"'] = true, ['['] = true, [']'] = true, ['{'] = true, ['}'] = true };
	unsigned depth = 0;
	bool string = false;
	size_t n = 0;

	if (!reach(r, 0) || !special[(unsigned char)r->buf[r->at]])
		return scalar_extent(r);
	while (reach(r, n)) {
		const char *begin = r->buf + r->at, *end = r->buf + r->end, *p = begin + n;

		if (string)
			while (p < end && *p != '"' && *p != '\\')
				p++;
		else
			while (p < end && !special[(unsigned char)*p])
				p++;
		n = (size_t)(p - begin);
		if (p == end)
			continue;
		n++;
		if (*p == '\\')
			n++; /* and what it escapes, which may not have been read yet */
		else if (*p == '"')
			string = !string;
		else if (*p == '[' || *p == '{')
			depth++;
		else if (depth-- == 0)
			return 0;
		if (depth == 0 && !string)
			return n;
	}
	return 0;
}

/* Only what is wanted of an object. */
static json_t *parse_pruned(struct kube_reader *r, uint64_t begin, const char *text, size_t n)
{
	json_error_t error;
	const char *why;
	json_t *v = NULL;
	size_t size;

	if (n > r->pruned_room) {
		free(r->pruned);
		r->pruned = malloc(n);
		r->pruned_room = r->pruned == NULL ? 0 : n;
	}
	if (r->pruned == NULL) {
		r->error = ENOMEM;
		fail(r, begin, "");
		return NULL;
	}
	why = kube_prune(text, n, r->wanted, r->pruned, &size);
	if (why != NULL)
		fail(r, begin + size, why);
	else if ((v = json_loadb(r->pruned, size, JSON_REJECT_DUPLICATES, &error)) == NULL)
		fail(r, begin, error.text);
	return v;
}

/* The value that comes next; NULL with the message given. */
static json_t *value(struct kube_reader *r, bool prune)
{
	uint64_t begin;
	json_error_t error;
	json_t *v;
	size_t n;

	peek(r);
	begin = offset(r);
	n = extent(r);
	if (n == 0) {
		bool ended = r->at == r->end || strchr("]},:", r->buf[r->at]) == NULL;

		fail(r, ended ? r->base + r->end : begin, ended ? "the file ends in the middle" : "a value is wanted here");
		return NULL;
	}
	if (prune && r->wanted != NULL && r->buf[r->at] == '{') {
		v = parse_pruned(r, begin, r->buf + r->at, n);
	} else {
		v = json_loadb(r->buf + r->at, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
		if (v == NULL)
			fail(r, begin + (uint64_t)(error.position > 0 ? error.position : 0), error.text);
	}
	r->at += n;
	return v;
}

/* Takes one of the two bytes; 0 with the message given. */
static int expect(struct kube_reader *r, int one, int other, const char *why)
{
	int c = peek(r);

	if (c >= 0 && (c == one || c == other)) {
		r->at++;
		return c;
	}
	fail(r, offset(r), c < 0 ? "the file ends in the middle" : why);
	return 0;
}

static int items(struct kube_reader *r, const char *hint, kube_taker *take, void *arg)
{
	int next = expect(r, '[', '[', "an array is wanted here");

	if (next != 0 && peek(r) == ']') {
		r->at++;
		return CLI_DONE;
	}
	while (next != 0 && next != ']') {
		uint64_t begin;
		const char *why;
		json_t *v;

		peek(r);
		begin = offset(r);
		v = value(r, true);
		if (v == NULL)
			return CLI_REFUSED;
		why = json_is_object(v) ? take(arg, hint, v) : "an object is wanted here";
		json_decref(v);
		if (why != NULL)
			return fail(r, begin, why);
		next = expect(r, ',', ']', "a comma or ] is wanted here");
	}
	return next == 0 ? CLI_REFUSED : CLI_DONE;
}

int kube_read_array(struct kube_reader *r, kube_taker *take, void *arg)
{
	int status = items(r, NULL, take, arg);

	return status == CLI_DONE && peek(r) >= 0 ? fail(r, offset(r), "the file should end here") : status;
}

/* What a list of this kind holds: "Pod" for a PodList; NULL where that isn't said. */
static const char *kind_within(json_t *rest, char out[64])
{
	const char *kind = json_string_value(json_object_get(rest, "kind"));
	size_t n = kind == NULL ? 0 : strlen(kind);

	if (n <= 4 || n - 4 >= 64 || strcmp(kind + n - 4, "List") != 0)
		return NULL;
	memcpy(out, kind, n - 4);
	out[n - 4] = 0;
	return out;
}

/* One member of a list's object: its items are taken one by one, what else there is goes into rest. */
static int member(struct kube_reader *r, json_t *rest, bool *found, kube_taker *take, void *arg)
{
	uint64_t begin = offset(r);
	json_t *key = value(r, false), *v = NULL;
	int status = CLI_DONE;
	char kind[64];

	if (key == NULL)
		return CLI_REFUSED;
	if (!json_is_string(key))
		status = fail(r, begin, "a name in quotes is wanted here");
	else if (expect(r, ':', ':', "a colon is wanted here") == 0)
		status = CLI_REFUSED;
	else if (strcmp(json_string_value(key), "items") == 0 && *found)
		status = fail(r, begin, "these are items again");
	else if (strcmp(json_string_value(key), "items") == 0 && peek(r) == '[') {
		*found = true;
		status = items(r, kind_within(rest, kind), take, arg);
	} else {
		*found |= strcmp(json_string_value(key), "items") == 0 && peek(r) == 'n'; /* null: an empty list */
		v = value(r, false);
		if (v == NULL || json_object_set_new(rest, json_string_value(key), v) < 0)
			status = CLI_REFUSED;
	}
	json_decref(key);
	return status;
}

static int list(struct kube_reader *r, kube_taker *take, void *arg)
{
	uint64_t begin = offset(r);
	json_t *rest = json_object();
	bool found = false;
	int status = CLI_DONE, next = expect(r, '{', '{', "no Kubernetes list in JSON begins so (kubectl get nodes,pods -A -o json)");
	const char *kind, *why;

	if (next != 0 && peek(r) == '}') {
		r->at++;
		next = '}';
	}
	while (next != 0 && next != '}' && status == CLI_DONE) {
		peek(r);
		status = member(r, rest, &found, take, arg);
		if (status == CLI_DONE)
			next = expect(r, ',', '}', "a comma or } is wanted here");
	}
	if (next == 0)
		status = CLI_REFUSED;
	kind = json_string_value(json_object_get(rest, "kind"));
	if (status == CLI_DONE && !found) {
		/* No list: an object by itself, as kubectl get node NAME shows it. */
		if (kind == NULL || (strcmp(kind, "Node") != 0 && strcmp(kind, "Pod") != 0))
			status = fail(r, begin, "an object that is neither a list, a Node nor a Pod");
		else if ((why = take(arg, NULL, rest)) != NULL)
			status = fail(r, begin, why);
	}
	json_decref(rest);
	return status;
}

int kube_read_lists(struct kube_reader *r, kube_taker *take, void *arg)
{
	int status = CLI_DONE;

	if (peek(r) < 0)
		return fail(r, 0, "the file is empty");
	while (status == CLI_DONE && peek(r) >= 0)
		status = list(r, take, arg);
	return status == CLI_DONE && r->error != 0 ? fail(r, 0, "") : status;
}

void kube_reader_end(struct kube_reader *r)
{
	free(r->buf);
	free(r->pruned);
	r->buf = r->pruned = NULL;
}
