/* Who holds ephemeral leases open. Its lock is taken before the library's, and never while a commit is waited for. */
#include "fs.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 256 };

struct holder {
	struct holder *next;
	uint64_t lease;
	uint32_t count;
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

int holders_take(struct fs *fs, uint64_t lease, bool *held)
{
	struct holders *h = fs->holders;
	struct ipam_object object;
	struct holder **at;
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
	at = find(h, lease);
	if (rc == 0 && *at == NULL) {
		*at = calloc(1, sizeof **at);
		if (*at != NULL)
			(*at)->lease = lease;
		else
			rc = -ENOMEM;
	}
	if (rc == 0) {
		(*at)->count++;
		*held = true;
	}
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
		free(gone);
		/* Under the lock, so that whoever comes next sees that it has ended. */
		ipam_drop(fs->ipam, lease);
	}
	pthread_mutex_unlock(&h->lock);
}
