#include "fs/tree/holders.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 256 };

struct holder {
	struct holder *next;
	uint64_t lease;
	uint32_t count;
	bool made; /* whoever made it has held it: it ends with its last holder */
};

struct holders {
	pthread_mutex_t lock; /* the rest */
	struct holder *bucket[BUCKETS];
};

int holders_new(struct holders **out)
{
	*out = calloc(1, sizeof **out);
	if (*out == NULL)
		return -ENOMEM;
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

void holders_free(struct holders *h)
{
	for (unsigned i = 0; h != NULL && i < BUCKETS; i++)
		while (h->bucket[i] != NULL) {
			struct holder *next = h->bucket[i]->next;

			free(h->bucket[i]);
			h->bucket[i] = next;
		}
	if (h != NULL)
		pthread_mutex_destroy(&h->lock);
	free(h);
}

static struct holder **find(struct holders *h, uint64_t lease)
{
	struct holder **at = &h->bucket[lease % BUCKETS];

	while (*at != NULL && (*at)->lease != lease)
		at = &(*at)->next;
	return at;
}

/* With the lock held. */
static int count_one(struct holders *h, uint64_t lease, bool made)
{
	struct holder **at = find(h, lease);

	if (*at == NULL) {
		*at = calloc(1, sizeof **at);
		if (*at == NULL)
			return -ENOMEM;
		(*at)->lease = lease;
	}
	(*at)->count++;
	(*at)->made |= made;
	return 0;
}

int holders_again(struct fs *fs, uint64_t lease)
{
	int rc;

	pthread_mutex_lock(&fs->holders->lock);
	rc = count_one(fs->holders, lease, false);
	pthread_mutex_unlock(&fs->holders->lock);
	return rc;
}

/* ---- sweeping --------------------------------------------------------------------------------------------- */

struct sweep {
	uint64_t before; /* this id */
	uint64_t *lease;
	size_t n, room;
};

static int note_ephemeral(void *arg, const struct ipam_lease_view *v)
{
	struct sweep *s = arg;

	if (!v->ephemeral || v->id >= s->before)
		return 0;
	if (s->n == s->room) {
		size_t room = s->room == 0 ? 64 : s->room * 2;
		uint64_t *bigger = reallocarray(s->lease, room, sizeof *bigger);

		if (bigger == NULL)
			return -ENOMEM;
		s->lease = bigger;
		s->room = room;
	}
	s->lease[s->n++] = v->id;
	return 0;
}

void holders_sweep(struct fs *fs)
{
	struct holders *h = fs->holders;
	struct sweep s = { .before = fs->first_id };

	ipam_read_begin(fs->ipam);
	ipam_each_lease(fs->ipam, IPAM_ROOT, IPAM_ROOT_ID, note_ephemeral, &s);
	ipam_read_end(fs->ipam);
	for (size_t i = 0; i < s.n; i++) {
		struct holder *held;

		pthread_mutex_lock(&h->lock);
		held = *find(h, s.lease[i]);
		if (held != NULL)
			held->made = true;
		else
			ipam_drop(fs->ipam, s.lease[i]);
		pthread_mutex_unlock(&h->lock);
	}
	free(s.lease);
}

/* ---- taking and leaving ------------------------------------------------------------------------------------ */

int holders_take(struct fs *fs, uint64_t lease, bool made, bool *held)
{
	struct holders *h = fs->holders;
	struct ipam_object object;
	int rc;

	*held = false;
	/* An ephemeral lease may end at any moment until it is seen under the lock; another stays what it is. */
	rc = ipam_get(fs->ipam, IPAM_LEASE, lease, &object);
	if (rc < 0 || !object.ephemeral)
		return rc;
	pthread_mutex_lock(&h->lock);
	rc = ipam_get(fs->ipam, IPAM_LEASE, lease, &object);
	if (rc == 0 && object.dropped)
		rc = -ENOENT;
	if (rc == 0)
		rc = count_one(h, lease, made);
	*held = rc == 0;
	pthread_mutex_unlock(&h->lock);
	return rc;
}

void holders_leave(struct fs *fs, uint64_t lease)
{
	struct holders *h = fs->holders;
	struct holder **at, *gone;

	pthread_mutex_lock(&h->lock);
	at = find(h, lease);
	if (*at != NULL && --(*at)->count == 0) {
		gone = *at;
		*at = gone->next;
		/* Under the lock, so that whoever comes next sees that it has ended. */
		if (gone->made) {
			keep_dropped(fs->keep, lease);
			ipam_drop(fs->ipam, lease);
		}
		free(gone);
	}
	pthread_mutex_unlock(&h->lock);
}
