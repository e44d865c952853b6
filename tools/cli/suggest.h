/* suggest — what may have been meant by a mistyped word. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stdbool.h>

/* The word nearest to a mistyped one, or NULL where none is near. words ends with NULL. */
const char *cli_suggest(const char *word, const char *const *words);
/* Are they the same but for a letter? */
bool cli_is_slip(const char *word, const char *meant);

#endif
