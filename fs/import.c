/* The file 'import' of a cluster: leases and nodes that were made elsewhere, written as JSON, taken by fsync all at once or
 * not at all.
 *
 * An object a lease: {"node": "worker-1", "name": "web-0", "addresses": ["10.244.0.5", "fd00::5/64"],
 * "attributes": {"pod": "default/web-0"}}; one without a name a node: {"node": "worker-1", "cidrs": ["10.244.0.0/24"],
 * "labels": {"zone": "a"}}, of which labels may be left out.
 * Other keys are passed over, so what leases.json shows can be written here. They come in an array, or one after the other.
 * Reading the same descriptor afterwards tells what was refused and why.
 */
#include "control.h"
#include "notify.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { IMPORT_MAX = 256 << 20 };

struct import {
	struct handle handle;
	struct node_ref ref;
	struct ipam_owner owner;
	pthread_mutex_t lock; /* text, report: requests of one descriptor may come at once */
	struct buffer text, report;
};

/* A round of fsync: what lives until the answer. */
struct round {
	struct fs *fs;
	fuse_req_t req;
	struct import *import;
	json_t *json;             /* an array of arrays and objects; the strings are borrowed from it */
	struct ipam_import *list;
	struct ipam_attribute *attribute;
	struct cidr *cidr;
	struct buffer *labels;    /* one each, */
	size_t objects;           /* of which there are so many */
	size_t n, attributes, cidrs;
};

/* ---- from JSON ------------------------------------------------------------------------------------------------ */

static int parse_address(const char *s, struct ipam_import *in)
{
	uint8_t family, len;
	u128 addr;

	if (cidr_parse_host(s, strlen(s), &family, &addr, &len) < 0 || in->has[family])
		return -EINVAL;
	in->has[family] = true;
	in->addr[family] = addr;
	return 0;
}

static bool one_word(const char *s)
{
	return s != NULL && strpbrk(s, "# \t\r\n") == NULL;
}

/* As lines, which the core takes. NULL: none are said. */
static int parse_labels(json_t *labels, struct buffer *out)
{
	const char *key;
	json_t *value;

	if (labels == NULL)
		return 0;
	if (!json_is_object(labels))
		return -EINVAL;
	buffer_add(out, "", 0);
	json_object_foreach(labels, key, value) {
		if (!one_word(key) || !one_word(json_string_value(value)))
			return -EINVAL;
		buffer_print(out, "%s=%s\n", key, json_string_value(value));
	}
	return out->failed ? -ENOMEM : 0;
}

/* An object without a name: its blocks. */
static int parse_node(struct round *r, struct ipam_import *in, json_t *object)
{
	json_t *cidrs = json_object_get(object, "cidrs"), *value;
	size_t i;
	int rc = in->node == NULL || !json_is_array(cidrs) ? -EINVAL : 0;

	in->cidr = r->cidr + r->cidrs;
	json_array_foreach(cidrs, i, value) {
		const char *s = json_string_value(value);

		if (rc == 0)
			rc = s == NULL ? -EINVAL : cidr_parse(s, strlen(s), &r->cidr[r->cidrs++]);
	}
	in->cidrs = (size_t)(r->cidr + r->cidrs - in->cidr);
	if (rc == 0)
		rc = parse_labels(json_object_get(object, "labels"), &r->labels[r->n - 1]);
	in->labels = r->labels[r->n - 1].data;
	return rc;
}

static int parse_lease(struct round *r, struct ipam_import *in, json_t *object)
{
	json_t *addresses = json_object_get(object, "addresses"), *attributes = json_object_get(object, "attributes"), *value;
	const char *key;
	size_t i;
	int rc = 0;

	in->attribute = r->attribute + r->attributes;
	if (in->node == NULL || !json_is_array(addresses) ||
	    (attributes != NULL && !json_is_object(attributes)))
		return -EINVAL;
	json_array_foreach(addresses, i, value) {
		if (rc == 0)
			rc = json_is_string(value) ? parse_address(json_string_value(value), in) : -EINVAL;
	}
	json_object_foreach(attributes, key, value) {
		if (!json_is_string(value))
			rc = -EINVAL;
		else
			r->attribute[r->attributes++] =
				(struct ipam_attribute){ key, json_string_value(value), json_string_length(value) };
	}
	in->attributes = (size_t)(r->attribute + r->attributes - in->attribute);
	return rc;
}

static int parse_object(struct round *r, json_t *object)
{
	struct ipam_import *in = &r->list[r->n++];

	in->node = json_string_value(json_object_get(object, "node"));
	in->name = json_string_value(json_object_get(object, "name"));
	return in->name != NULL ? parse_lease(r, in, object) : parse_node(r, in, object);
}

/* All values of the text, in one array. */
static int load_json(struct round *r, const char *text, size_t size)
{
	size_t at = 0;

	r->json = json_array();
	if (r->json == NULL)
		return -ENOMEM;
	for (;;) {
		json_error_t error;
		json_t *value;

		while (at < size && strchr(" \t\r\n,", text[at]) != NULL && text[at] != 0)
			at++;
		if (at == size)
			return 0;
		value = json_loadb(text + at, size - at, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
		if (value == NULL) {
			buffer_print(&r->import->report, "-\t-\tnot JSON at byte %zu: %s\n", at + (size_t)error.position, error.text);
			return -EINVAL;
		}
		at += (size_t)error.position;
		if (json_array_append_new(r->json, value) < 0)
			return -ENOMEM;
	}
}

static int each_object(struct round *r, int (*fn)(struct round *r, json_t *object))
{
	json_t *value, *inner;
	size_t i, k;
	int rc = 0;

	json_array_foreach(r->json, i, value) {
		if (json_is_object(value))
			rc = fn(r, value);
		else if (!json_is_array(value))
			rc = -EINVAL;
		json_array_foreach(value, k, inner) {
			if (rc == 0)
				rc = json_is_object(inner) ? fn(r, inner) : -EINVAL;
		}
		if (rc < 0)
			break;
	}
	return rc;
}

static int count(struct round *r, json_t *object)
{
	r->n++;
	r->attributes += json_object_size(json_object_get(object, "attributes"));
	r->cidrs += json_array_size(json_object_get(object, "cidrs"));
	return 0;
}

static int parse(struct round *r, const char *text, size_t size)
{
	int rc = load_json(r, text, size);
	bool loaded = rc == 0;

	if (rc == 0)
		rc = each_object(r, count);
	if (rc == 0) {
		r->list = calloc(r->n + 1, sizeof *r->list);
		r->attribute = calloc(r->attributes + 1, sizeof *r->attribute);
		r->cidr = calloc(r->cidrs + 1, sizeof *r->cidr);
		r->labels = calloc(r->n + 1, sizeof *r->labels);
		r->objects = r->labels == NULL ? 0 : r->n;
		r->n = r->attributes = r->cidrs = 0;
		rc = r->list == NULL || r->attribute == NULL || r->cidr == NULL || r->labels == NULL ? -ENOMEM : each_object(r, parse_object);
	}
	if (loaded && rc == -EINVAL)
		buffer_print(&r->import->report, "-\t-\tentry %zu: an object with node, name, addresses (of one each family) "
						 "and attributes (strings), or with node, cidrs and labels, is wanted\n", r->n);
	return rc;
}

/* ---- fsync ------------------------------------------------------------------------------------------------------ */

static void report(struct import *m, const struct ipam_import *in)
{
	char addr[CIDR_ADDR_TEXT] = "-", cidr[CIDR_TEXT] = "-";

	if (in->name == NULL) {
		if (in->refused < in->cidrs)
			cidr_print(&in->cidr[in->refused], cidr);
		buffer_print(&m->report, "%s\t%s\t%s\n", in->node, cidr, strerror(-in->error));
		return;
	}
	if ((in->error == -EADDRINUSE || in->error == -EADDRNOTAVAIL) && in->has[in->family])
		cidr_print_addr(in->family, in->addr[in->family], addr);
	buffer_print(&m->report, "%s/%s\t%s\t%s\n", in->node, in->name, addr, strerror(-in->error));
}

static void finish(struct round *r, int error)
{
	fuse_reply_err(r->req, -error);
	json_decref(r->json);
	free(r->list);
	free(r->attribute);
	free(r->cidr);
	for (size_t i = 0; i < r->objects; i++)
		free(r->labels[i].data);
	free(r->labels);
	free(r);
}

static void imported(void *arg, int error, const struct ipam_object *object)
{
	struct round *r = arg;
	struct import *m = r->import;

	(void)object;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; error < 0 && i < r->n; i++)
		if (r->list[i].error < 0)
			report(m, &r->list[i]);
	if (error < 0 && m->report.size == 0)
		buffer_print(&m->report, "-\t-\t%s\n", strerror(-error));
	pthread_mutex_unlock(&m->lock);
	finish(r, error);
}

static void import_fsync(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct import *m = (struct import *)h;
	struct round *r = calloc(1, sizeof *r);
	int rc;

	if (r == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*r = (struct round){ .fs = fs, .req = req, .import = m };
	pthread_mutex_lock(&m->lock);
	m->report.size = 0;
	rc = m->text.failed ? -ENOMEM : parse(r, m->text.data, m->text.size);
	m->text.size = 0; /* taken or refused: what comes next begins anew */
	pthread_mutex_unlock(&m->lock);
	if (rc < 0 || r->n == 0)
		finish(r, rc);
	else
		ipam_import(fs->ipam, m->ref.id, r->list, r->n, &m->owner, fs_by(req), imported, r);
}

/* ---- the rest of an open file ------------------------------------------------------------------------------------- */

static void import_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size, off_t off, int flags)
{
	struct import *m = (struct import *)h;
	struct buffer part = { 0 }; /* a copy: once the answer is out, the release may come, and what was opened is gone */

	(void)fs;
	(void)flags;
	pthread_mutex_lock(&m->lock);
	if (off >= 0 && (size_t)off < m->report.size)
		buffer_add(&part, m->report.data + off, m->report.size - (size_t)off < size ? m->report.size - (size_t)off : size);
	pthread_mutex_unlock(&m->lock);
	if (part.failed)
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, part.data, part.size);
	free(part.data);
}

static void import_write(struct fs *fs, fuse_req_t req, struct handle *h, const char *buf, size_t size, off_t off)
{
	struct import *m = (struct import *)h;
	int rc = 0;

	(void)fs;
	(void)off; /* a text is a sequence of writes, whatever was read in between */
	pthread_mutex_lock(&m->lock);
	if (size > IMPORT_MAX - m->text.size)
		rc = -EFBIG;
	else
		buffer_add(&m->text, buf, size);
	if (m->text.failed)
		rc = -ENOMEM;
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, size);
}

static void discard(struct fs *fs, struct handle *h)
{
	struct import *m = (struct import *)h;

	(void)fs;
	pthread_mutex_destroy(&m->lock);
	free(m->text.data);
	free(m->report.data);
	free(m);
}

static void import_release(struct fs *fs, fuse_req_t req, struct handle *h)
{
	fuse_reply_err(req, 0);
	discard(fs, h);
}

int import_open(struct fs *fs, fuse_req_t req, struct node_ref ref, struct fuse_file_info *fi)
{
	static const struct handle_ops ops = {
		.read = import_read, .write = import_write, .fsync = import_fsync, .release = import_release, .discard = discard
	};
	struct import *m = calloc(1, sizeof *m);
	struct ipam_object object;
	int rc = m == NULL ? -ENOMEM : ipam_get(fs->ipam, IPAM_CLUSTER, ref.id, &object);

	(void)req;
	if (rc < 0) {
		free(m);
		return rc;
	}
	m->handle.ops = &ops;
	m->ref = ref;
	m->owner = (struct ipam_owner){ object.attr.uid, object.attr.gid, 0644 };
	pthread_mutex_init(&m->lock, NULL);
	fi->direct_io = 1;
	fi->noflush = 1;
	fi->fh = (uintptr_t)m;
	return 0;
}
