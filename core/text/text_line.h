/* text_line — lines and words of what users write: what the parsers of text.h share. */
#ifndef IPAM_TEXT_TEXT_LINE_H
#define IPAM_TEXT_TEXT_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum { TEXT_WORDS = 3 };

struct text_word {
	const char *s;
	size_t n;
};

/* Walks lines that have words in them. */
struct text_reader {
	const char *s, *end;
	const char *line, *stop; /* the line that was read, without its comment */
	struct text_word word[TEXT_WORDS];
	size_t words; /* as many as there are on the line, though only TEXT_WORDS are kept */
};

bool text_next_line(struct text_reader *r);
/* The words of [*at, stop), one by one. */
bool text_next_word(const char **at, const char *stop, struct text_word *out);
/* Space for one more element; lists are short or come in one write, so doubling is enough. -ENOMEM. */
int text_grow(void **array, size_t count, size_t element);

#endif
