#include "sieve.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 64 << 10, OUT_MAX = 4 << 20 };

enum state {
	VALUE,     /* one is to come */
	FIRST,     /* or the end of an empty array */
	KEY,       /* or the end of an object */
	NEXT_KEY,  /* no end */
	COLON,     /* after a key */
	MORE,      /* a comma, or an end */
	STRING,    /* a value that is wanted */
	KEY_TEXT,  /* a key */
	SCALAR,    /* a number, true, false, null */
	SKIP,      /* what isn't wanted */
	SKIP_WORD, /* a scalar of these */
	DONE,
};

/* ---- texts ------------------------------------------------------------------------------------------------------------ */

static int add(struct sieve_text *t, const char *s, size_t n, size_t max)
{
	if (n > max || t->n > max - n)
		return -EMSGSIZE;
	if (t->n + n + 1 > t->room) {
		size_t room = (t->n + n + 1) * 2;
		char *bigger = realloc(t->s, room);

		if (bigger == NULL)
			return -ENOMEM;
		t->s = bigger;
		t->room = room;
	}
	memcpy(t->s + t->n, s, n);
	t->n += n;
	t->s[t->n] = 0;
	return 0;
}

static int put(struct sieve *s, const char *text, size_t n)
{
	return add(&s->out, text, n, OUT_MAX);
}

/* One that is longer than anything that is wanted is as one that can't be read. */
static int gather(struct sieve *s, char c)
{
	int rc = s->long_ ? 0 : add(&s->token, &c, 1, TOKEN_MAX);

	if (rc == -EMSGSIZE)
		s->long_ = true;
	return rc == -EMSGSIZE ? 0 : rc;
}

static void begin_token(struct sieve *s)
{
	s->token.n = 0;
	s->long_ = s->escaped = false;
}

static json_t *token_value(const struct sieve *s)
{
	return s->long_ ? NULL : json_loadb(s->token.s, s->token.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* ---- paths ------------------------------------------------------------------------------------------------------------ */

static const char *part(const char *path, unsigned k, size_t *n)
{
	for (; path != NULL && k > 0; k--) {
		path = strchr(path, '.');
		path = path == NULL ? NULL : path + 1;
	}
	*n = path == NULL ? 0 : strcspn(path, ".");
	return path;
}

/* Of `among`, those whose part at this depth is the key's; NULL: an element's. */
static uint32_t matching(const struct sieve *s, uint32_t among, const char *key)
{
	unsigned k = s->depth - 1;
	uint32_t found = 0;

	for (unsigned i = 0; s->wanted[i] != NULL; i++) {
		size_t n;
		const char *p = (among >> i & 1) != 0 ? part(s->wanted[i], k, &n) : NULL;

		if (p != NULL && ((n == 1 && *p == '*') || (key != NULL && strlen(key) == n && memcmp(p, key, n) == 0)))
			found |= 1u << i;
	}
	return found;
}

/* Does one of them lead deeper than here? */
static bool lead_on(const struct sieve *s, uint32_t paths)
{
	for (unsigned i = 0; s->wanted[i] != NULL; i++) {
		size_t n;

		if ((paths >> i & 1) != 0 && part(s->wanted[i], s->depth, &n) != NULL)
			return true;
	}
	return false;
}

static uint32_t all(const struct sieve *s)
{
	uint32_t paths = 0;

	for (unsigned i = 0; s->wanted[i] != NULL; i++) {
		assert(i < SIEVE_PATHS);
		paths |= 1u << i;
	}
	return paths;
}

/* ---- members and elements ----------------------------------------------------------------------------------------------- */

static struct sieve_frame *top(struct sieve *s)
{
	return &s->frame[s->depth - 1];
}

/* What comes is wanted: what separates it from the last, and its key (its token), go before it. */
static int announce(struct sieve *s, bool key)
{
	struct sieve_frame *f = top(s);
	int rc = f->some ? put(s, ",", 1) : 0;

	f->some = true;
	if (rc == 0 && key)
		rc = put(s, s->token.s, s->token.n);
	return rc == 0 && key ? put(s, ":", 1) : rc;
}

static int take_key(struct sieve *s)
{
	json_t *value = token_value(s);
	const char *key = text_of(value);
	struct sieve_frame *f = top(s);
	int rc = 0;

	f->of = key == NULL ? 0 : matching(s, f->paths, key);
	f->begin = s->out.n;
	if (f->of != 0)
		rc = announce(s, true);
	json_decref(value);
	s->state = COLON;
	return rc;
}

/* Elements of something else aren't told. The output is our own: only the kind itself can look like it. */
static bool is_of_kind(const struct sieve *s)
{
	char text[128];
	int n = snprintf(text, sizeof text, "\"kind\":\"%s\"", s->kind);

	assert(n > 0 && n < (int)sizeof text);
	return memmem(s->out.s, s->out.n, text, (size_t)n) != NULL;
}

static int tell(struct sieve *s)
{
	struct sieve_frame *f = top(s);
	json_t *element =
		is_of_kind(s) ? json_loadb(s->out.s + f->begin, s->out.n - f->begin, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;

	if (element == NULL)
		return -EPROTO;
	s->take(s->arg, element);
	json_decref(element);
	s->out.n = f->begin;
	f->some = false;
	return 0;
}

/* A value has ended. */
static int ended(struct sieve *s)
{
	s->state = s->depth == 0 ? DONE : MORE;
	return s->take != NULL && s->depth == 2 && top(s)->open == '[' && top(s)->of != 0 ? tell(s) : 0;
}

static int end_token(struct sieve *s)
{
	json_t *value = token_value(s);
	int rc = value == NULL ? put(s, "null", 4) : put(s, s->token.s, s->token.n);

	json_decref(value);
	return rc == 0 ? ended(s) : rc;
}

static int open_frame(struct sieve *s, char c, uint32_t paths)
{
	if (s->depth == SIEVE_DEPTH)
		return -EPROTO;
	s->frame[s->depth++] = (struct sieve_frame){ .open = c, .paths = paths };
	s->state = c == '{' ? KEY : FIRST;
	return put(s, &c, 1);
}

static int close_frame(struct sieve *s, char c)
{
	int rc;

	if (s->depth == 0 || (c == '}') != (top(s)->open == '{'))
		return -EPROTO;
	rc = put(s, &c, 1);
	s->depth--;
	return rc == 0 ? ended(s) : rc;
}

static void skip(struct sieve *s, char c)
{
	s->state = c == '"' || c == '{' || c == '[' ? SKIP : SKIP_WORD;
	s->skipped = c == '{' || c == '[';
	s->in_string = c == '"';
	s->escaped = false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '+' || c == '-' || c == '.' || c == 'E';
}

/* The first byte of a value. */
static int begin_value(struct sieve *s, char c)
{
	uint32_t paths = s->depth == 0 ? all(s) : top(s)->of;
	bool nested = c == '{' || c == '[';
	int rc = 0;

	if (c != '"' && c != '-' && !nested && !is_word(c))
		return -EPROTO;
	if (s->depth > 0 && top(s)->open == '[') {
		paths = top(s)->of = matching(s, top(s)->paths, NULL);
		if (paths != 0)
			rc = announce(s, false);
		top(s)->begin = s->out.n;
	}
	if (rc == 0 && paths == 0 && s->depth > 0) {
		skip(s, c);
		return 0;
	}
	if (rc == 0 && nested && lead_on(s, paths))
		return open_frame(s, c, paths);
	if (rc == 0 && nested) { /* none that was meant */
		rc = put(s, "null", 4);
		skip(s, c);
		return rc;
	}
	begin_token(s);
	s->state = c == '"' ? STRING : SCALAR;
	return rc == 0 ? gather(s, c) : rc;
}

/* ---- byte by byte --------------------------------------------------------------------------------------------------------- */

/* Is this the quote that ends a string? */
static bool ends_string(struct sieve *s, char c)
{
	bool end = c == '"' && !s->escaped;

	s->escaped = c == '\\' && !s->escaped;
	return end;
}

static int pass_over(struct sieve *s, char c)
{
	if (s->in_string)
		s->in_string = !ends_string(s, c);
	else if (c == '"')
		s->in_string = true;
	else if (c == '{' || c == '[')
		s->skipped++;
	else if (c == '}' || c == ']')
		s->skipped--;
	return s->in_string || s->skipped > 0 ? 0 : ended(s);
}

static int between(struct sieve *s, char c)
{
	if (is_blank(c))
		return 0;
	switch ((enum state)s->state) {
	case FIRST:
		if (c == ']')
			return close_frame(s, c);
		return begin_value(s, c);
	case VALUE:
		return begin_value(s, c);
	case KEY:
		if (c == '}')
			return close_frame(s, c);
		/* fall through */
	case NEXT_KEY:
		begin_token(s);
		s->state = KEY_TEXT;
		return c == '"' ? gather(s, c) : -EPROTO;
	case COLON:
		s->state = VALUE;
		return c == ':' ? 0 : -EPROTO;
	case MORE:
		if (c != ',')
			return close_frame(s, c);
		s->state = top(s)->open == '{' ? NEXT_KEY : VALUE;
		return 0;
	default:
		return -EPROTO; /* after the end */
	}
}

static int step(struct sieve *s, char c)
{
	int rc;

	switch ((enum state)s->state) {
	case STRING:
	case KEY_TEXT:
		rc = gather(s, c);
		if (rc < 0 || !ends_string(s, c))
			return rc;
		return s->state == STRING ? end_token(s) : take_key(s);
	case SKIP:
		return pass_over(s, c);
	case SKIP_WORD:
	case SCALAR:
		if (is_word(c))
			return s->state == SCALAR ? gather(s, c) : 0;
		rc = s->state == SCALAR ? end_token(s) : ended(s);
		return rc < 0 ? rc : between(s, c);
	default:
		return between(s, c);
	}
}

int sieve_feed(struct sieve *s, const char *data, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		/* Most of what comes. */
		while (s->state == SKIP && s->in_string && !s->escaped && i + 1 < n && data[i] != '"' && data[i] != '\\')
			i++;
		rc = step(s, data[i]);
	}
	return rc;
}

json_t *sieve_end(const struct sieve *s)
{
	return s->state == DONE ? json_loadb(s->out.s, s->out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
}

void sieve_free(struct sieve *s)
{
	free(s->out.s);
	free(s->token.s);
	s->out = s->token = (struct sieve_text){ 0 };
}

json_t *sieve_text(const char *text, size_t n, const char *const *wanted)
{
	struct sieve s = { .wanted = wanted };
	json_t *value = sieve_feed(&s, text, n) == 0 ? sieve_end(&s) : NULL;

	sieve_free(&s);
	return value;
}

const char *text_of(const json_t *value)
{
	const char *s = json_string_value(value);

	return s == NULL || strlen(s) != json_string_length(value) ? NULL : s;
}

const char *text_in(const json_t *object, const char *key)
{
	return text_of(json_object_get(object, key));
}
