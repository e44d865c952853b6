/* printable — texts that came from others, for terminals and logs.
 *
 * A name, an attribute, what a server says may hold what a terminal acts on or what makes a line read otherwise than it is: control
 * characters (C0, DEL, C1 as UTF-8 or as bytes), line and paragraph separators, bidirectional marks and overrides (Unicode's TR 36), and
 * what isn't UTF-8. Each of these becomes a '?', so that the text never grows.
 */
#ifndef IPAM_BASE_PRINTABLE_H
#define IPAM_BASE_PRINTABLE_H

#include <stddef.h>

/* The length of the character at s, of n bytes; 0: it is one of these, or none. */
size_t printable_character(const char *s, size_t n);
/* Of n bytes, into `to`, which may be `from`; a NUL follows. The new length. */
size_t printable(char *to, const char *from, size_t n);

#endif
