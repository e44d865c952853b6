#include "cover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---------------------------------------------------------------------------------------------------------------- */

static int parse_one(const char *s, size_t n, struct cover *out)
{
	const char *slash = memchr(s, '/', n), *second;
	size_t whole = n;
	char *end;

	second = slash == NULL ? NULL : memchr(slash + 1, '/', n - (size_t)(slash + 1 - s));
	if (second != NULL)
		whole = (size_t)(second - s);
	*out = (struct cover){ 0 };
	if (cidr_parse(s, whole, &out->cidr) < 0)
		return -EINVAL;
	if (second == NULL)
		return 0;
	out->mask = (unsigned)strtoul(second + 1, &end, 10);
	return second[1] >= '1' && second[1] <= '9' && end == s + n && out->mask >= out->cidr.len &&
			       out->mask <= cidr_bits(out->cidr.family) - 2 ?
		       0 :
		       -EINVAL;
}

int covers_parse(const char *s, struct covers *out)
{
	*out = (struct covers){ 0 };
	for (;;) {
		size_t n = strcspn(s, ",");

		if (out->n == COVER_CIDRS || parse_one(s, n, &out->cover[out->n]) < 0)
			return -EINVAL;
		out->n++;
		if (s[n] == 0)
			return 0;
		s += n + 1;
	}
}

/* A line of a cluster's `cidrs`: CIDR MASK [selector=...] */
static bool parse_line(const char *line, struct cover *out)
{
	size_t n = strcspn(line, " \n");

	*out = (struct cover){ 0 };
	if (cidr_parse(line, n, &out->cidr) < 0 || line[n] != ' ')
		return false;
	out->mask = (unsigned)strtoul(line + n + 1, NULL, 10);
	return true;
}

/* ---- what a cluster has ------------------------------------------------------------------------------------------------------ */

static const char *next_line(const char *at)
{
	at += strcspn(at, "\n");
	return at + (*at != 0);
}

bool cover_has(const char *lines, const struct cidr *c)
{
	for (const char *at = lines; *at != 0; at = next_line(at)) {
		struct cover has;

		if (parse_line(at, &has) && has.mask == c->len && cidr_has_cidr(&has.cidr, c))
			return true;
	}
	return false;
}

/* Nothing but what was made here: each CIDR a block of its own. */
static bool is_own(const char *lines)
{
	for (const char *at = lines; *at != 0; at = next_line(at)) {
		struct cover has;

		if (!parse_line(at, &has) || has.mask != has.cidr.len)
			return false;
	}
	return true;
}

static int append(char **text, const struct cidr *c, unsigned mask)
{
	char cidr[CIDR_TEXT], *longer;

	cidr_print(c, cidr);
	if (asprintf(&longer, "%s%s %u\n", *text == NULL ? "" : *text, cidr, mask) < 0)
		return -ENOMEM;
	free(*text);
	*text = longer;
	return 0;
}

/* The CIDR that was said for this one. */
static const struct cover *said_for(const struct covers *said, const struct cidr *c)
{
	for (unsigned i = 0; i < said->n; i++) {
		const struct cover *it = &said->cover[i];

		if (cidr_has_cidr(&it->cidr, c) && (it->mask == 0 || it->mask == c->len))
			return it;
	}
	return NULL;
}

/* What is to be added for this podCIDR. */
static int lacking(const char *lines, const struct covers *said, const struct cidr *c, char **text)
{
	const struct cover *it;

	if (cover_has(lines, c) || (*text != NULL && cover_has(*text, c)))
		return 0;
	if (said->n > 0) {
		it = said_for(said, c);
		return it == NULL ? -EADDRNOTAVAIL : append(text, &it->cidr, c->len);
	}
	return is_own(lines) ? append(text, c, c->len) : -EADDRNOTAVAIL;
}

int cover(const struct site *s, const struct covers *said, const struct pod_cidrs *cidrs)
{
	char *lines = NULL, *text = NULL;
	int rc = site_check(s);

	if (rc == -ENOENT) {
		rc = site_make(s);
		if (rc == -EEXIST)
			rc = 0;
	}
	if (rc == 0)
		rc = site_check(s);
	if (rc == 0)
		rc = site_read(s, NULL, "cidrs", &lines);
	for (unsigned i = 0; rc == 0 && i < cidrs->n; i++)
		rc = lacking(lines, said, &cidrs->cidr[i], &text);
	if (rc == 0 && text != NULL)
		rc = site_write(s, NULL, "cidrs", text, O_APPEND);
	free(lines);
	free(text);
	return rc == -EEXIST ? -EADDRNOTAVAIL : rc; /* it would overlap what is there */
}

void cover_trim(const struct site *s, const struct blocks *were, const struct pod_cidrs *cidrs)
{
	char *lines = NULL, *kept = NULL;
	size_t size, dropped = 0;
	FILE *f;

	if (site_read(s, NULL, "cidrs", &lines) < 0)
		return;
	f = open_memstream(&kept, &size);
	for (const char *at = lines; f != NULL && *at != 0; at = next_line(at)) {
		struct cover has;
		bool past = false;

		if (parse_line(at, &has) && has.mask == has.cidr.len) {
			for (size_t i = 0; i < were->n; i++)
				past = past || cidr_compare(&has.cidr, &were->cidr[i]) == 0;
			for (unsigned i = 0; i < cidrs->n; i++)
				past = past && cidr_compare(&has.cidr, &cidrs->cidr[i]) != 0;
		}
		dropped += past;
		if (!past)
			fprintf(f, "%.*s\n", (int)strcspn(at, "\n"), at);
	}
	/* Refused where somebody has it after all: then it stays. */
	if (f != NULL && fclose(f) == 0 && dropped > 0)
		site_write(s, NULL, "cidrs", kept, O_TRUNC);
	free(kept);
	free(lines);
}
