#include "ipamctl/repair/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
enum { LOG_HEADER = 32, FRAME_HEADER = 24, COVERED = 8 /* bytes of a frame's header that its checksum covers */ };

struct sum {
	uint32_t a, b;
};

struct frames {
	const unsigned char *bytes;
	size_t size, page;
	uint64_t count;         /* that fit the file */
	bool big_endian, sound; /* sound: its header can be proven */
	struct sum seed;        /* what the first frame's checksum goes on from */
	uint32_t salt[2];
};

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t word(const struct frames *f, const unsigned char *p)
{
	return f->big_endian ? get32(p) : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum add(const struct frames *f, struct sum s, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i + 8 <= n; i += 8) {
		s.a += word(f, p + i) + s.b;
		s.b += word(f, p + i + 4) + s.a;
	}
	return s;
}

static bool same(struct sum x, struct sum y)
{
	return x.a == y.a && x.b == y.b;
}

static const unsigned char *frame(const struct frames *f, uint64_t i)
{
	return f->bytes + LOG_HEADER + i * (FRAME_HEADER + f->page);
}

static struct sum stored(const struct frames *f, uint64_t i)
{
	const unsigned char *p = frame(f, i);

	return (struct sum){ get32(p + 16), get32(p + 20) };
}

/* With these first bytes of its header. */
static struct sum sum_from(const struct frames *f, struct sum before, uint64_t i, const unsigned char covered[COVERED])
{
	return add(f, add(f, before, covered, COVERED), frame(f, i) + FRAME_HEADER, f->page);
}

static struct sum before(const struct frames *f, uint64_t i)
{
	return i == 0 ? f->seed : stored(f, i - 1);
}

static bool has_salt(const struct frames *f, uint64_t i)
{
	return get32(frame(f, i) + 8) == f->salt[0] && get32(frame(f, i) + 12) == f->salt[1];
}

/* What the header says, or, where that is damaged, what most frames say. */
static void find_generation(struct frames *f)
{
	struct sum s = { 0, 0 };
	uint64_t best = 0;

	f->big_endian = (get32(f->bytes) & 1) != 0;
	f->seed = (struct sum){ get32(f->bytes + 24), get32(f->bytes + 28) };
	f->salt[0] = get32(f->bytes + 16);
	f->salt[1] = get32(f->bytes + 20);
	f->sound = (get32(f->bytes) & ~1u) == 0x377f0682 && same(add(f, s, f->bytes, 24), f->seed);
	if (f->sound)
		return;
	for (uint64_t i = 0, run = 0; i < f->count; i++) { /* those of one generation lie together */
		run = i > 0 && memcmp(frame(f, i) + 8, frame(f, i - 1) + 8, 8) == 0 ? run + 1 : 1;
		if (run > best) {
			best = run;
			f->salt[0] = get32(frame(f, i) + 8);
			f->salt[1] = get32(frame(f, i) + 12);
		}
	}
	for (uint64_t i = 1; i < f->count; i++) {
		f->big_endian = false;
		if (same(sum_from(f, before(f, i), i, frame(f, i)), stored(f, i)))
			break;
		f->big_endian = true;
		if (same(sum_from(f, before(f, i), i, frame(f, i)), stored(f, i)))
			break;
	}
}

enum proof { PROVEN, MENDED, UNPROVEN, FOREIGN };

/* What the frame's page number and size are is in covered, put right where one bit of them is wrong. */
static enum proof prove(const struct frames *f, uint64_t i, unsigned char covered[COVERED])
{
	struct sum own, next;

	memcpy(covered, frame(f, i), COVERED);
	own = sum_from(f, before(f, i), i, covered);
	if (same(own, stored(f, i)))
		return PROVEN;
	/* The checksum itself is damaged: the next frame goes on from what it was. */
	if (i + 1 < f->count) {
		next = sum_from(f, own, i + 1, frame(f, i + 1));
		if (same(next, stored(f, i + 1)))
			return MENDED;
	}
	if (i > 0) { /* or that of the one before */
		own = sum_from(f, sum_from(f, before(f, i - 1), i - 1, frame(f, i - 1)), i, covered);
		if (same(own, stored(f, i)))
			return MENDED;
	}
	for (unsigned bit = 0; bit < 8 * COVERED; bit++) {
		covered[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (same(sum_from(f, before(f, i), i, covered), stored(f, i)))
			return MENDED;
		covered[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	return has_salt(f, i) ? UNPROVEN : FOREIGN;
}

/* What of the database's pages is believed: a damaged number must not make a file of terabytes. */
static bool fits(uint32_t page, uint64_t most)
{
	return page > 0 && page <= most;
}

static int put(int copy, const struct frames *f, uint64_t i, uint32_t page)
{
	ssize_t n = pwrite(copy, frame(f, i) + FRAME_HEADER, f->page, (off_t)(page - 1) * (off_t)f->page);

	return n == (ssize_t)f->page ? 0 : n < 0 ? -errno : -ENOSPC;
}

/* How far the log goes: behind its last frame that ends a transaction. */
static void measure(const struct frames *f, struct repair_log *out)
{
	unsigned char covered[COVERED];
	bool unbroken = f->sound, ends;
	uint64_t whole = 0;

	for (uint64_t i = 0; i < f->count; i++) {
		enum proof p = prove(f, i, covered);

		if (p == FOREIGN && i > 0 && !has_salt(f, i - 1))
			break; /* the generation before */
		unbroken &= p == PROVEN && has_salt(f, i);
		whole += unbroken;
		ends = p != FOREIGN && get32(covered + 4) != 0;
		/* A page that is torn may be one that ended a transaction. */
		if (ends || p == UNPROVEN)
			out->frames = i + 1;
		out->behind += ends && !unbroken;
		out->unsound += p == UNPROVEN || p == MENDED;
	}
	out->whole = whole < out->frames ? whole : out->frames;
}

static int apply(int copy, const struct frames *f, struct repair_log *out)
{
	unsigned char covered[COVERED];
	struct stat st;
	uint64_t most;
	uint32_t pages = 0;
	int rc = 0;

	if (fstat(copy, &st) < 0)
		return -errno;
	measure(f, out);
	most = (uint64_t)st.st_size / f->page + out->frames;
	for (uint64_t i = 0; rc == 0 && i < out->frames; i++) {
		enum proof p = prove(f, i, covered);

		if (p == FOREIGN || !fits(get32(covered), most))
			continue;
		rc = put(copy, f, i, get32(covered));
		if (p != UNPROVEN && get32(covered + 4) != 0)
			pages = get32(covered + 4);
	}
	if (rc == 0 && fits(pages, most) && ftruncate(copy, (off_t)pages * (off_t)f->page) < 0)
		rc = -errno;
	return rc;
}

static size_t page_size(int copy, const unsigned char *header)
{
	unsigned char db[18];
	size_t page = get32(header + 8);

	/* By the database first: it is the same, and its header is rarer written. */
	if (pread(copy, db, sizeof db, 0) == (ssize_t)sizeof db) {
		size_t own = (size_t)db[16] << 8 | db[17];

		own = own == 1 ? 65536 : own;
		if (own >= 512 && (own & (own - 1)) == 0)
			return own;
	}
	return page >= 512 && page <= 65536 && (page & (page - 1)) == 0 ? page : 0;
}

int repair_log_apply(int copy, const char *log, struct repair_log *out)
{
	struct frames f = { 0 };
	struct stat st;
	void *map;
	int rc = 0, fd = open(log, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*out = (struct repair_log){ 0 };
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= LOG_HEADER) {
		close(fd);
		return 0;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -errno;
	f.bytes = map;
	f.size = (size_t)st.st_size;
	f.page = page_size(copy, f.bytes);
	f.count = f.page == 0 ? 0 : (f.size - LOG_HEADER) / (FRAME_HEADER + f.page);
	if (f.count > 0) {
		out->there = true;
		find_generation(&f);
		out->sound = f.sound;
		rc = apply(copy, &f, out);
	}
	munmap(map, (size_t)st.st_size);
	return rc;
}
