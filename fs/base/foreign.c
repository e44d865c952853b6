#include "fs/base/foreign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 512 }; /* of a container's id or an interface's name: far more than any has */

/* ---- host-local ----------------------------------------------------------------------------------------------- */

bool foreign_last(const char *name, unsigned *range)
{
	char canonical[32];

	if (strncmp(name, FOREIGN_LAST, strlen(FOREIGN_LAST)) != 0)
		return false;
	*range = (unsigned)strtoul(name + strlen(FOREIGN_LAST), NULL, 10);
	snprintf(canonical, sizeof canonical, FOREIGN_LAST "%u", *range);
	return *range <= IPAM_NETWORK_RANGE_MAX && strcmp(canonical, name) == 0;
}

bool foreign_address(const char *name, uint8_t *family, u128 *addr)
{
	char canonical[CIDR_ADDR_TEXT];

	if (cidr_parse_addr(name, strlen(name), family, addr) < 0)
		return false;
	cidr_print_addr(*family, *addr, canonical);
	return strcmp(canonical, name) == 0;
}

/* The next line's word, without the blanks around it: false where it holds bytes that no name does, or there is none. */
static bool next_word(const char **s, const char *end, const char **word, size_t *size)
{
	const char *eol = memchr(*s, '\n', (size_t)(end - *s));
	const char *stop = eol != NULL ? eol : end;

	*word = *s;
	*s = eol != NULL ? eol + 1 : end;
	while (stop > *word && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
		stop--;
	while (*word < stop && (**word == ' ' || **word == '\t'))
		(*word)++;
	*size = (size_t)(stop - *word);
	for (const char *p = *word; p < stop; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return false;
	return *size > 0 && *size <= WORD_MAX;
}

size_t foreign_reservation(const char *text, size_t size, struct ipam_attribute out[2])
{
	const char *s = text, *end = text + size, *word;
	bool good;

	out[0] = (struct ipam_attribute){ .name = "container-id" };
	out[1] = (struct ipam_attribute){ .name = "ifname" };
	good = next_word(&s, end, &word, &out[0].size);
	out[0].value = word;
	if (!good || s == end)
		return good;
	good = next_word(&s, end, &word, &out[1].size) && s == end;
	out[1].value = word;
	return good ? 2 : 0;
}

int foreign_last_address(const char *text, size_t size, uint8_t *family, u128 *addr)
{
	while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r' || text[size - 1] == ' '))
		size--;
	return cidr_parse_addr(text, size, family, addr);
}

/* ---- attributes ----------------------------------------------------------------------------------------------- */

int foreign_attributes(char *text, size_t size, struct ipam_attribute *out, size_t room, size_t *n)
{
	*n = 0;
	for (char *s = text, *end = text + size; s < end; s += strlen(s) + 1) {
		char *equals = strchr(s, '=');

		if (equals == NULL || *n == room || strncmp(s, "ipam.", 5) == 0)
			return -EINVAL;
		*equals = 0;
		out[(*n)++] = (struct ipam_attribute){ s, equals + 1, strlen(equals + 1) };
		s = equals + 1;
	}
	return 0;
}
