/* For tools and tests, which have nothing else to do than wait for a change. */
#include "ipam.h"

#include <pthread.h>
#include <stdlib.h>

struct ipam_wait {
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t wake;
	bool ready;
	int error;
	struct ipam_object object;
};

struct ipam_wait *ipam_wait_new(void)
{
	struct ipam_wait *w = calloc(1, sizeof *w);

	if (w != NULL) {
		pthread_mutex_init(&w->lock, NULL);
		pthread_cond_init(&w->wake, NULL);
	}
	return w;
}

void ipam_wait_done(void *wait, int error, const struct ipam_object *object)
{
	struct ipam_wait *w = wait;

	pthread_mutex_lock(&w->lock);
	w->error = error;
	if (object != NULL)
		w->object = *object;
	w->ready = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

int ipam_wait(struct ipam_wait *w, struct ipam_object *object)
{
	int error;

	pthread_mutex_lock(&w->lock);
	while (!w->ready)
		pthread_cond_wait(&w->wake, &w->lock);
	pthread_mutex_unlock(&w->lock);
	error = w->error;
	if (object != NULL)
		*object = w->object;
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return error;
}
