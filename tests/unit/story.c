#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUICK = 20 };

static struct story *now; /* the one that is told */

/* ---- machines ------------------------------------------------------------------------------------------------------------ */

int story_begin(void **state)
{
	*state = now = calloc(1, sizeof *now);
	fake_begin();
	clock_speed(1);
	return 0;
}

int story_end(void **state)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };
	struct story *s = *state;

	clock_speed(QUICK);
	for (int i = 0; i < STORY_MACHINES && s->machine[i].name[0] != 0; i++) {
		struct machine *m = &s->machine[i];

		if (m->ipam != NULL)
			story_down(s, m->name);
		for (size_t k = 0; k < sizeof suffix / sizeof *suffix; k++) {
			char path[128];

			snprintf(path, sizeof path, "%s%s", m->path, suffix[k]);
			unlink(path);
		}
		rmdir(m->dir);
		free(m->log);
		pthread_mutex_destroy(&m->lock);
	}
	free(s);
	fake_end();
	return 0;
}

struct machine *story_machine(struct story *s, const char *name)
{
	struct machine *m = s->machine;

	while (m->name[0] != 0 && strcmp(m->name, name) != 0)
		m++;
	assert_true(m < s->machine + STORY_MACHINES);
	if (m->name[0] == 0) {
		pthread_mutex_init(&m->lock, NULL);
		snprintf(m->name, sizeof m->name, "%s", name);
		snprintf(m->endpoints, sizeof m->endpoints, "%s:1", name);
		strcpy(m->dir, "/tmp/test_shared.XXXXXX");
		assert_non_null(mkdtemp(m->dir));
		snprintf(m->path, sizeof m->path, "%s/db", m->dir);
	}
	return m;
}

static void note(void *arg, int priority, const char *message)
{
	struct machine *m = arg;
	char *more = NULL;

	(void)priority;
	pthread_mutex_lock(&m->lock);
	if (asprintf(&more, "%s%s\n", m->log == NULL ? "" : m->log, message) >= 0) {
		free(m->log);
		m->log = more;
	}
	pthread_mutex_unlock(&m->lock);
}

int story_try(struct story *s, const char *name, struct ipam_error *error)
{
	struct machine *m = story_machine(s, name);
	struct ipam_remote remote = {
		.endpoints = m->endpoints, .prefix = FAKE_PREFIX, .node = m->name, .user = m->user, .password_file = m->password_file
	};
	struct ipam_options options = {
		.size = sizeof options,
		.remote = &remote, .sync = IPAM_SYNC_NORMAL, .create = true, .log = note, .arg = m, .requests = { 1, (uint64_t)m->name[1] }
	};
	struct ipam_engine engine = { 0 };
	int rc = ipam_open(m->path, &options, &m->ipam, error);

	if (rc < 0) {
		m->ipam = NULL;
		return rc;
	}
	ipam_engine(m->ipam, &engine);
	fake_name(engine.machine, m->name);
	return 0;
}

struct ipam *story_up(struct story *s, const char *name)
{
	struct ipam_error error = { "" };
	int rc = story_try(s, name, &error);

	if (rc < 0)
		print_error("%s\n", error.text);
	assert_int_equal(rc, 0);
	return story_machine(s, name)->ipam;
}

void story_down(struct story *s, const char *name)
{
	struct machine *m = story_machine(s, name);

	ipam_close(m->ipam);
	m->ipam = NULL;
}

struct ipam *story_one(struct story *s)
{
	struct ipam *w1 = story_up(s, "w1");

	make_cluster(w1, "10.0.0.0/23 24\n");
	return w1;
}

struct ipam *story_two(struct story *s, struct ipam **w2)
{
	struct ipam *w1 = story_one(s);

	*w2 = story_up(s, "w2");
	assert_int_equal(make(w1, IPAM_NODE, story_cluster(w1), "w1", NULL), 0);
	story_mirrored(s);
	free(fake_trace());
	return w1;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------- */

static void wait_until(bool (*is)(void *arg), void *arg, int times)
{
	if (!clock_rest_until(is, arg, times, STORY_WAIT_S)) {
		char *trace = fake_trace();

		fprintf(stderr, "waited in vain; so far:\n%s", trace); /* cmocka cuts what is long */
		free(trace);
		for (int i = 0; i < STORY_MACHINES; i++)
			fprintf(stderr, "%s said: %s", now->machine[i].name, now->machine[i].log == NULL ? "\n" : now->machine[i].log);
		fail();
	}
}

void story_until(bool (*is)(void *arg), void *arg)
{
	wait_until(is, arg, QUICK);
}

static bool is_mirrored(void *arg)
{
	const struct story *s = arg;
	bool is = true;

	for (int i = 0; i < STORY_MACHINES; i++)
		if (s->machine[i].ipam != NULL && !fake_is_held(s->machine[i].name)) {
			struct ipam_engine engine = { 0 };

			ipam_engine(s->machine[i].ipam, &engine);
			is &= engine.revision >= fake_revision() && engine.member[0] != 0;
		}
	return is;
}

void story_mirrored(struct story *s)
{
	story_until(is_mirrored, s);
}

static bool has_lines(void *arg)
{
	return fake_lines() >= *(size_t *)arg;
}

void story_until_lines(size_t n)
{
	wait_until(has_lines, &n, 1); /* somebody may be waiting for an answer, whose time goes by */
}

struct saying {
	struct machine *m;
	const char *what;
};

static bool is_said(void *arg)
{
	const struct saying *a = arg;
	bool is;

	pthread_mutex_lock(&a->m->lock);
	is = a->m->log != NULL && strstr(a->m->log, a->what) != NULL;
	pthread_mutex_unlock(&a->m->lock);
	return is;
}

bool story_said(struct story *s, const char *name, const char *what)
{
	return is_said(&(struct saying){ story_machine(s, name), what });
}

void story_until_said(struct story *s, const char *name, const char *what)
{
	story_until(is_said, &(struct saying){ story_machine(s, name), what });
}

/* ---- what is there --------------------------------------------------------------------------------------------------------- */

uint64_t story_cluster(struct ipam *ipam)
{
	struct ipam_object object;

	return ipam_lookup(ipam, IPAM_CLUSTER, IPAM_ROOT_ID, "c", &object) == 0 ? object.id : 0;
}

uint64_t story_node(struct ipam *ipam, const char *name)
{
	struct ipam_object object;

	return ipam_lookup(ipam, IPAM_NODE, story_cluster(ipam), name, &object) == 0 ? object.id : 0;
}

const char *story_lease(struct ipam *ipam, const char *node, const char *name, char text[64])
{
	char lease[IPAM_LEASE_TEXT];
	uint64_t id = 0;
	int rc = make(ipam, IPAM_LEASE, story_node(ipam, node), name, &id);

	if (rc == 0 && ipam_lease_text(ipam, id, lease) > 0)
		snprintf(text, 64, "%.*s", (int)strcspn(lease, "\n"), lease);
	else
		snprintf(text, 64, "%s", strerrorname_np(-rc));
	return text;
}

static int add_block(void *arg, const struct ipam_block_view *v)
{
	char *out = arg;

	if (out[0] != 0)
		strcat(out, " ");
	cidr_print(&v->cidr, out + strlen(out));
	return 0;
}

const char *story_blocks(struct ipam *ipam, const char *node, char text[256])
{
	text[0] = 0;
	ipam_read_begin(ipam);
	ipam_each_block(ipam, IPAM_NODE, story_node(ipam, node), add_block, text);
	ipam_read_end(ipam);
	return text;
}

static int add_lease(void *arg, const struct ipam_lease_view *v)
{
	char *out = arg;
	size_t n = strlen(out);

	n += (size_t)sprintf(out + n, "%s%s=", n > 0 ? " " : "", v->name);
	for (unsigned f = 0; f < CIDR_FAMILIES; f++)
		if (v->has[f])
			cidr_print_addr(f, v->addr[f], out + n);
	return 0;
}

const char *story_leases(struct ipam *ipam, const char *node, char text[1024])
{
	text[0] = 0;
	ipam_read_begin(ipam);
	ipam_each_lease(ipam, IPAM_NODE, story_node(ipam, node), add_lease, text);
	ipam_read_end(ipam);
	return text;
}

static void finding(void *arg, const char *text)
{
	(void)arg;
	fake_say(text);
}

void story_audit(struct ipam *ipam)
{
	struct ipam_error error = { "" };
	struct ipam_audit count;
	char text[600];
	int rc;

	clock_speed(QUICK);
	rc = ipam_audit(ipam, finding, NULL, &count, &error);
	clock_speed(1);
	if (rc < 0)
		snprintf(text, sizeof text, "audit: %s", error.text);
	else
		snprintf(text, sizeof text, "audit: %d clusters, %d nodes, %d blocks, %d resting, %d leases", (int)count.clusters,
			 (int)count.nodes, (int)count.blocks, (int)count.resting, (int)count.leases);
	fake_say(text);
}

void assert_story(const char *expected)
{
	char *trace = fake_trace();

	if (strcmp(trace, expected) != 0)
		fprintf(stderr, "the story went:\n%s", trace);
	assert_string_equal(trace, expected);
	free(trace);
}

/* ---- changes ---------------------------------------------------------------------------------------------------------------- */

struct ipam_wait *begin_make(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_make(ipam, kind, parent, name, IPAM_EXCLUSIVE, &root, ipam_by_self(), ipam_wait_done, w);
	return w;
}

struct ipam_wait *begin_remove(struct ipam *ipam, enum ipam_kind kind, uint64_t parent, const char *name)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_remove(ipam, kind, parent, name, ipam_by_self(), ipam_wait_done, w);
	return w;
}

int force(struct ipam *ipam, uint64_t cluster, const char *name)
{
	struct ipam_wait *w = ipam_wait_new();

	ipam_remove_force(ipam, cluster, name, ipam_by_self(), ipam_wait_done, w);
	return ipam_wait(w, NULL);
}
