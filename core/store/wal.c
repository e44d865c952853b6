#include "store/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 32, FRAME_HEADER = 24, MAGIC = 0x377f0682, VERSION = 3007000, PAGE_MIN = 512, PAGE_MAX = 65536 };

struct wal {
	int fd;
	bool big_endian; /* the checksums' words */
	uint32_t page_size, frames, readable, behind;
	uint32_t salt[2], checksum[2]; /* of the header; big-endian words, as the frames have them */
	unsigned char *frame;          /* room for one */
};

static uint32_t word(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Goes on with `sum`, over a multiple of eight bytes. */
static void add_up(bool big_endian, const unsigned char *p, size_t n, uint32_t sum[2])
{
	for (; n > 0; n -= 8, p += 8) {
		sum[0] += (big_endian ? word(p) : little(p)) + sum[1];
		sum[1] += (big_endian ? word(p + 4) : little(p + 4)) + sum[0];
	}
}

/* -EBADMSG: the file ends before. */
static int read_at(int fd, void *out, size_t n, off_t at)
{
	char *p = out;

	while (n > 0) {
		ssize_t got = pread(fd, p, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
		p += got;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

static int open_beside(const char *database, const char *suffix, int how)
{
	char *path;
	int fd, rc;

	if (asprintf(&path, "%s%s", database, suffix) < 0)
		return -ENOMEM;
	fd = open(path, how | O_CLOEXEC | O_NONBLOCK);
	rc = fd < 0 ? -errno : fd;
	free(path);
	return rc;
}

/* ---- the log ------------------------------------------------------------------------------------------------------ */

static off_t frame_at(const struct wal *w, uint32_t number)
{
	return HEADER + (off_t)(number - 1) * (FRAME_HEADER + (off_t)w->page_size);
}

static int read_header(struct wal *w, off_t size)
{
	unsigned char header[HEADER];
	uint32_t sum[2] = { 0, 0 };
	off_t frames;
	int rc = read_at(w->fd, header, sizeof header, 0);

	if (rc < 0)
		return rc;
	w->big_endian = (word(header) & 1) != 0;
	w->page_size = word(header + 8);
	add_up(w->big_endian, header, 24, sum);
	if ((word(header) & ~1U) != MAGIC || word(header + 4) != VERSION || w->page_size < PAGE_MIN || w->page_size > PAGE_MAX ||
	    (w->page_size & (w->page_size - 1)) != 0 || sum[0] != word(header + 24) || sum[1] != word(header + 28))
		return -EBADMSG;
	for (int i = 0; i < 2; i++) {
		w->salt[i] = word(header + 16 + 4 * i);
		w->checksum[i] = sum[i];
	}
	frames = (size - HEADER) / (FRAME_HEADER + (off_t)w->page_size);
	w->frames = frames > UINT32_MAX ? UINT32_MAX : (uint32_t)frames;
	w->frame = malloc(FRAME_HEADER + w->page_size);
	return w->frame == NULL ? -ENOMEM : 0;
}

/* The checksum that frame `number` has, whether or not it holds; 0: the header's. */
static int stored_checksum(const struct wal *w, uint32_t number, uint32_t sum[2])
{
	unsigned char text[8];
	int rc;

	if (number == 0) {
		memcpy(sum, w->checksum, sizeof w->checksum);
		return 0;
	}
	rc = read_at(w->fd, text, sizeof text, frame_at(w, number) + 16);
	if (rc < 0)
		return rc;
	sum[0] = word(text);
	sum[1] = word(text + 4);
	return 0;
}

/* The frame after that with the checksum `sum`, which becomes the one it has. */
static int read_frame(struct wal *w, uint32_t number, uint32_t sum[2], struct wal_frame *out)
{
	unsigned char *f = w->frame;
	int rc = read_at(w->fd, f, FRAME_HEADER + w->page_size, frame_at(w, number));

	if (rc < 0)
		return rc;
	add_up(w->big_endian, f, 8, sum);
	add_up(w->big_endian, f + FRAME_HEADER, w->page_size, sum);
	*out = (struct wal_frame){ .page = word(f), .commit = word(f + 4), .data = f + FRAME_HEADER };
	out->current = word(f + 8) == w->salt[0] && word(f + 12) == w->salt[1];
	out->sound = sum[0] == word(f + 16) && sum[1] == word(f + 20);
	sum[0] = word(f + 16);
	sum[1] = word(f + 20);
	return 0;
}

static int walk(struct wal *w)
{
	uint32_t sum[2] = { w->checksum[0], w->checksum[1] };
	bool broken = false;

	for (uint32_t i = 1; i <= w->frames; i++) {
		struct wal_frame f;
		int rc = read_frame(w, i, sum, &f);

		if (rc < 0)
			return rc;
		broken = broken || !f.current || !f.sound || f.page == 0;
		if (f.commit == 0 || !f.current)
			continue;
		if (broken)
			w->behind++;
		else
			w->readable = i;
	}
	return 0;
}

int wal_open(const char *database, struct wal **out)
{
	struct wal *w = calloc(1, sizeof *w);
	struct stat st;
	int rc;

	if (w == NULL)
		return -ENOMEM;
	w->fd = open_beside(database, "-wal", O_RDONLY);
	rc = w->fd < 0 ? w->fd : fstat(w->fd, &st) < 0 ? -errno : 0;
	if (rc == 0 && st.st_size == 0)
		rc = -ENOENT;
	if (rc == 0)
		rc = read_header(w, st.st_size);
	if (rc == 0)
		rc = walk(w);
	if (rc < 0)
		wal_close(w);
	else
		*out = w;
	return rc;
}

void wal_close(struct wal *w)
{
	if (w == NULL)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->frame);
	free(w);
}

uint32_t wal_page_size(const struct wal *w)
{
	return w->page_size;
}

uint32_t wal_frames(const struct wal *w)
{
	return w->frames;
}

uint32_t wal_readable(const struct wal *w)
{
	return w->readable;
}

uint32_t wal_behind(const struct wal *w)
{
	return w->behind;
}

int wal_trim(struct wal *w, const char *database)
{
	int fd = open_beside(database, "-wal", O_WRONLY), rc = fd < 0 ? fd : 0;

	if (rc == 0 && ftruncate(fd, frame_at(w, w->readable + 1)) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc == 0) {
		w->frames = w->readable;
		w->behind = 0;
	}
	return rc;
}

int wal_read(struct wal *w, uint32_t number, struct wal_frame *out)
{
	uint32_t sum[2];
	int rc = stored_checksum(w, number - 1, sum);

	return rc < 0 ? rc : read_frame(w, number, sum, out);
}

/* ---- its index ---------------------------------------------------------------------------------------------------- */

/* As it lies in the file, in the machine's own byte order, twice; what belongs to checkpoints follows. */
struct index_header {
	uint32_t version, unused, changes;
	uint8_t is_made, big_endian;
	uint16_t page_size;
	uint32_t frames, pages, frame_checksum[2];
	unsigned char salt[8]; /* as in the log */
	uint32_t checksum[2];
};
_Static_assert(sizeof(struct index_header) == 48, "as SQLite has it");

static bool is_whole(const struct index_header *h)
{
	const uint32_t *p = (const uint32_t *)h;
	uint32_t sum[2] = { 0, 0 };

	for (; p < h->checksum; p += 2) {
		sum[0] += p[0] + sum[1];
		sum[1] += p[1] + sum[0];
	}
	return h->version == VERSION && h->is_made != 0 && sum[0] == h->checksum[0] && sum[1] == h->checksum[1];
}

int wal_index_read(const char *database, struct wal_index *out)
{
	struct {
		struct index_header header[2];
		uint32_t checkpointed;
	} index;
	const struct index_header *h = index.header;
	int fd = open_beside(database, "-shm", O_RDONLY);
	int rc = fd < 0 ? fd : read_at(fd, &index, sizeof index, 0);

	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return rc;
	/* The second is written first; where they differ, nobody has been answered of what it says. */
	if (!is_whole(h) && !is_whole(++h))
		return -EBADMSG;
	if (h->frames == 0)
		return -ENOENT;
	*out = (struct wal_index){ .frames = h->frames, .checkpointed = index.checkpointed, .commits = h->changes };
	for (int i = 0; i < 2; i++) {
		out->salt[i] = word(h->salt + 4 * i);
		out->checksum[i] = h->frame_checksum[i];
	}
	return 0;
}

bool wal_agrees(struct wal *w, const struct wal_index *index)
{
	uint32_t sum[2];

	return w->salt[0] == index->salt[0] && w->salt[1] == index->salt[1] && w->readable >= index->frames &&
	       stored_checksum(w, index->frames, sum) == 0 && sum[0] == index->checksum[0] && sum[1] == index->checksum[1];
}
