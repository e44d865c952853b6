#include "fs/resume/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the memory ------------------------------------------------------------------------------------------- */

static int map(struct keep *k)
{
	/* Holes where nothing was written yet: it costs what is used. */
	k->memory = mmap(NULL, sizeof *k->memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, k->fd, 0);
	if (k->memory == MAP_FAILED) {
		k->memory = NULL;
		return -errno;
	}
	return 0;
}

int keep_new(struct keep *k)
{
	int rc;

	*k = (struct keep){ .fd = memfd_create("ipamfs", MFD_CLOEXEC | MFD_ALLOW_SEALING), .socket = -1 };
	if (k->fd < 0)
		return -errno;
	rc = ftruncate(k->fd, sizeof *k->memory) < 0 ? -errno : map(k);
	/* A worker can't take it away from under the supervisor. */
	if (rc == 0 && fcntl(k->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		rc = -errno;
	if (rc == 0 && getrandom(k->memory->requests, sizeof k->memory->requests, 0) != sizeof k->memory->requests)
		rc = -EIO;
	if (rc == 0) {
		k->memory->version = KEEP_VERSION;
		k->memory->slot_size = sizeof(struct keep_slot);
	} else {
		keep_free(k);
	}
	return rc;
}

int keep_map(struct keep *k)
{
	int rc = map(k);

	if (rc == 0 && (k->memory->version != KEEP_VERSION || k->memory->slot_size != sizeof(struct keep_slot)))
		rc = -ENOTSUP;
	return rc;
}

void keep_free(struct keep *k)
{
	if (k->memory != NULL)
		munmap(k->memory, sizeof *k->memory);
	if (k->fd >= 0)
		close(k->fd);
	*k = (struct keep){ .fd = -1, .socket = -1 };
}

/* ---- messages --------------------------------------------------------------------------------------------- */

int keep_send(int sock, const struct keep_message *m, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (void *)(uintptr_t)m, offsetof(struct keep_message, text) + strlen(m->text) + 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof control;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int keep_receive(int sock, struct keep_message *m, int *fd)
{
	char control[CMSG_SPACE(sizeof *fd)] __attribute__((aligned(8)));
	struct iovec iov = { m, sizeof *m };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	m->text[sizeof m->text - 1] = 0;
	return 1;
}

/* ---- what was being stored -------------------------------------------------------------------------------- */

struct keep_answers {
	size_t n;
	uint64_t request[];
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int keep_answers_load(struct keep *k, uint64_t event, struct keep_answers **out)
{
	struct keep_memory *m = k->memory;
	struct keep_answers *a = malloc(sizeof *a + KEEP_STORING * sizeof *a->request);

	if (a == NULL)
		return -ENOMEM;
	a->n = 0;
	for (size_t i = 0; i < KEEP_STORING; i++) {
		uint64_t request = atomic_load(&m->storing[i].request);

		if (request == 0)
			continue;
		/* What was not stored is forgotten, before its event's number is given to another. */
		if (atomic_load(&m->storing[i].event) > event)
			atomic_store(&m->storing[i].request, 0);
		else
			a->request[a->n++] = request;
	}
	qsort(a->request, a->n, sizeof *a->request, compare);
	*out = a;
	return 0;
}

void keep_answers_free(struct keep_answers *a)
{
	free(a);
}

bool keep_answers_has(const struct keep_answers *a, uint64_t request)
{
	return a != NULL && bsearch(&request, a->request, a->n, sizeof *a->request, compare) != NULL;
}

void keep_storing(struct keep *k, uint64_t request, uint64_t event)
{
	struct keep_memory *m = k->memory;
	uint32_t i = atomic_fetch_add(&m->stored, 1) % KEEP_STORING;

	atomic_store(&m->storing[i].request, 0);
	atomic_store(&m->storing[i].event, event);
	atomic_store(&m->storing[i].request, request);
}

void keep_unstored(struct keep *k, uint64_t request)
{
	for (size_t i = 0; i < KEEP_STORING; i++)
		if (atomic_load(&k->memory->storing[i].request) == request)
			atomic_store(&k->memory->storing[i].request, 0);
}

/* ---- leases: what is written behind, and those that end ---------------------------------------------------- */

void keep_marked(struct keep *k, uint64_t lease)
{
	uint64_t n = atomic_load(&k->memory->marks);

	atomic_store(&k->memory->mark[n % KEEP_MARKS], lease);
	atomic_store(&k->memory->marks, n + 1);
}

void keep_stored(struct keep *k, uint64_t marks)
{
	atomic_store(&k->memory->stored_marks, marks);
}

int keep_lost(struct keep *k, uint64_t **lease, size_t *n)
{
	struct keep_memory *m = k->memory;
	uint64_t marks = atomic_load(&m->marks), i = atomic_load(&m->stored_marks);

	*lease = NULL;
	*n = 0;
	if (marks > KEEP_MARKS && i < marks - KEEP_MARKS)
		i = marks - KEEP_MARKS;
	if (i < marks) {
		*lease = calloc(marks - i, sizeof **lease);
		if (*lease == NULL)
			return -ENOMEM;
	}
	for (; i < marks; i++)
		(*lease)[(*n)++] = atomic_load(&m->mark[i % KEEP_MARKS]);
	atomic_store(&m->marks, 0);
	atomic_store(&m->stored_marks, 0);
	return 0;
}

void keep_dropped(struct keep *k, uint64_t lease)
{
	atomic_store(&k->memory->drop[atomic_fetch_add(&k->memory->drops, 1) % KEEP_DROPS], lease);
}

void keep_each_dropped(struct keep *k, void (*fn)(void *arg, uint64_t lease), void *arg)
{
	for (size_t i = 0; i < KEEP_DROPS; i++) {
		uint64_t lease = atomic_load(&k->memory->drop[i]);

		if (lease != 0)
			fn(arg, lease);
	}
}

/* ---- what the kernel is to be told ------------------------------------------------------------------------ */

void keep_changing(struct keep *k, uint64_t ino)
{
	uint64_t n = atomic_load(&k->memory->changes);

	/* Many leases of one node may change in a row. */
	for (uint64_t i = n > 4 ? n - 4 : 0; i < n; i++)
		if (i >= atomic_load(&k->memory->told_changes) && atomic_load(&k->memory->change[i % KEEP_CHANGES]) == ino)
			return;
	atomic_store(&k->memory->change[n % KEEP_CHANGES], ino);
	atomic_store(&k->memory->changes, n + 1);
}

void keep_changes_told(struct keep *k)
{
	atomic_store(&k->memory->told_changes, atomic_load(&k->memory->changes));
}

void keep_each_change(struct keep *k, void (*fn)(void *arg, uint64_t ino), void *arg)
{
	uint64_t n = atomic_load(&k->memory->changes), i = atomic_load(&k->memory->told_changes);

	if (n > KEEP_CHANGES && i < n - KEEP_CHANGES)
		i = n - KEEP_CHANGES;
	for (; i < n; i++)
		fn(arg, atomic_load(&k->memory->change[i % KEEP_CHANGES]));
}

/* ---- what was read ---------------------------------------------------------------------------------------- */

void keep_read_add(struct keep *k, uint64_t unique, uint32_t deaths)
{
	for (size_t i = 0, at = unique / 2; i < KEEP_READ; i++, at++) {
		uint64_t none = 0;

		if (atomic_compare_exchange_strong(&k->memory->read[at % KEEP_READ], &none, unique)) {
			atomic_store(&k->memory->deaths[at % KEEP_READ], deaths);
			return;
		}
	}
}

void keep_read_remove(struct keep *k, uint64_t unique)
{
	for (size_t i = 0, at = unique / 2; i < KEEP_READ; i++, at++) {
		uint64_t wanted = unique;

		if (atomic_compare_exchange_strong(&k->memory->read[at % KEEP_READ], &wanted, 0))
			return;
	}
}

/* ---- files ------------------------------------------------------------------------------------------------ */

int keep_hold(struct keep *k, uint32_t slot, int fd)
{
	return keep_send(k->socket, &(struct keep_message){ .word = KEEP_HOLD, .slot = slot }, fd);
}

void keep_drop(struct keep *k, uint32_t slot)
{
	keep_send(k->socket, &(struct keep_message){ .word = KEEP_DROP, .slot = slot }, -1);
}
