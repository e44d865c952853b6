/* sieve — of a JSON text that comes in pieces only what is wanted, in bounded room: RFC 8259.
 *
 * What isn't wanted is passed over, whatever its strings hold: one that can't be read (a lone surrogate, what isn't UTF-8) is no
 * trouble there. Where such a one is wanted, its value is null; a member whose key can't be read is left out. A NUL is kept, and is
 * for whoever reads it: text_of.
 */
#ifndef IPAMKUBE_SIEVE_H
#define IPAMKUBE_SIEVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIEVE_DEPTH = 8, SIEVE_PATHS = 32 };

/* An element; borrowed. */
typedef void sieve_take(void *arg, const json_t *element);

struct sieve {
	/* Paths with a dot between their parts, "*" for any: at most SIEVE_PATHS, and NULL. */
	const char *const *wanted;
	/* Or NULL: the elements of arrays that are members of the whole are told one by one, and then forgotten, if the whole is of this
	 * kind, which it must have said before. */
	sieve_take *take;
	void *arg;
	const char *kind;

	/* its own; all zero at the beginning */
	struct sieve_frame {
		uint32_t paths; /* those that lead through here */
		char open;      /* { or [ */
		bool some;      /* it has a member in the output */
		uint32_t of;    /* the paths of the member that comes */
		size_t begin;   /* where that begins in the output */
	} frame[SIEVE_DEPTH];
	unsigned depth;
	int state;
	unsigned skipped; /* brackets that are open in what is passed over */
	bool in_string, escaped, long_;
	struct sieve_text {
		char *s;
		size_t n, room;
	} out, token;
};

/* 0; -EPROTO: it isn't JSON; -EMSGSIZE: what is wanted is too large; -ENOMEM. */
int sieve_feed(struct sieve *s, const char *data, size_t n);
/* What was wanted, but for the elements; NULL: the text isn't whole. Give it to json_decref. */
json_t *sieve_end(const struct sieve *s);
void sieve_free(struct sieve *s);

/* A whole text. NULL: it isn't JSON. */
json_t *sieve_text(const char *text, size_t n, const char *const *wanted);

/* A string's text; NULL: it is none, or has a NUL in it. */
const char *text_of(const json_t *value);
/* That of a member. */
const char *text_in(const json_t *object, const char *key);

#endif
