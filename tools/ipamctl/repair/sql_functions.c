/* The functions that the statements of a repair use. */
#include "ipamctl/repair/sql_functions.h"

#include "ipam.h"
#include "text/label.h"
#include "text/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(sqlite3_value *v)
{
	return sqlite3_value_type(v) == SQLITE_TEXT ? (const char *)sqlite3_value_text(v) : "";
}

static void is_name(sqlite3_context *out, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int(out, ipam_check_name((enum ipam_kind)sqlite3_value_int(v[0]), text(v[1])) == 0);
}

/* As it would be written. */
static void address(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[1]);
	char canonical[CIDR_ADDR_TEXT];
	uint8_t family;
	u128 addr;

	(void)n;
	if (cidr_parse_addr(s, strlen(s), &family, &addr) < 0 || family != sqlite3_value_int(v[0]))
		return;
	cidr_print_addr(family, addr, canonical);
	if (strcmp(canonical, s) == 0)
		sqlite3_result_text(out, canonical, -1, SQLITE_TRANSIENT);
}

static bool parse(sqlite3_value *v, struct cidr *cidr)
{
	char canonical[CIDR_TEXT];
	const char *s = text(v);

	if (cidr_parse(s, strlen(s), cidr) < 0)
		return false;
	cidr_print(cidr, canonical);
	return strcmp(canonical, s) == 0;
}

static void prefix(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr cidr;

	(void)n;
	if (parse(v[0], &cidr))
		sqlite3_result_value(out, v[0]);
}

static void prefix_length(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr cidr;

	(void)n;
	if (parse(v[0], &cidr))
		sqlite3_result_int(out, cidr.len);
}

static void key(sqlite3_context *out, sqlite3_value *v, bool last)
{
	struct cidr cidr;
	char s[33];

	if (!parse(v, &cidr))
		return;
	cidr_print_key(cidr.family, last ? cidr_last(&cidr) : cidr.base, s);
	sqlite3_result_text(out, s, -1, SQLITE_TRANSIENT);
}

static void first_key(sqlite3_context *out, int n, sqlite3_value **v)
{
	(void)n;
	key(out, v[0], false);
}

static void last_key(sqlite3_context *out, int n, sqlite3_value **v)
{
	(void)n;
	key(out, v[0], true);
}

static void contains(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[1]);
	struct cidr cidr;
	uint8_t family;
	u128 addr;

	(void)n;
	sqlite3_result_int(out, parse(v[0], &cidr) && cidr_parse_addr(s, strlen(s), &family, &addr) == 0 && cidr_has(&cidr, family, addr));
}

static void block_of(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[0]);
	int len = sqlite3_value_int(v[1]);
	char block[CIDR_TEXT];
	struct cidr cidr;

	(void)n;
	if (cidr_parse_addr(s, strlen(s), &cidr.family, &cidr.base) < 0 || len < 0 || len > (int)cidr_bits(cidr.family))
		return;
	cidr.len = (uint8_t)len;
	cidr.base &= len == 0 ? 0 : ~(((u128)1 << (cidr_bits(cidr.family) - (unsigned)len)) - 1);
	cidr_print(&cidr, block);
	sqlite3_result_text(out, block, -1, SQLITE_TRANSIENT);
}

static bool parse_address(sqlite3_value *v, uint8_t *family, u128 *addr)
{
	const char *s = text(v);

	return cidr_parse_addr(s, strlen(s), family, addr) == 0;
}

static void key_of(sqlite3_context *out, int n, sqlite3_value **v)
{
	uint8_t family;
	u128 addr;
	char s[33];

	(void)n;
	if (!parse_address(v[0], &family, &addr))
		return;
	cidr_print_key(family, addr, s);
	sqlite3_result_text(out, s, -1, SQLITE_TRANSIENT);
}

static bool parse_key(const char *s, u128 *addr)
{
	size_t n = strlen(s);

	*addr = 0;
	for (size_t i = 0; i < n; i++) {
		const char *digit = strchr("0123456789abcdef", s[i]);

		if (digit == NULL)
			return false;
		*addr = *addr << 4 | (unsigned)(digit - "0123456789abcdef");
	}
	return n == 8 || n == 32;
}

/* The prefix that goes from one key to another. */
static void prefix_of(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *first = text(v[0]), *last = text(v[1]);
	char s[CIDR_TEXT];
	struct cidr cidr = { .family = strlen(first) == 8 ? CIDR_V4 : CIDR_V6 };
	u128 end;

	(void)n;
	if (strlen(first) != strlen(last) || !parse_key(first, &cidr.base) || !parse_key(last, &end))
		return;
	for (cidr.len = 0; cidr.len < cidr_bits(cidr.family); cidr.len++)
		if (cidr_last(&cidr) <= end)
			break;
	if (cidr_last(&cidr) != end)
		return;
	cidr_print(&cidr, s);
	if (cidr_parse(s, strlen(s), &cidr) == 0)
		sqlite3_result_text(out, s, -1, SQLITE_TRANSIENT);
}

/* Not what is nobody's: network, broadcast, gateway. */
static void leasable(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr cidr;
	uint8_t family;
	bool can;
	u128 addr;

	(void)n;
	can = parse(v[0], &cidr) && parse_address(v[2], &family, &addr) && cidr_has(&cidr, family, addr);
	can = can && addr != cidr.base && (addr != cidr.base + 1 || strcmp(text(v[1]), "none") == 0);
	sqlite3_result_int(out, can && (family != CIDR_V4 || addr != cidr_last(&cidr)));
}

/* As it would be written. */
static void range(sqlite3_context *out, int n, sqlite3_value **v)
{
	char canonical[CIDR_RANGE_TEXT];
	struct cidr_range r;
	const char *s = text(v[0]);

	(void)n;
	if (cidr_parse_range(s, strlen(s), &r) < 0)
		return;
	cidr_print_range(&r, canonical);
	sqlite3_result_text(out, canonical, -1, SQLITE_TRANSIENT);
}

static void in_range(sqlite3_context *out, int n, sqlite3_value **v)
{
	struct cidr_range r;
	const char *s = text(v[0]);
	uint8_t family;
	u128 addr;

	(void)n;
	sqlite3_result_int(out, cidr_parse_range(s, strlen(s), &r) == 0 && parse_address(v[1], &family, &addr) && r.family == family &&
					r.first <= addr && addr <= r.last);
}

/* Of its first or last address. */
static void range_key(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *s = text(v[0]);
	struct cidr_range r;
	char k[33];

	(void)n;
	if (cidr_parse_range(s, strlen(s), &r) < 0)
		return;
	cidr_print_key(r.family, sqlite3_value_int(v[1]) != 0 ? r.last : r.first, k);
	sqlite3_result_text(out, k, -1, SQLITE_TRANSIENT);
}

static void is_label(sqlite3_context *out, int n, sqlite3_value **v)
{
	char word[IPAM_LABELS_MAX + 1];
	struct label l;

	(void)n;
	if (snprintf(word, sizeof word, "%s=%s", text(v[0]), text(v[1])) >= (int)sizeof word)
		return;
	sqlite3_result_int(out, sqlite3_value_type(v[1]) == SQLITE_TEXT && label_parse(word, strlen(word), &l) == 0);
}

static void is_selector(sqlite3_context *out, int n, sqlite3_value **v)
{
	char *canonical = NULL;

	(void)n;
	sqlite3_result_int(out, selector_parse(text(v[0]), strlen(text(v[0])), &canonical) == 0 && strcmp(canonical, text(v[0])) == 0);
	free(canonical);
}

static void is_setting(sqlite3_context *out, int n, sqlite3_value **v)
{
	const char *key_text = text(v[0]), *value = text(v[1]);
	enum ipam_setting setting;
	uint64_t number;

	(void)n;
	sqlite3_result_int(out, settings_parse(key_text, strlen(key_text), value, strlen(value), &setting, &number) == 0);
}

int repair_functions(sqlite3 *db)
{
	static const struct {
		const char *name;
		int arguments;
		void (*fn)(sqlite3_context *, int, sqlite3_value **);
	} list[] = {
		{ "is_name", 2, is_name },
		{ "address", 2, address },
		{ "prefix", 1, prefix },
		{ "prefix_length", 1, prefix_length },
		{ "first_key", 1, first_key },
		{ "last_key", 1, last_key },
		{ "contains", 2, contains },
		{ "block_of", 2, block_of },
		{ "range", 1, range },
		{ "is_setting", 2, is_setting },
		{ "key_of", 1, key_of },
		{ "prefix_of", 2, prefix_of },
		{ "leasable", 3, leasable },
		{ "in_range", 2, in_range },
		{ "range_key", 2, range_key },
		{ "is_label", 2, is_label },
		{ "is_selector", 1, is_selector },
	};
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < sizeof list / sizeof *list; i++)
		code = sqlite3_create_function(db, list[i].name, list[i].arguments, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, list[i].fn,
					       NULL, NULL);
	return code;
}
