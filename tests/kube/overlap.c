/* Whether two Nodes ever had one block: all that happened, looked through with nothing of what is tested. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver.h"

struct block {
	unsigned char bytes[16];
	unsigned length;
	int family;
	const struct object *owner;
	char text[64];
};

struct blocks {
	struct block *all;
	size_t n, room;
};

static bool parse(struct block *block, const char *cidr)
{
	const char *slash = strchr(cidr, '/');
	char address[64];

	if (!slash)
		return false;
	memset(block, 0, sizeof *block);
	snprintf(address, sizeof address, "%.*s", (int)(slash - cidr), cidr);
	snprintf(block->text, sizeof block->text, "%s", cidr);
	block->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	block->length = (unsigned)strtoul(slash + 1, NULL, 10);
	return inet_pton(block->family, address, block->bytes) == 1;
}

static bool overlap(const struct block *a, const struct block *b)
{
	unsigned length = a->length < b->length ? a->length : b->length;
	unsigned whole = length / 8, rest = length % 8;

	if (a->family != b->family || memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

static void take_away(struct blocks *blocks, const char *name)
{
	for (size_t i = 0; i < blocks->n;)
		if (strcmp(blocks->all[i].owner->name, name) == 0)
			blocks->all[i] = blocks->all[--blocks->n];
		else
			i++;
}

static void add(struct blocks *blocks, const struct object *node, const char *cidr, json_t *found)
{
	struct block block;

	if (!parse(&block, cidr))
		return;
	block.owner = node;
	for (size_t i = 0; i < blocks->n; i++)
		if (overlap(&blocks->all[i], &block))
			json_array_append_new(found, json_pack("{s:I, s:s, s:s, s:s, s:s}", "version", (json_int_t)node->version, "node",
							       node->name, "cidr", cidr, "other", blocks->all[i].owner->name, "otherCidr",
							       blocks->all[i].text));
	if (blocks->n == blocks->room) {
		blocks->room = blocks->room ? 2 * blocks->room : 256;
		blocks->all = realloc(blocks->all, blocks->room * sizeof *blocks->all);
	}
	blocks->all[blocks->n++] = block;
}

/* Whether the change alters the blocks: a Node's podCIDRs are set once, so it mostly doesn't. */
static bool has_all(const struct blocks *blocks, const struct object *node, const json_t *cidrs)
{
	size_t n = 0;

	for (size_t i = 0; i < blocks->n; i++)
		n += strcmp(blocks->all[i].owner->name, node->name) == 0;
	return n == json_array_size(cidrs);
}

struct reply overlaps(struct store *store)
{
	struct blocks blocks = { 0 };
	json_t *found = json_array(), *cidr;
	size_t j;

	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < store->n_changes; i++) {
		const struct object *node = store->changes[i].object;
		const json_t *cidrs = json_object_get(json_object_get(node->json, "spec"), "podCIDRs");

		if (strcmp(node->kind->name, "Node") != 0)
			continue;
		if (store->changes[i].type == DELETED) {
			take_away(&blocks, node->name);
			continue;
		}
		if (has_all(&blocks, node, cidrs))
			continue;
		take_away(&blocks, node->name);
		json_array_foreach(cidrs, j, cidr)
			if (json_is_string(cidr))
				add(&blocks, node, json_string_value(cidr), found);
	}
	pthread_mutex_unlock(&store->lock);
	free(blocks.all);
	return reply_json(200, found);
}
