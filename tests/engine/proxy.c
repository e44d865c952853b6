/* proxy — a bad network between one machine and the members of etcd.
 *
 *   proxy SEED ORDERS LISTEN=HOST:PORT...
 *
 * Takes the HTTP/1.1 of etcd's clients (and Kubernetes') at the ports of LISTEN on loopback, and passes each request on to that member as
 * it is, over a connection of its own; or does something to it. The file ORDERS says what, and is read at each request: lines of
 *
 *   KIND PERMILLE [PATH [TIMES [MS]]]
 *
 * where KIND is one of those below, or `any` for one of them by chance, PATH is in the request's path (- : any), TIMES is how often
 * at most as long as the file stays as it is (0: always), and MS is how late, instead of a time by chance. What happens comes of
 * SEED and the order in which requests come.
 *
 * At SIGTERM it says how many requests there were, how many in the second with most of them, and how often each thing was done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_MS = 3000, PEERS = 16, ORDERS = 32, HEAD_MAX = 16384, BODY_MAX = 256 << 20 };

enum kind {
	PASS,
	SLOW,      /* the request is held back for a while */
	LATE,      /* no answer, and the request comes when nobody waits for it any more */
	LOST,      /* neither */
	SILENT,    /* the same, and the connection stays open */
	SWALLOWED, /* done, without an answer */
	RESET,     /* done, and the connection reset */
	CUT,       /* done, and half of the answer */
	HALVED,    /* done, and half of the answer as if that were all */
	HELD,      /* done, and the answer is held back */
	TWICE,     /* done and answered, and once more later */
	SECOND,    /* done twice, and answered for the second time */
	BUSY,      /* 503 of something in between, which hasn't passed it on */
	LIMITED,   /* 429 of it */
	GATEWAY,   /* done, and 502 of it */
	PAGE,      /* done, and a page of it as the answer */
	KINDS
};
static const char *const kind_name[KINDS] = { "pass",   "slow", "late",  "lost",   "silent", "swallowed", "reset",   "cut",
					      "halved", "held", "twice", "second", "busy",   "limited",   "gateway", "page" };

struct peer {
	int listener;
	struct sockaddr_storage address;
	socklen_t size;
};

struct order {
	int kind; /* KINDS: any */
	unsigned permille;
	char path[64];
	unsigned long times, done;
	unsigned ms; /* 0: by chance */
};

struct message {
	char *head, *body; /* head: with the empty line */
	size_t head_size, size;
	char path[256];
	int status;
};

static struct peer peers[PEERS];
static const char *orders_file;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what follows */
static uint64_t seed;
static struct order orders[ORDERS];
static size_t order_count;
static struct timespec orders_at;
static ino_t orders_ino;
static unsigned long requests, done[KINDS], watches, this_second, most;
static int64_t second;

/* ---- chance ------------------------------------------------------------------------------------------------------ */

static unsigned chance(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 11) % below;
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

static int kind_of(const char *name)
{
	for (int i = 0; i < KINDS; i++)
		if (strcmp(kind_name[i], name) == 0)
			return i;
	return strcmp(name, "any") == 0 ? KINDS : -1;
}

static void read_orders(void)
{
	struct stat st;
	char line[256], name[32];
	FILE *f;

	if (stat(orders_file, &st) < 0 ||
	    (st.st_mtim.tv_sec == orders_at.tv_sec && st.st_mtim.tv_nsec == orders_at.tv_nsec && st.st_ino == orders_ino))
		return;
	f = fopen(orders_file, "re");
	if (f == NULL)
		return;
	orders_at = st.st_mtim;
	orders_ino = st.st_ino;
	order_count = 0;
	while (order_count < ORDERS && fgets(line, sizeof line, f) != NULL) {
		struct order *o = &orders[order_count];

		*o = (struct order){ .path = "-" };
		if (sscanf(line, "%31s %u %63s %lu %u", name, &o->permille, o->path, &o->times, &o->ms) < 2)
			continue;
		o->kind = kind_of(name);
		if (o->kind < 0) {
			fprintf(stderr, "proxy: %s: no such kind\n", name);
			exit(2);
		}
		order_count++;
	}
	fclose(f);
}

/* What is done to this request, and how late. */
static enum kind decide(const char *path, unsigned *ms)
{
	enum kind kind = PASS;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	read_orders();
	requests++;
	if (now.tv_sec != second) {
		second = now.tv_sec;
		this_second = 0;
	}
	if (++this_second > most)
		most = this_second;
	*ms = 0;
	for (size_t i = 0; kind == PASS && i < order_count; i++) {
		struct order *o = &orders[i];

		if ((strcmp(o->path, "-") != 0 && strstr(path, o->path) == NULL) || (o->times > 0 && o->done == o->times))
			continue;
		if (chance(1000) >= o->permille)
			continue;
		kind = o->kind == KINDS ? 1 + chance(KINDS - 1) : (enum kind)o->kind;
		*ms = o->ms;
		o->done++;
	}
	if (*ms == 0)
		*ms = 1 + chance(kind == SLOW || kind == HELD ? MOST_MS / 6 : MOST_MS);
	done[kind]++;
	pthread_mutex_unlock(&lock);
	return kind;
}

/* ---- HTTP -------------------------------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		data += sent;
		n -= (size_t)sent;
	}
	return true;
}

static const char *header(const struct message *m, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = strstr(m->head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, n) == 0)
			return line + 2 + n;
	return NULL;
}

static void message_free(struct message *m)
{
	free(m->head);
	free(m->body);
	*m = (struct message){ 0 };
}

/* Byte by byte: nothing of what follows is taken. */
static bool read_head(int fd, struct message *m)
{
	m->head = malloc(HEAD_MAX);
	m->head_size = 0;
	while (m->head_size < HEAD_MAX - 1 && recv(fd, m->head + m->head_size, 1, 0) == 1) {
		m->head[++m->head_size] = 0;
		if (m->head_size >= 4 && memcmp(m->head + m->head_size - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

/* n more bytes of a body. */
static bool read_more(int fd, struct message *m, size_t n)
{
	char *bigger = n > BODY_MAX - m->size ? NULL : realloc(m->body, m->size + n + 1);

	if (bigger == NULL)
		return false;
	m->body = bigger;
	while (n > 0) {
		ssize_t got = recv(fd, m->body + m->size, n, 0);

		if (got <= 0)
			return false;
		m->size += (size_t)got;
		n -= (size_t)got;
	}
	m->body[m->size] = 0;
	return true;
}

static bool read_line(int fd, char line[64])
{
	size_t n = 0;

	while (n < 63 && recv(fd, line + n, 1, 0) == 1)
		if (line[n++] == '\n') {
			line[n] = 0;
			return true;
		}
	return false;
}

static bool read_chunks(int fd, struct message *m)
{
	char line[64];

	while (read_line(fd, line)) {
		size_t n = strtoul(line, NULL, 16);

		if (n == 0)
			return read_line(fd, line);
		if (!read_more(fd, m, n) || !read_line(fd, line))
			return false;
	}
	return false;
}

static bool read_message(int fd, struct message *m)
{
	const char *size, *chunked;

	*m = (struct message){ 0 };
	if (!read_head(fd, m))
		return false;
	sscanf(m->head, "%*s %255s", m->path);
	m->status = atoi(m->path);
	chunked = header(m, "Transfer-Encoding: chunked");
	size = header(m, "Content-Length:");
	if (chunked != NULL)
		return read_chunks(fd, m);
	return read_more(fd, m, size == NULL ? 0 : strtoul(size, NULL, 10));
}

static bool write_answer(int fd, int status, const char *type, const char *body, size_t said, size_t sent)
{
	char head[256];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %d Status\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status, type, said);

	return write_all(fd, head, (size_t)n) && write_all(fd, body, sent);
}

static bool write_page(int fd, int status)
{
	static const char page[] = "<html><body><h1>Something is in between</h1></body></html>\n";

	return write_answer(fd, status, "text/html", page, sizeof page - 1, sizeof page - 1);
}

/* ---- the member -------------------------------------------------------------------------------------------------- */

static int to_member(const struct peer *p)
{
	int fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&p->address, p->size) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static bool ask(const struct peer *p, const struct message *request, struct message *answer)
{
	int fd = to_member(p);
	bool good = fd >= 0 && write_all(fd, request->head, request->head_size) && write_all(fd, request->body, request->size) &&
		    read_message(fd, answer);

	if (fd >= 0)
		close(fd);
	return good;
}

struct later {
	const struct peer *peer;
	struct message request;
	unsigned ms;
};

static void *ask_later(void *arg)
{
	struct later *l = arg;
	struct message ignored = { 0 };

	pause_ms(l->ms);
	ask(l->peer, &l->request, &ignored);
	fprintf(stderr, "late: %s\n", l->request.path);
	message_free(&ignored);
	message_free(&l->request);
	free(l);
	return NULL;
}

static void start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 << 10);
	if (pthread_create(&thread, &attr, fn, arg) != 0)
		abort();
	pthread_attr_destroy(&attr);
}

static void send_later(const struct peer *p, const struct message *request, unsigned ms)
{
	struct later *l = calloc(1, sizeof *l);

	l->peer = p;
	l->ms = ms;
	l->request = *request;
	l->request.head = memcpy(malloc(request->head_size + 1), request->head, request->head_size + 1);
	l->request.body = memcpy(malloc(request->size + 1), request->body, request->size + 1);
	start(ask_later, l);
}

/* ---- a watch: bytes, as they come -------------------------------------------------------------------------------- */

/* ms: 0, or how long it goes on well; then it ends as the kind says. */
static void pass_watch(int client, const struct peer *p, const struct message *request, enum kind kind, unsigned ms)
{
	int member = to_member(p);
	struct timespec begun, now;
	bool deaf = false;
	char data[4096];

	if (member < 0 || !write_all(member, request->head, request->head_size) || !write_all(member, request->body, request->size))
		goto out;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (;;) {
		struct pollfd fd[] = { { .fd = client, .events = POLLIN | POLLRDHUP }, { .fd = deaf ? -1 : member, .events = POLLIN } };
		ssize_t n;

		if (poll(fd, 2, 20) < 0 || fd[0].revents != 0)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (kind != PASS && (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 > (long)ms) {
			if (kind == SILENT || kind == LOST)
				deaf = true;
			else if (kind != SLOW && kind != HELD)
				break;
		}
		if (deaf || fd[1].revents == 0)
			continue;
		n = recv(member, data, sizeof data, 0);
		if (n <= 0)
			break;
		if (kind == SLOW || kind == HELD)
			pause_ms(ms);
		/* In the middle of what it tells. */
		if ((kind == CUT || kind == HALVED || kind == RESET) && n > 40 && deaf == false && ms % 3 == 0) {
			write_all(client, data, (size_t)n / 2);
			break;
		}
		if (!write_all(client, data, (size_t)n))
			break;
	}
out:
	if (member >= 0)
		close(member);
}

/* ---- a client ---------------------------------------------------------------------------------------------------- */

struct client {
	int fd;
	const struct peer *peer;
};

static void reset(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
}

/* Whether the connection goes on. */
static bool serve(const struct client *c, const struct message *request, enum kind kind, unsigned ms)
{
	struct message answer = { 0 };
	bool go_on = false;

	switch (kind) {
	case LATE:
		send_later(c->peer, request, ms);
		return false;
	case LOST:
		return false;
	case SILENT:
		pause_ms(MOST_MS * 2);
		return false;
	case BUSY:
		return write_page(c->fd, 503);
	case LIMITED:
		return write_page(c->fd, 429);
	case SLOW:
		pause_ms(ms);
		break;
	case SECOND:
		if (!ask(c->peer, request, &answer))
			goto out;
		message_free(&answer);
		break;
	default:
		break;
	}
	if (!ask(c->peer, request, &answer))
		goto out;
	switch (kind) {
	case SWALLOWED:
		break;
	case RESET:
		reset(c->fd);
		break;
	case CUT:
		write_answer(c->fd, answer.status, "application/json", answer.body, answer.size, answer.size / 2);
		break;
	case HALVED:
		go_on = write_answer(c->fd, answer.status, "application/json", answer.body, answer.size / 2, answer.size / 2);
		break;
	case GATEWAY:
		go_on = write_page(c->fd, 502);
		break;
	case PAGE:
		go_on = write_page(c->fd, 200);
		break;
	case TWICE:
		send_later(c->peer, request, ms);
		go_on = write_answer(c->fd, answer.status, "application/json", answer.body, answer.size, answer.size);
		break;
	case HELD:
		pause_ms(ms);
		/* fall through */
	default:
		go_on = write_answer(c->fd, answer.status, "application/json", answer.body, answer.size, answer.size);
	}
out:
	message_free(&answer);
	return go_on;
}

static void *client(void *arg)
{
	struct client *c = arg;
	struct message request;
	const int on = 1;
	bool go_on = true;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	while (go_on && read_message(c->fd, &request)) {
		unsigned ms;
		enum kind kind = decide(request.path, &ms);

		if (strstr(request.path, "watch") != NULL && kind != BUSY && kind != LIMITED && kind != GATEWAY && kind != PAGE) {
			pthread_mutex_lock(&lock);
			watches++;
			pthread_mutex_unlock(&lock);
			pass_watch(c->fd, c->peer, &request, kind, ms);
			go_on = false;
		} else {
			go_on = serve(c, &request, kind, ms);
		}
		message_free(&request);
	}
	close(c->fd);
	free(c);
	return NULL;
}

static void *listener(void *arg)
{
	const struct peer *p = arg;

	for (;;) {
		int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
		struct client *c;

		if (fd < 0)
			continue;
		c = malloc(sizeof *c);
		*c = (struct client){ fd, p };
		start(client, c);
	}
	return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* LISTEN=HOST:PORT */
static bool begin(struct peer *p, const char *text)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const int on = 1;
	struct addrinfo *found;
	char host[64], port[16];
	unsigned listen_at;

	if (sscanf(text, "%u=%63[^:]:%15s", &listen_at, host, port) != 3 || getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memcpy(&p->address, found->ai_addr, found->ai_addrlen);
	p->size = found->ai_addrlen;
	freeaddrinfo(found);
	at.sin_port = htons((uint16_t)listen_at);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return bind(p->listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(p->listener, 128) == 0;
}

int main(int argc, char **argv)
{
	sigset_t end;
	int signal;

	if (argc < 4 || argc - 3 > PEERS)
		return 2;
	seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	orders_file = argv[2];
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	for (int i = 3; i < argc; i++) {
		if (!begin(&peers[i - 3], argv[i])) {
			fprintf(stderr, "proxy: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		start(listener, &peers[i - 3]);
	}
	sigwait(&end, &signal);
	pthread_mutex_lock(&lock);
	printf("requests %lu\nmost %lu\nwatches %lu\n", requests, most, watches);
	for (int i = 0; i < KINDS; i++)
		printf("%s %lu\n", kind_name[i], done[i]);
	fflush(stdout);
	_exit(0);
}
