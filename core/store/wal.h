/* wal — the write-ahead log beside an SQLite database, and its index, read by themselves: SQLite stops at the first frame that isn't as
 * it was written, and says nothing of those behind it.
 *
 * Files are read, and but for wal_trim nothing else: SQLite makes the index again as soon as it opens a database that nobody has open, so
 * whoever wants to know what a process that died has left calls this first. The database may not be in use.
 * https://www.sqlite.org/fileformat2.html#the_write_ahead_log, https://www.sqlite.org/walformat.html#the_wal_index_file_format
 */
#ifndef IPAM_STORE_WAL_H
#define IPAM_STORE_WAL_H

#include <stdbool.h>
#include <stdint.h>

struct wal;

/* One frame: a page as a transaction left it. */
struct wal_frame {
	uint32_t page;   /* of the database, from 1 */
	uint32_t commit; /* > 0: it ends a transaction, after which the database has so many pages */
	bool current;    /* it has the salts of the log's header; others are remains of what was in the log before */
	bool sound;      /* its checksum holds, as one that follows the frame before: that one's stored checksum is what it goes by */
	const unsigned char *data; /* wal_page_size() bytes, good until the next call */
};

/* Of the database with this name. *out is the caller's to close. -ENOENT: there is none, or it is empty; -EBADMSG: its header isn't one
 * (the frames can't be told, nor which of them count); -ENOMEM; others from the system. */
int wal_open(const char *database, struct wal **out);
void wal_close(struct wal *w); /* NULL is fine */
uint32_t wal_page_size(const struct wal *w);
/* How many frames the file has room for. */
uint32_t wal_frames(const struct wal *w);
/* Up to this frame SQLite reads it, 0: none. It is the last of its transaction, and all before it are sound and current. */
uint32_t wal_readable(const struct wal *w);
/* Transactions of the log's own generation that end behind that: whatever stopped SQLite there is no end. */
uint32_t wal_behind(const struct wal *w);
/* Remove what lies behind wal_readable() from the file. -errno. */
int wal_trim(struct wal *w, const char *database);
/* Frame 1 to wal_frames(). -EIO and others from the system. */
int wal_read(struct wal *w, uint32_t number, struct wal_frame *out);

/* What the index says that a process left: of the last transaction that was committed, not of what was under way. */
struct wal_index {
	uint32_t frames;       /* the log has so many, with the last transaction */
	uint32_t checkpointed; /* so many of them are in the database, too */
	uint32_t commits;      /* since the index was made again from the log; 0: it tells what the log told, and nothing of its own */
	uint32_t salt[2], checksum[2]; /* of that log, of its last frame */
};
/* -ENOENT: there is none, or nothing was committed; -EBADMSG: it isn't whole; -ENOMEM; others from the system. */
int wal_index_read(const char *database, struct wal_index *out);
/* The log has all that the index says, as it was written. */
bool wal_agrees(struct wal *w, const struct wal_index *index);

#endif
