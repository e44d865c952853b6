/* Of an object's text, before it is parsed, what an import looks at: a twentieth, and the parser is the slow part. What
 * goes is checked for its structure all the same. */
#include "ipamctl/kube/prune.h"

#include "ipamctl/kube/parse.h"

#include <string.h>

enum { DEPTH_MAX = 256 };

struct cut {
	const char *at, *end;
	char *out; /* has room for the whole text: what is kept is never longer */
	const char *why;
};

static bool wrong(struct cut *c, const char *why)
{
	if (c->why == NULL)
		c->why = why;
	return false;
}

static int peek(struct cut *c)
{
	const char *p = c->at, *end = c->end;

	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	c->at = p;
	return p < end ? (unsigned char)*p : -1;
}

static bool skip_string(struct cut *c)
{
	for (;;) {
		do
			c->at++;
		while (c->at < c->end && *c->at != '"' && *c->at != '\\' && (unsigned char)*c->at >= 0x20);
		if (c->at == c->end)
			return wrong(c, "a string has no end");
		if (*c->at == '"')
			break;
		if (*c->at != '\\')
			return wrong(c, "a control byte in a string");
		if (++c->at == c->end || *c->at == 0 || strchr("\"\\/bfnrtu", *c->at) == NULL)
			return wrong(c, "no escape begins so");
	}
	c->at++;
	return true;
}

static bool skip_scalar(struct cut *c)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *begin = c->at;

	for (unsigned i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(c->end - begin) >= n && memcmp(begin, words[i], n) == 0) {
			c->at += n;
			return true;
		}
	}
	while (c->at < c->end && *c->at != 0 && strchr("+-.0123456789eE", *c->at) != NULL)
		c->at++;
	return c->at > begin && (*begin == '-' || (*begin >= '0' && *begin <= '9')) ? true : wrong(c, "a value is wanted here");
}

static bool skip_value(struct cut *c, unsigned depth);

/* The key and the colon. */
static bool skip_key(struct cut *c)
{
	if (peek(c) != '"')
		return wrong(c, "a name in quotes is wanted here");
	if (!skip_string(c))
		return false;
	if (peek(c) != ':')
		return wrong(c, "a colon is wanted here");
	c->at++;
	return true;
}

/* After a member: false at the end, or where something is wrong. */
static bool goes_on(struct cut *c, char close)
{
	int next = peek(c);

	if (next != ',' && next != close)
		return wrong(c, close == '}' ? "a comma or } is wanted here" : "a comma or ] is wanted here");
	c->at++;
	return next == ',';
}

static bool skip_inside(struct cut *c, char close, unsigned depth)
{
	c->at++;
	if (peek(c) == close) {
		c->at++;
		return true;
	}
	do
		if ((close == '}' && !skip_key(c)) || !skip_value(c, depth + 1))
			return false;
	while (goes_on(c, close));
	return c->why == NULL;
}

static bool skip_value(struct cut *c, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return wrong(c, "too deep");
	switch (peek(c)) {
	case '{':
		return skip_inside(c, '}', depth);
	case '[':
		return skip_inside(c, ']', depth);
	case '"':
		return skip_string(c);
	default:
		return skip_scalar(c);
	}
}

static void put(struct cut *c, const char *text, size_t n)
{
	memcpy(c->out, text, n);
	c->out += n;
}

/* A key that is written with escapes may be any: it is kept, and the parser knows. */
static const struct kube_wanted all = { .key = "", .how = KUBE_ALL };

static const struct kube_wanted *find(const struct kube_wanted *wanted, const char *key, size_t n)
{
	if (memchr(key, '\\', n) != NULL)
		return &all;
	while (wanted->key != NULL && (strlen(wanted->key) != n || memcmp(wanted->key, key, n) != 0))
		wanted++;
	return wanted->key != NULL ? wanted : NULL;
}

static bool prune(struct cut *c, const struct kube_wanted *wanted, unsigned depth);

static bool prune_member(struct cut *c, const struct kube_wanted *wanted, unsigned depth, bool *any)
{
	const char *key, *value;
	const struct kube_wanted *w;
	size_t n;

	peek(c);
	key = c->at;
	if (!skip_key(c))
		return false;
	n = (size_t)((const char *)memchr(key + 1, '"', (size_t)(c->at - key)) - key - 1);
	w = find(wanted, key + 1, n);
	if (w == NULL)
		return skip_value(c, depth + 1);
	if (*any)
		put(c, ",", 1);
	*any = true;
	put(c, key, (size_t)(c->at - key));
	if (w->how == KUBE_INTO && peek(c) == '{')
		return prune(c, w->into, depth + 1);
	peek(c);
	value = c->at;
	if (!skip_value(c, depth + 1))
		return false;
	if (w->how == KUBE_MARK)
		put(c, "1", 1);
	else
		put(c, value, (size_t)(c->at - value));
	return true;
}

static bool prune(struct cut *c, const struct kube_wanted *wanted, unsigned depth)
{
	bool any = false;

	put(c, "{", 1);
	c->at++;
	if (peek(c) == '}') {
		c->at++;
	} else {
		do
			if (!prune_member(c, wanted, depth, &any))
				return false;
		while (goes_on(c, '}'));
	}
	if (c->why != NULL)
		return false;
	put(c, "}", 1);
	return true;
}

const char *kube_prune(const char *text, size_t size, const struct kube_wanted *wanted, char *out, size_t *out_size)
{
	struct cut c = { .at = text, .end = text + size, .out = out };

	if (prune(&c, wanted, 0) && c.at != c.end)
		wrong(&c, "the object should end here");
	*out_size = c.why != NULL ? (size_t)(c.at - text) : (size_t)(c.out - out);
	return c.why;
}
