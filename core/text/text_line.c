#include "text/text_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool text_next_word(const char **at, const char *stop, struct text_word *out)
{
	const char *p = *at;

	while (p < stop && blank(*p))
		p++;
	out->s = p;
	while (p < stop && !blank(*p))
		p++;
	out->n = (size_t)(p - out->s);
	*at = p;
	return out->n > 0;
}

bool text_next_line(struct text_reader *r)
{
	while (r->s < r->end) {
		const char *eol = memchr(r->s, '\n', (size_t)(r->end - r->s)), *hash, *at;
		struct text_word word;

		if (eol == NULL)
			eol = r->end;
		hash = memchr(r->s, '#', (size_t)(eol - r->s));
		r->line = at = r->s;
		r->stop = hash != NULL ? hash : eol;
		r->s = eol < r->end ? eol + 1 : eol;
		for (r->words = 0; text_next_word(&at, r->stop, &word); r->words++)
			if (r->words < TEXT_WORDS)
				r->word[r->words] = word;
		if (r->words > 0)
			return true;
	}
	return false;
}

int text_grow(void **array, size_t count, size_t element)
{
	void *bigger;

	if (count != 0 && (count & (count - 1)) != 0)
		return 0;
	bigger = reallocarray(*array, count == 0 ? 1 : count * 2, element);
	if (bigger == NULL)
		return -ENOMEM;
	*array = bigger;
	return 0;
}
