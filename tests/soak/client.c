/* A client has names of its own in each node, and knows what each of them was given. */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* A name, and what is promised of it. */
struct slot {
	unsigned who;
	char path[PATH];
	bool held;
	struct address address;
	char value[16]; /* of its attribute, durable */
};

struct client {
	unsigned number, seed;
	struct slot slot[SLOTS];
	struct slot reserved; /* a file in host-local's layout */
	char own[PATH];       /* a node of its own */
	int events;           /* open, and seldom read; -1 not */
};

static unsigned pick(struct client *c, unsigned n)
{
	return (unsigned)rand_r(&c->seed) % n;
}

/* ---- a slot as it is found ---------------------------------------------------------------------------------- */

/* It is there, and stays: who has it? */
static void found(struct slot *s, const char *text)
{
	if (!address_parse(text, &s->address)) {
		violation("%s has '%s'", s->path, text);
		return;
	}
	promise_take(&s->address, s->who);
	s->held = true;
}

/* After a call whose outcome isn't known, or whose effect is to be seen. */
static void learn(struct slot *s)
{
	char text[TEXT];

	s->held = false;
	if (look(s->path, text, sizeof text) == 0)
		found(s, text);
}

static void verify(struct slot *s)
{
	char text[TEXT], value[32];
	struct address now;
	int rc = look(s->path, text, sizeof text);
	ssize_t n;

	if (rc == -ENOENT) {
		if (s->held)
			violation("%s is lost", s->path);
		s->held = false;
		return;
	}
	if (!s->held)
		violation("%s is there, and was released", s->path);
	else if (!address_parse(text, &now) || !address_same(&now, &s->address))
		violation("%s was promised another address than %s", s->path, text);
	if (s->held && s->value[0] != 0) {
		unsigned before = (call_wait(), atomic_load(&soak.epoch));

		n = getxattr(s->path, "user.kept", value, sizeof value);
		if (before % 2 == 0 && atomic_load(&soak.epoch) == before &&
		    (n != (ssize_t)strlen(s->value) || memcmp(value, s->value, (size_t)n) != 0))
			violation("%s has lost its attribute", s->path);
	}
}

/* ---- leases --------------------------------------------------------------------------------------------------- */

static void make(struct slot *s, bool exclusive)
{
	int fd = call_open(s->path, O_CREAT | O_WRONLY | (exclusive ? O_EXCL : 0), 0644);

	if (fd >= 0)
		close(fd);
	if (fd == UNKNOWN && s->held)
		return;
	if (s->held) {
		if (exclusive ? fd != -EEXIST : fd < 0)
			violation("%s is there, and an open says %d", s->path, fd);
	} else if (fd >= 0 || fd == UNKNOWN) {
		s->value[0] = 0;
		learn(s);
		if (fd >= 0 && !s->held)
			violation("%s was made, and isn't there", s->path);
	} else if (fd != -ENOSPC && fd != -EDQUOT) {
		violation("%s can't be made: %s", s->path, strerror(-fd));
	}
}

static void release(struct slot *s)
{
	int rc;

	if (s->held)
		promise_drop(&s->address, s->who);
	rc = call_unlink(s->path);
	if (rc == UNKNOWN)
		learn(s);
	else if (rc != (s->held ? 0 : -ENOENT))
		violation("%s %s, and unlink says %d", s->path, s->held ? "is there" : "isn't there", rc);
	else
		s->held = false;
}

/* The names of one node alone. */
static void move(struct slot *from, struct slot *to)
{
	struct slot before = *from;
	int rc = call_rename(from->path, to->path);

	if (rc == UNKNOWN) {
		if (from->held && !to->held) {
			char text[TEXT];

			promise_drop(&from->address, from->who);
			memcpy(to->value, before.value, sizeof to->value);
			learn(from);
			learn(to);
			if (from->held == to->held || (to->held && !address_same(&to->address, &before.address)))
				violation("%s was being renamed, and is %s", from->path,
					  look(from->path, text, sizeof text) == 0 ? "there twice" : "gone");
		}
		return;
	}
	if (rc != (!from->held ? -ENOENT : to->held ? -EEXIST : 0))
		violation("%s is %d, %s is %d, and rename says %d", from->path, from->held, to->path, to->held, rc);
	if (rc == 0) {
		promise_drop(&from->address, from->who);
		to->address = from->address;
		to->held = true;
		memcpy(to->value, from->value, sizeof to->value);
		from->held = false;
		promise_take(&to->address, to->who);
	}
}

/* Another address in its block. */
static void rewrite(struct client *c, struct slot *s)
{
	struct address wanted = s->address;
	char text[32];
	int fd, rc;

	if (!s->held || !s->address.has[0])
		return;
	wanted.v4 = (wanted.v4 & ~63u) + 2 + pick(c, 60);
	snprintf(text, sizeof text, "%u.%u.%u.%u\n", wanted.v4 >> 24, wanted.v4 >> 16 & 255, wanted.v4 >> 8 & 255, wanted.v4 & 255);
	fd = call_open(s->path, O_WRONLY, 0);
	if (fd < 0) {
		if (fd != UNKNOWN)
			violation("%s can't be opened: %s", s->path, strerror(-fd));
		return;
	}
	promise_drop(&s->address, s->who);
	rc = call_write(fd, text);
	close(fd);
	if (rc == UNKNOWN) {
		struct address before = s->address;

		learn(s);
		if (!s->held || (!address_same(&s->address, &before) && !address_same(&s->address, &wanted)))
			violation("%s was being written, and is neither what it was nor what it should be", s->path);
	} else if (rc >= 0) {
		s->address = wanted;
		promise_take(&s->address, s->who);
	} else {
		promise_take(&s->address, s->who);
		if (rc != -EADDRINUSE)
			violation("%s: writing %.15s says %s", s->path, text, strerror(-rc));
	}
}

static void describe(struct client *c, struct slot *s)
{
	char list[64], value[16];
	int n, rc;

	if (!s->held)
		return;
	snprintf(value, sizeof value, "%u", pick(c, 1000000));
	if (pick(c, 2)) { /* written behind: may be lost with the daemon */
		rc = call_setxattr(s->path, "user.lazy", value, strlen(value));
		if (rc < 0 && rc != UNKNOWN)
			violation("%s: setxattr says %s", s->path, strerror(-rc));
		return;
	}
	n = snprintf(list, sizeof list, "kept=%s", value) + 1;
	rc = call_setxattr(s->path, "user.ipam.attributes", list, (size_t)n);
	if (rc == 0)
		memcpy(s->value, value, sizeof s->value);
	else if (rc == UNKNOWN)
		s->value[0] = 0; /* the old or the new one */
	else
		violation("%s: attributes: %s", s->path, strerror(-rc));
}

/* An import of one of its names, with an address of its block. */
static void import(struct client *c, struct slot *s)
{
	const char *name = strrchr(s->path, '/') + 1;
	char path[PATH], text[256], node[PATH];
	unsigned addr = 0;
	unsigned before;
	int fd, rc;

	for (int i = 0; i < SLOTS && addr == 0; i++) /* one of the same node tells where that has addresses */
		if (c->slot[i].held && strncmp(c->slot[i].path, s->path, (size_t)(name - s->path)) == 0)
			addr = (c->slot[i].address.v4 & ~63u) + 2 + pick(c, 60);
	if (s->held || addr == 0)
		return;
	snprintf(node, sizeof node, "%.*s", (int)(name - s->path - 1), s->path);
	snprintf(path, sizeof path, "%s/.ipam/import", soak.cluster);
	snprintf(text, sizeof text, "{\"node\": \"%s\", \"name\": \"%s\", \"addresses\": [\"%u.%u.%u.%u\"]}", strrchr(node, '/') + 1, name,
		 addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
	fd = call_open(path, O_RDWR, 0);
	if (fd < 0)
		return;
	rc = call_write(fd, text);
	before = atomic_load(&soak.epoch);
	if (rc > 0)
		rc = fsync(fd) < 0 ? -errno : 0;
	if (rc < 0 && (soak.strict || (before % 2 == 0 && atomic_load(&soak.epoch) == before)) && rc != UNKNOWN && rc != -EADDRINUSE &&
	    rc != -EDQUOT)
		violation("import of %s: %s", s->path, strerror(-rc));
	close(fd);
	s->value[0] = 0;
	learn(s);
	if (rc == 0 && !s->held)
		violation("%s was imported, and isn't there", s->path);
}

/* ---- other lives ------------------------------------------------------------------------------------------------ */

/* Held open, it stays; with the daemon it goes, unless somebody stands in. */
static void ephemeral(struct client *c, unsigned node)
{
	unsigned who = 0x10000 + c->number, before;
	char path[PATH], text[TEXT] = "";
	struct address a;
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "%s/n%u/.ipam/ephemeral/e%u", soak.cluster, node, c->number);
	before = (call_wait(), atomic_load(&soak.epoch));
	fd = call_open(path, O_CREAT | O_RDWR | O_EXCL, 0644);
	if (fd == -EEXIST && !soak.strict)
		return; /* the last one, whose end waits for the disk */
	if (fd < 0) {
		if (fd != UNKNOWN && fd != -ENOSPC && fd != -EDQUOT && fd != -EEXIST)
			violation("%s: %s", path, strerror(-fd));
		return;
	}
	n = pread(fd, text, sizeof text - 1, 0);
	/* It is his in this life of the daemon alone: so no promise is kept past it. */
	if (n > 0 && (soak.strict || (before % 2 == 0 && before == atomic_load(&soak.epoch))) && address_parse(text, &a)) {
		if (soak.strict) {
			promise_take(&a, who);
			usleep(pick(c, 2000));
			promise_drop(&a, who);
		}
	} else if (soak.strict) {
		violation("%s can't be read", path);
	}
	close(fd);
}

/* One that expires after 2 s: for half of that it is his. */
static void expiring(struct client *c)
{
	unsigned who = 0x20000 + c->number;
	struct timespec begin, end;
	char path[PATH], text[TEXT];
	struct address a;
	int fd;

	snprintf(path, sizeof path, "%s/brief/x%u-%u", soak.cluster, c->number, pick(c, 1000));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	fd = call_open(path, O_CREAT | O_WRONLY | O_EXCL, 0644);
	if (fd < 0) {
		if (fd != UNKNOWN && fd != -ENOSPC && fd != -EEXIST)
			violation("%s: %s", path, strerror(-fd));
		return;
	}
	close(fd);
	if (call_read(path, text, sizeof text) > 0 && address_parse(text, &a)) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (end.tv_sec - begin.tv_sec < 1) {
			promise_take(&a, who);
			promise_drop(&a, who);
		}
	}
}

/* A node of its own, with a block that was another's before. */
static void own_node(struct client *c)
{
	struct slot s = { .who = 0x30000 + c->number };
	int rc = call_mkdir(c->own);

	if (rc == UNKNOWN || rc == -ENOSPC)
		return;
	if (rc != 0 && rc != -EEXIST) /* there is one still if an rmdir's outcome wasn't known */
		violation("%s: mkdir says %s", c->own, strerror(-rc));
	snprintf(s.path, sizeof s.path, "%.*s/a", PATH - 3, c->own);
	rc = call_open(s.path, O_CREAT | O_WRONLY, 0644);
	if (rc >= 0) {
		close(rc);
		learn(&s);
		if (!s.held)
			violation("%s was made, and isn't there", s.path);
		rc = call_rmdir(c->own);
		if (rc != -ENOTEMPTY && rc != UNKNOWN)
			violation("%s has a lease, and rmdir says %d", c->own, rc);
	}
	if (rc == UNKNOWN)
		learn(&s);
	for (int i = 0; i < 3 && s.held; i++)
		release(&s);
	if (s.held)
		promise_drop(&s.address, s.who);
	call_rmdir(c->own);
}

/* As host-local does it: a name that is an address, made exclusively, then written. */
static void host_local(struct client *c)
{
	struct slot *s = &c->reserved;
	char directory[PATH], text[64];
	int fd, rc;

	if (s->held) {
		promise_drop(&s->address, s->who);
		rc = call_unlink(s->path);
		if (rc != 0 && rc != UNKNOWN)
			violation("%s is there, and unlink says %d", s->path, rc);
		s->held = rc == UNKNOWN && look(s->path, text, sizeof text) == 0;
		if (s->held)
			promise_take(&s->address, s->who);
		return;
	}
	if (!c->slot[0].held || !c->slot[0].address.has[0])
		return;
	snprintf(directory, sizeof directory, "%s/n%u/.ipam/host-local/net%u", soak.cluster, c->number % NODES, c->number);
	rc = call_mkdir(directory);
	if (rc != 0 && rc != -EEXIST)
		return;
	s->address = (struct address){ .has = { true }, .v4 = (c->slot[0].address.v4 & ~63u) + 2 + pick(c, 60) };
	snprintf(s->path, sizeof s->path, "%.400s/%u.%u.%u.%u", directory, s->address.v4 >> 24, s->address.v4 >> 16 & 255,
		 s->address.v4 >> 8 & 255, s->address.v4 & 255);
	fd = call_open(s->path, O_CREAT | O_WRONLY | O_EXCL, 0600);
	if (fd < 0) {
		if (fd != -EEXIST && fd != UNKNOWN && fd != -EDQUOT)
			violation("%s: %s", s->path, strerror(-fd));
		return; /* an outcome that isn't known was nobody's: it has no content */
	}
	rc = call_write(fd, "container\r\neth0");
	close(fd);
	s->held = rc > 0 || (rc == UNKNOWN && look(s->path, text, sizeof text) == 0);
	if (rc < 0 && rc != UNKNOWN)
		violation("%s: write says %s", s->path, strerror(-rc));
	if (s->held)
		promise_take(&s->address, s->who);
}

/* ---- looking -------------------------------------------------------------------------------------------------- */

/* No address twice in it. */
static void read_leases(struct client *c)
{
	static const char *const of[] = { "", "/n0", "/n1", "/n2" };
	unsigned before = (call_wait(), atomic_load(&soak.epoch));
	uint8_t *seen = calloc(1, 8192);
	char path[PATH], line[4096], addr[64];
	unsigned a, b, d, e, rows = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s%s/.ipam/leases", soak.cluster, of[pick(c, 4)]);
	f = fopen(path, "re");
	while (f != NULL && seen != NULL && fgets(line, sizeof line, f) != NULL) {
		rows++;
		if (sscanf(line, "%63s", addr) != 1 || sscanf(addr, "%u.%u.%u.%u", &a, &b, &d, &e) != 4)
			continue;
		if (seen[(d * 256 + e) / 8 % 8192] & 1u << e % 8)
			violation("%s has %s twice", path, addr);
		seen[(d * 256 + e) / 8 % 8192] |= (uint8_t)(1u << e % 8);
	}
	if ((f == NULL || rows == 0) && (soak.strict || (before % 2 == 0 && before == atomic_load(&soak.epoch))))
		violation("%s can't be read: %s", path, strerror(errno));
	if (f != NULL)
		fclose(f);
	free(seen);
}

static void read_others(struct client *c)
{
	static const char *const name[] = { "/.ipam/leases.json", "/.ipam/history",    "/.ipam/map.svg",
					    "/.ipam/map.txt",     "/.ipam/stats",      "/.ipam/blocks",
					    "/n1/.ipam/map.svg",  "/n2/.ipam/history", "/.ipam/settings" };
	char path[PATH], text[65536];
	int fd;

	snprintf(path, sizeof path, "%s%s", soak.cluster, name[pick(c, sizeof name / sizeof *name)]);
	fd = call_open(path, O_RDONLY, 0);
	if (fd < 0) {
		if (fd != UNKNOWN)
			violation("%s: %s", path, strerror(-fd));
		return;
	}
	for (int i = 0; i < 50 && read(fd, text, sizeof text) > 0; i++)
		;
	close(fd);
}

/* All of its names in the node are listed, while nobody but itself changes them. */
static void list_node(struct client *c, unsigned node)
{
	unsigned before = (call_wait(), atomic_load(&soak.epoch));
	bool seen[SLOTS] = { false };
	char path[PATH];
	const struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "%s/n%u", soak.cluster, node);
	d = opendir(path);
	if (d == NULL)
		return;
	while (errno = 0, (e = readdir(d)) != NULL)
		for (int i = 0; i < SLOTS; i++)
			if (strcmp(e->d_name, strrchr(c->slot[i].path, '/') + 1) == 0)
				seen[i] = true;
	if (errno == 0 && (soak.strict || before == atomic_load(&soak.epoch)))
		for (int i = 0; i < SLOTS; i++)
			if (strncmp(c->slot[i].path, path, strlen(path)) == 0 && c->slot[i].path[strlen(path)] == '/' &&
			    seen[i] != c->slot[i].held)
				violation("%s is %slisted", c->slot[i].path, seen[i] ? "" : "not ");
	closedir(d);
}

/* Open for long, and read a little at times. */
static void events(struct client *c)
{
	char path[PATH], text[4096];

	if (c->events >= 0 && pick(c, 4) == 0) {
		close(c->events);
		c->events = -1;
	} else if (c->events >= 0) {
		(void)!read(c->events, text, sizeof text);
	} else {
		snprintf(path, sizeof path, "%s%s/.ipam/events", soak.cluster, pick(c, 2) ? "" : "/n0");
		c->events = call_open(path, O_RDONLY | O_NONBLOCK, 0);
		if (c->events < 0 && c->events != UNKNOWN)
			violation("%s: %s", path, strerror(-c->events));
		if (c->events < 0)
			c->events = -1;
	}
}

/* ---- the client ------------------------------------------------------------------------------------------------- */

static void step(struct client *c)
{
	struct slot *s = &c->slot[pick(c, SLOTS)];

	switch (pick(c, 24)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
		make(s, pick(c, 2));
		break;
	case 6:
	case 7:
	case 8:
		release(s);
		break;
	case 9:
		/* Slots i and i + 4 are names in one node. */
		move(s, s < c->slot + 4 ? s + 4 : s - 4);
		break;
	case 10:
	case 11:
		rewrite(c, s);
		break;
	case 12:
	case 13:
		describe(c, s);
		break;
	case 14:
		if (s->held && call_touch(s->path) == -ENOENT)
			violation("%s is gone", s->path);
		break;
	case 15:
		import(c, s);
		break;
	case 16:
		ephemeral(c, pick(c, NODES));
		break;
	case 17:
		expiring(c);
		break;
	case 18:
		own_node(c);
		break;
	case 19:
		host_local(c);
		break;
	case 20:
		list_node(c, pick(c, NODES));
		break;
	case 21:
		if (pick(c, 2))
			read_leases(c);
		else
			read_others(c);
		break;
	case 22:
		events(c);
		break;
	default:
		verify(s);
	}
}

void *client_run(void *number)
{
	struct client *c = calloc(1, sizeof *c);

	if (c == NULL) {
		violation("no memory");
		return NULL;
	}
	c->number = (unsigned)(uintptr_t)number;
	c->seed = c->number + 1;
	c->events = -1;
	for (unsigned i = 0; i < SLOTS; i++) {
		c->slot[i].who = c->number * SLOTS + i + 1;
		snprintf(c->slot[i].path, PATH, "%s/n%u/c%u-%u", soak.cluster, (c->number + i % 4) % NODES, c->number, i);
	}
	c->reserved.who = 0x40000 + c->number;
	snprintf(c->own, PATH, "%s/own-%u", soak.cluster, c->number);
	while (!atomic_load(&soak.stop))
		step(c);
	for (int i = 0; i < SLOTS; i++)
		verify(&c->slot[i]);
	if (c->events >= 0)
		close(c->events);
	free(c);
	return NULL;
}
