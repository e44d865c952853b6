#include "base/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The character at s and its length, by RFC 3629; 0: none is there. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t size = s[0] < 0x80                 ? 1 :
		      s[0] >= 0xc0 && s[0] < 0xe0 ? 2 :
		      s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
		      s[0] >= 0xf0 && s[0] < 0xf8 ? 4 :
						    0;

	if (size == 0 || size > n)
		return 0;
	*c = size == 1 ? s[0] : s[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3fu);
	}
	return *c < least[size] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : size;
}

static bool is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	if (c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x206f))
		return false;
	/* Nothing is to be seen of these, and a name with them looks like another one. */
	return c != 0xfeff && (c & 0xfffe) != 0xfffe && !(c >= 0xe0000 && c < 0xe0080);
}

size_t printable_character(const char *s, size_t n)
{
	uint32_t c;
	size_t k;

	/* ASCII, as nearly all is: reports ask this of each byte of millions of names. */
	if (n > 0 && *s >= 0x20 && *s < 0x7f)
		return 1;
	k = n == 0 ? 0 : decode((const unsigned char *)s, n, &c);
	return k > 0 && is_harmless(c) ? k : 0;
}

size_t printable(char *to, const char *from, size_t n)
{
	const unsigned char *s = (const unsigned char *)from;
	size_t size = 0;

	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		size_t k = decode(s + i, n - i, &c);

		if (k > 0 && is_harmless(c)) {
			memmove(to + size, s + i, k);
			size += k;
		} else {
			to[size++] = '?';
		}
		i += k > 0 ? k : 1;
	}
	to[size] = 0;
	return size;
}
