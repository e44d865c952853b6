/* Lines that are about nodes: their labels, and those that are to be made. */
#include "text/text_node.h"

#include "ipam.h"
#include "text/label.h"
#include "text/text_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int text_labels(const char *s, size_t n, const char *old, char **out)
{
	struct text_reader r = { .s = s, .end = s + n };
	struct label *list = NULL;
	size_t have = 0;
	int rc = 0;

	while (rc == 0 && text_next_line(&r)) {
		rc = text_grow((void **)&list, have, sizeof *list);
		if (rc == 0)
			rc = r.words > 1 ? -EINVAL : label_parse(r.word[0].s, r.word[0].n, &list[have]);
		have++;
	}
	if (rc == 0)
		rc = labels_make(old, list, have, out);
	free(list);
	return rc;
}

/* What stands after the name. */
struct rest {
	struct label *label;
	size_t labels;
};

static int take_word(struct text_node *node, struct rest *rest, struct text_word w)
{
	int rc;

	if (memchr(w.s, '=', w.n) != NULL) {
		rc = text_grow((void **)&rest->label, rest->labels, sizeof *rest->label);
		return rc < 0 ? rc : label_parse(w.s, w.n, &rest->label[rest->labels++]);
	}
	rc = text_grow((void **)&node->cidr, node->cidrs, sizeof *node->cidr);
	if (rc == 0)
		rc = cidr_parse(w.s, w.n, &node->cidr[node->cidrs]);
	for (size_t i = 0; rc == 0 && i < node->cidrs; i++)
		if (cidr_overlap(&node->cidr[i], &node->cidr[node->cidrs]))
			rc = -EINVAL;
	node->cidrs += rc == 0;
	return rc;
}

static int parse_node(const struct text_reader *r, struct text_node *out)
{
	struct rest rest = { 0 };
	const char *at = r->line;
	struct text_word w;
	int rc;

	*out = (struct text_node){ 0 };
	text_next_word(&at, r->stop, &w);
	out->name = strndup(w.s, w.n);
	rc = out->name == NULL ? -ENOMEM : ipam_check_name(IPAM_NODE, out->name) < 0 ? -EINVAL : 0;
	while (rc == 0 && text_next_word(&at, r->stop, &w))
		rc = take_word(out, &rest, w);
	if (rc == 0)
		rc = labels_make(NULL, rest.label, rest.labels, &out->labels);
	free(rest.label);
	return rc;
}

void text_nodes_free(struct text_node *list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++) {
		free(list[i].name);
		free(list[i].labels);
		free(list[i].cidr);
	}
	free(list);
}

int text_nodes(const char *s, size_t n, struct text_node **out, size_t *count)
{
	struct text_reader r = { .s = s, .end = s + n };
	struct text_node *list = NULL;
	size_t have = 0;
	int rc = 0;

	while (rc == 0 && text_next_line(&r)) {
		rc = have == IPAM_DELEGATE_LINES ? -EINVAL : text_grow((void **)&list, have, sizeof *list);
		if (rc < 0)
			break;
		rc = parse_node(&r, &list[have++]);
		for (size_t i = 0; rc == 0 && i + 1 < have; i++)
			if (strcmp(list[i].name, list[have - 1].name) == 0)
				rc = -EEXIST;
	}
	if (rc == 0 && have == 0)
		rc = -EINVAL;
	if (rc < 0) {
		text_nodes_free(list, have);
		return rc;
	}
	*out = list;
	*count = have;
	return 0;
}
